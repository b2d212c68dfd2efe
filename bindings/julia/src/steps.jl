# Steps: at once, of one tensor, and in slices.

const STEP_OPTIONS = "skip_nonfinite=false, zero_grad=false, report_norms=false, grad_sums=nothing, grad_scale=1, " *
                     "max_grad_norm=0, max_grad_value=0"

"Calls f with options and a report, or NULL; returns what the report says."
function reporting(f, report; grad_sums=nothing, options...)
    grad_sums isa Union{GradSums, Nothing} ||
        refuse("grad_sums is $(repr(grad_sums)); it must be a LibRAdam.GradSums, or nothing")
    GC.@preserve grad_sums begin
        sums = grad_sums === nothing ? C_NULL : Base.unsafe_convert(Ptr{radam_grad_sums}, grad_sums.raw)
        filled_in = report ? Ref(filled(radam_step_report, "report")) : C_NULL
        f(Ref(filled(radam_step_options, "the step"; grad_sums=sums, options...)), filled_in)
    end
    return report ? named(filled_in[]) : nothing
end

"""
    step!(optimizer; report=false, $STEP_OPTIONS)

Updates every registered parameter that has a gradient. `radam.h` describes the options (radam_step_options). With
`report=true`, returns what happened: `skipped`, `nonfinite`, `grad_norm`, `clip_coefficient`, `update_norm`,
`param_norm`, `params_stepped`, `threads`; for that, gradients are measured.
"""
function step!(optimizer::Optimizer; report=false, options...)
    report || !isempty(options) || return work(LowLevel.radam_step, optimizer)
    reporting(report; options...) do options, report
        work(LowLevel.radam_step_with, optimizer, options, report)
    end
end

"""
    step_tensor!(param, data, grad; report=false, $STEP_OPTIONS)

Updates one parameter of a group with `gradient_release`, in arrays of which nothing is kept. `data` may be `nothing`:
the registered array. Different parameters may be stepped at the same time. `max_grad_norm` needs `grad_sums`.
"""
function step_tensor!(param::Param, data, grad::AbstractArray; report=false, options...)
    data === nothing ? lock(() -> check_places(param.optimizer.slots), param.optimizer.lock) :
        check_array(data, param.type, param.len, "data")
    check_array(grad, param.grad_type, param.len, "the gradient")
    reporting(report; options...) do options, report
        shared(param.optimizer) do
            GC.@preserve data grad call(LowLevel.radam_step_tensor, param.optimizer, param.id, address(data),
                                        address(grad), options, report)
        end
    end
end

"Fills all registered gradients with zeros."
zero_grad!(optimizer::Optimizer) = work(LowLevel.radam_zero_grad, optimizer)

"""
    begin_step!(optimizer; $STEP_OPTIONS)
    next_wave!(optimizer) -> number of chunks
    step_chunk!(optimizer, chunk)
    step_for!(optimizer, seconds) -> number of chunks left
    end_step!(optimizer; report=false)
    abort_step!(optimizer)

A step in slices. Each wave is a number of chunks, numbered from 1, which may be stepped in any order and at the same
time; after the last wave there are 0. `step_for!` runs chunks for about as long as given, at least one. The results
have the same bits as those of `step!`.
"""
function begin_step!(optimizer::Optimizer; options...)
    reporting(false; options...) do options, _
        work(LowLevel.radam_step_begin, optimizer, options)
    end
end

function next_wave!(optimizer::Optimizer)
    chunks = Ref{UInt64}()
    work(LowLevel.radam_step_wave, optimizer, chunks)
    return Int(chunks[])
end

function step_chunk!(optimizer::Optimizer, chunk::Integer)
    chunk >= 1 || refuse("chunk is $chunk; chunks begin at 1")
    shared(() -> call(LowLevel.radam_step_chunk, optimizer, chunk - 1), optimizer)
end

function step_for!(optimizer::Optimizer, seconds::Real)
    seconds >= 0 || refuse("seconds is $seconds; it must be at least 0")
    left = Ref{UInt64}()
    work(LowLevel.radam_step_for, optimizer, round(UInt64, min(seconds, 1e9) * 1e9), left)
    return Int(left[])
end

function end_step!(optimizer::Optimizer; report=false)
    filled_in = report ? Ref(filled(radam_step_report, "report")) : C_NULL
    change(LowLevel.radam_step_end, optimizer, filled_in)
    return report ? named(filled_in[]) : nothing
end

abort_step!(optimizer::Optimizer) = change(LowLevel.radam_step_abort, optimizer)
