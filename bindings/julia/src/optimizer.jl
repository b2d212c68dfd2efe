# The optimizer: its handle, its groups, and the arrays that it keeps from the garbage collector.

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

    function Slot(type, grad_type, len, data, grad, others)
        slot = new(type, grad_type, len, data, grad, others, nothing)
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

Calls that change an optimizer wait for one another, whatever tasks they are in; reading, `step_tensor!` and
`step_chunk!` do not wait. While a step in slices is open, other changes are refused with `RADAM_ERROR_BUSY`.
"""
mutable struct Optimizer
    handle::Threads.Atomic{UInt}
    lock::ReentrantLock
    slots::Vector{Slot}

    function Optimizer(; options...)
        options = Ref(filled(radam_options, "Optimizer"; options...))
        handle = Ref(Ptr{radam_optimizer}(C_NULL))
        check(LowLevel.radam_create(options, handle))
        optimizer = new(Threads.Atomic{UInt}(UInt(handle[])), ReentrantLock(), Slot[])
        # radam_free may be called at any time, so also by a finalizer, which must not wait for a lock.
        return finalizer(free, optimizer)
    end
end

handle(optimizer) = Ptr{radam_optimizer}(optimizer.handle[])

function free(optimizer)
    handle = Threads.atomic_xchg!(optimizer.handle, UInt(0))
    handle == 0 || LowLevel.radam_free(Ptr{radam_optimizer}(handle))
    return nothing
end

"""
    close(optimizer)

Frees the optimizer's memory now. Whatever is called afterwards is refused with `RADAM_ERROR_INVALID_HANDLE`.
"""
Base.close(optimizer::Optimizer) = lock(() -> free(optimizer), optimizer.lock)
Base.isopen(optimizer::Optimizer) = optimizer.handle[] != 0

"Calls a function of the library that may run at the same time as others."
call(f, optimizer, arguments...) =
    GC.@preserve optimizer check(f(handle(optimizer), arguments...), handle(optimizer))

"Calls a function of the library that changes the optimizer: one task at a time."
change(f, optimizer, arguments...) = lock(() -> call(f, optimizer, arguments...), optimizer.lock)

"Calls a function that also reads or writes registered arrays."
function work(f, optimizer, arguments...)
    lock(optimizer.lock) do
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
    lock(group.optimizer.lock) do
        changed = with(rule(group).options, "RAdam"; options...)
        work(LowLevel.radam_set_group_options, group.optimizer, group.id, Ref(changed))
    end
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
