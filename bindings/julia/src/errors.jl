# Statuses as exceptions.

"""
    RAdamError

What the library, or this package before it calls the library, refused or could not do. `status` is one of the
`LibRAdam.LowLevel.RADAM_ERROR_...` constants; `message` names the argument, its value and what is allowed.
"""
struct RAdamError <: Exception
    status::Int32
    message::String
end

status_name(status) = unsafe_string(LowLevel.radam_status_string(status))

Base.showerror(io::IO, error::RAdamError) = print(io, status_name(error.status), ": ", error.message)

refuse(message) = throw(RAdamError(LowLevel.RADAM_ERROR_INVALID_ARGUMENT, message))

"Copies a text from a function that takes a buffer and returns the size of the whole text, with its NUL."
function copied_text(get)
    size = get(C_NULL, 0)
    buffer = Vector{UInt8}(undef, size)
    # The text may have changed in between.
    size = min(get(buffer, size), size)
    return String(resize!(buffer, max(size, 1) - 1))
end

"""
The sentence of a call that has just failed. No task can switch between the call and this, so the thread's own sentence
is that of the call. It is cut at 2048 bytes, which only the list of what does not match in a checkpoint exceeds.
"""
function last_error(status, handle)
    source = status == LowLevel.RADAM_ERROR_MISMATCH ? handle : C_NULL
    return copied_text((buffer, size) -> LowLevel.radam_last_error(source, buffer, size))
end

check(status, handle=C_NULL) =
    status == LowLevel.RADAM_OK ? nothing : throw(RAdamError(status, last_error(status, handle)))
