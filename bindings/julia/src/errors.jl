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

# What the library's sentences call otherwise. Other functions of it have their names here, with an exclamation mark.
# Two of them are step_tensor!, which a list need not name twice.
const NAMES = Dict("->" => ".", "NULL" => "nothing", "opt" => "the optimizer", "RADAM_OFF" => "false", "RADAM_ON" => "true",
                   "RADAM_AUTO" => "nothing", "radam_step_begin" => "begin_step!", "radam_step_wave" => "next_wave!",
                   "radam_step_end" => "end_step!", "radam_step_abort" => "abort_step!",
                   "radam_step_param" => "step_tensor!", "radam_step_param," => "")

"A sentence of the library in the names of this package, apart from what it quotes, which is the caller's."
function in_julia(sentence)
    function named(word)
        startswith(word, '"') && return word
        word = first(split(word, ' '))
        return get(() -> startswith(word, "radam_") ? word[7:end] * "!" : word, NAMES, word)
    end
    words = r"\"[^\"]*\"|radam_step_param, (?=radam_step_tensor)|RADAM_\w+( \(\d\))?|->|\w+"
    sentence = replace(sentence, words => named)
    # Chunks begin at 1 here.
    startswith(sentence, "chunk is ") || return sentence
    sentence = replace(sentence, r"\d+" => number -> string(parse(Int, number) + 1); count=1)
    return replace(sentence, "it must be below" => "it must be at most")
end

"""
The sentence of a call that has just failed. No task can switch between the call and this, so the thread's own sentence
is that of the call. It is cut at 2048 bytes, which only the list of what does not match in a checkpoint exceeds.
"""
function last_error(status, handle)
    status == LowLevel.RADAM_ERROR_INVALID_HANDLE && return "the optimizer was closed"
    source = status == LowLevel.RADAM_ERROR_MISMATCH ? handle : C_NULL
    return in_julia(copied_text((buffer, size) -> LowLevel.radam_last_error(source, buffer, size)))
end

check(status, handle=C_NULL) =
    status == LowLevel.RADAM_OK ? nothing : throw(RAdamError(status, last_error(status, handle)))
