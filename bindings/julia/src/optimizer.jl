# The optimizer: its handle, its groups, and the arrays that it keeps from the garbage collector.

const NO_GROUP = typemax(UInt32)

"What is registered of a parameter. The library has the addresses of these arrays; the slot keeps them alive."
mutable struct Slot
    type::DataType
    grad_type::DataType
    len::Int
    data::Any
    grad::Any
    others::Any
    # Where the arrays were when they were registered.
    places::Any
    # The id of its group; NO_GROUP before it is added and after it is removed.
    group::UInt32

    function Slot(type, grad_type, len, data, grad, others)
        slot = new(type, grad_type, len, data, grad, others, nothing, NO_GROUP)
        slot.places = places(slot)
        return slot
    end
end

place(array) = array === nothing ? nothing : (address(array), length(array))
places(slot) = (place(slot.data), place(slot.grad), map(place, slot.others))

"Puts other arrays into a slot, once the library has their addresses."
function keep!(slot; data=slot.data, grad=slot.grad, others=slot.others)
    slot.data, slot.grad, slot.others = data, grad, others
    slot.places = places(slot)
end

"Refuses to go on if the library would use memory that a registered vector has left, as after push! or resize!."
function check_places(slots)
    for (index, slot) in enumerate(slots)
        places(slot) == slot.places ||
            refuse("an array of parameter $(index - 1) has moved or has another length since it was registered, as " *
                   "after push! or resize!; register it again")
    end
end

"""
    Optimizer(; num_threads=0, parallel_from=0)

An optimizer of the library, without parameters yet. It frees itself when it is no longer used, or in `close`.

Calls that change an optimizer wait for all others, whatever tasks they are in; `step_tensor!` and `step_chunk!` wait
for changes, but not for one another, and reading does not wait. While a step in slices is open, other changes are
refused with `RADAM_ERROR_BUSY`.
"""
mutable struct Optimizer
    handle::Threads.Atomic{UInt}
    # Whoever changes the optimizer has this lock. Calls that may run at the same time have it while they enter.
    lock::ReentrantLock
    # How many of those are inside. They leave under a lock of its own, since who changes may be waiting for that.
    inside::Int
    left::Threads.Condition
    slots::Vector{Slot}
    # What tells this object from a copy, in this process or another one.
    seal::UInt

    function Optimizer(; options...)
        options = Ref(filled(radam_options, "Optimizer"; options...))
        handle = Ref(Ptr{radam_optimizer}(C_NULL))
        check(LowLevel.radam_create(options, handle))
        optimizer = new(Threads.Atomic{UInt}(UInt(handle[])), ReentrantLock(), 0, Threads.Condition(), Slot[], 0)
        optimizer.seal = seal(optimizer)
        # radam_free may be called at any time, so also by a finalizer, which must not wait for a lock.
        return finalizer(free, optimizer)
    end
end

"A random number of this process."
const PROCESS = Ref{UInt}(0)
seal(optimizer) = PROCESS[] ⊻ UInt(pointer_from_objref(optimizer))

# A copy would have the handle, but neither keep the optimizer alive nor, in another process, know whose it is.
no_copies() = refuse("an optimizer cannot be copied or serialized; LibRAdam.save(state) returns bytes that can, and " *
                     "LibRAdam.load!(other, bytes) takes them in another one, such as setup makes")
Base.deepcopy_internal(::Optimizer, ::IdDict) = no_copies()
Serialization.serialize(::Serialization.AbstractSerializer, ::Optimizer) = no_copies()

# Packages such as JLD2 copy the fields without asking.
handle(optimizer) =
    optimizer.seal == seal(optimizer) ? Ptr{radam_optimizer}(optimizer.handle[]) : no_copies()

function free(optimizer)
    optimizer.seal == seal(optimizer) || return nothing
    handle = Threads.atomic_xchg!(optimizer.handle, UInt(0))
    handle == 0 || LowLevel.radam_free(Ptr{radam_optimizer}(handle))
    return nothing
end

"""
    close(optimizer)

Frees the optimizer's memory now. Whatever is called afterwards is refused with `RADAM_ERROR_INVALID_HANDLE`.
"""
Base.close(optimizer::Optimizer) = lock(() -> free(optimizer), optimizer.lock)
Base.isopen(optimizer::Optimizer) = optimizer.handle[] != 0 && optimizer.seal == seal(optimizer)

