# Progress callbacks. C gets one static function and a key; the functions of users are in a table here.

mutable struct Progress
    call::Any
    failed::Any
end

const PROGRESS = Dict{UInt, Progress}()
const PROGRESS_LOCK = ReentrantLock()
const LAST_KEY = Ref(UInt(0))

"""
What C calls. No exception may pass through C: it is kept and the call is cancelled. A function that returns `false`
cancels it, too.
"""
function on_progress(done::UInt64, total::UInt64, key::Ptr{Cvoid})::Int32
    progress = lock(() -> PROGRESS[UInt(key)], PROGRESS_LOCK)
    try
        return progress.call(done, total) === false ? 1 : 0
    catch exception
        progress.failed = exception
        return 1
    end
end

"Calls f with the fields of options that make C call `progress`, which may be nothing."
with_progress(f, ::Nothing) = f((progress=C_NULL, user=C_NULL))
function with_progress(f, call)
    progress = Progress(call, nothing)
    key = lock(PROGRESS_LOCK) do
        LAST_KEY[] += 1
        PROGRESS[LAST_KEY[]] = progress
        LAST_KEY[]
    end
    try
        return f((progress=@cfunction(on_progress, Int32, (UInt64, UInt64, Ptr{Cvoid})), user=Ptr{Cvoid}(key)))
    finally
        lock(() -> delete!(PROGRESS, key), PROGRESS_LOCK)
        # The exception of the callback takes the place of the one that says it cancelled.
        progress.failed === nothing || throw(progress.failed)
    end
end
