# The state in files and buffers. The parameters themselves are the caller's to save.

"""
    save(optimizer, path; progress=nothing)
    save(optimizer) -> Vector{UInt8}

Saves state, step counts and options: to a file, which appears whole or not at all, or to memory. `progress(done,
total)` is called after about every MiB; if it returns `false` or throws, the call is cancelled.
"""
function save(optimizer::Optimizer, path::AbstractString; progress=nothing)
    with_progress(progress) do callback
        options = Ref(filled(radam_save_options, "save"; callback...))
        work(LowLevel.radam_save_with, optimizer, path, options)
    end
end
function save(optimizer::Optimizer)
    size = Ref{UInt64}()
    return alone(optimizer) do
        work(LowLevel.radam_save_to_buffer, optimizer, C_NULL, 0, size)
        buffer = Vector{UInt8}(undef, size[])
        call(LowLevel.radam_save_to_buffer, optimizer, buffer, length(buffer), size)
        return resize!(buffer, size[])
    end
end

"""
    load!(optimizer, path; strict=true, hyperparameters=true, convert_state=false, progress=nothing)
    load!(optimizer, bytes::Vector{UInt8}; ...)
    load!(optimizer, paths; ...)

Loads what `save` saved, into an optimizer that already has its groups and parameters, which are found by their names.
Of several paths, each is the checkpoint of a process that had its own shards. `strict=false` leaves parameters alone
that are only in one of the two; `hyperparameters=false` keeps the optimizer's own options; `convert_state=true` converts
state that the optimizer has in another `state_dtype`, such as `:q8`.
"""
function load!(optimizer::Optimizer, path::AbstractString; options...)
    loading(; options...) do options
        work(LowLevel.radam_load_with, optimizer, path, options)
    end
end
function load!(optimizer::Optimizer, bytes::Vector{UInt8}; options...)
    loading(; options...) do options
        work(LowLevel.radam_load_from_buffer, optimizer, bytes, length(bytes), options)
    end
end
function load!(optimizer::Optimizer, paths::AbstractVector{<:AbstractString}; options...)
    loading(; options...) do options
        work(LowLevel.radam_load_shards, optimizer, convert(Vector{String}, paths), length(paths), options)
    end
end

function loading(f; progress=nothing, options...)
    with_progress(progress) do callback
        options = Ref(filled(radam_load_options, "load!"; callback..., options...))
        f(options)
    end
end