"Calls f while no other call than getters is inside, and none comes in."
function alone(f, optimizer)
    lock(optimizer.lock) do
        lock(optimizer.left.lock) do
            while optimizer.inside > 0
                wait(optimizer.left)
            end
        end
        return f()
    end
end

"Calls f, which others that are called so may overlap."
function shared(f, optimizer)
    lock(optimizer.lock) do
        lock(() -> optimizer.inside += 1, optimizer.left.lock)
    end
    try
        return f()
    finally
        lock(optimizer.left.lock) do
            optimizer.inside -= 1
            notify(optimizer.left)
        end
    end
end

"Calls a function of the library."
call(f, optimizer, arguments...) =
    GC.@preserve optimizer check(f(handle(optimizer), arguments...), handle(optimizer))

"Calls a function of the library that changes the optimizer: one task at a time."
change(f, optimizer, arguments...) = alone(() -> call(f, optimizer, arguments...), optimizer)

"Calls a function that also reads or writes registered arrays."
function work(f, optimizer, arguments...)
    alone(optimizer) do
        check_places(optimizer.slots)
        call(f, optimizer, arguments...)
    end
end

"What a getter writes."
function got(f, ::Type{T}, optimizer, arguments...) where {T}
    value = Ref{T}()
    call(f, optimizer, arguments..., value)
    return value[]
end

"A group of parameters with common options."
struct Group
    optimizer::Optimizer
    id::UInt32
end

"""
    add_group!(optimizer, rule::RAdam) -> Group

Adds a group without parameters; `add_param!` adds those.
"""
function add_group!(optimizer::Optimizer, rule::RAdam)
    id = Ref{UInt32}()
    change(LowLevel.radam_add_param_group, optimizer, Ref(rule.options), C_NULL, 0, id)
    return Group(optimizer, id[])
end

"""
    rule(group) -> RAdam

The options of a group as they are now.
"""
function rule(group::Group)
    options = Ref(filled(radam_group_options, "RAdam"))
    call(LowLevel.radam_get_group_options, group.optimizer, group.id, options)
    return RAdam(options[])
end

"""
    adjust!(group, lr)
    adjust!(group; options...)

Changes the learning rate, as a schedule does before each step, or any options of a group: all or, on error, none.
"""
adjust!(group::Group, lr::Real) = change(LowLevel.radam_set_lr, group.optimizer, group.id, lr)
function adjust!(group::Group; options...)
    alone(group.optimizer) do
        set_rule!(group, RAdam(with(rule(group).options, "RAdam"; options...)))
    end
end
set_rule!(group, rule) = work(LowLevel.radam_set_group_options, group.optimizer, group.id, Ref(rule.options))

"Refuses options that the library would refuse for a group: it changes a group like it, with parameters of its types."
function try_out(group::Group; options...)
    trial = Optimizer(; num_threads=1)
    like = add_group!(trial, rule(group))
    types = unique(slot.type for slot in group.optimizer.slots if slot.group == group.id)
    # So many elements that none is too short for state of 8 bits.
    foreach(type -> add_param!(like, type, 4096), types)
    adjust!(like; options...)
    close(trial)
end

"""
    report(group)

The scalars of the group's next step: `rectified`, `step`, `rho`, `rho_inf`, `r`, `effective_lr`, `beta1_hat`,
`beta2_hat`, `decay_factor`.
"""
function report(group::Group)
    found = Ref(filled(radam_group_report, "report"))
    call(LowLevel.radam_get_group_report, group.optimizer, group.id, found)
    return named(found[])
end

"""
    accumulate!(optimizer, on::Bool)

Turns optimizer accumulation on or off: while it is on, steps change the state but not the parameters.
"""
accumulate!(optimizer::Optimizer, on::Bool) =
    change(LowLevel.radam_set_optimizer_accumulation, optimizer, on)
accumulates(optimizer::Optimizer) =
    got(LowLevel.radam_get_optimizer_accumulation, Int32, optimizer) == LowLevel.RADAM_ON

"""
    advice(optimizer) -> String

What is set up legally but known to make training fail, one sentence per line.
"""
function advice(optimizer::Optimizer)
    accumulates(optimizer) # throws if the optimizer was closed, for which radam_advice has no status
    GC.@preserve optimizer copied_text((buffer, size) -> LowLevel.radam_advice(handle(optimizer), buffer, size))
end

"The version of the loaded library."
version() = VersionNumber(unsafe_string(LowLevel.radam_version_string()))
