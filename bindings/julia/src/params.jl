# Parameters: adding, moving, reading and removing them.

"A parameter of an optimizer: `len` elements of `type`, with gradients of `grad_type`."
struct Param
    optimizer::Optimizer
    id::UInt32
    type::DataType
    grad_type::DataType
    len::Int
end
Param(optimizer, id, slot::Slot) = Param(optimizer, id, slot.type, slot.grad_type, slot.len)

const STATE_ARRAYS = (:exp_avg, :exp_avg_sq, :kahan_comp, :state_scale)

"A parameter to add: what the library is told, the arrays that this is about, and the name that it points to."
struct Described
    param::radam_param
    slot::Slot
    name::String
end

"""
    describe(data::AbstractArray; options...) -> Described
    describe(T, len; options...)

Describes a parameter for `add_params!`: an array, or one of `len` elements of type `T` that has no place yet.

- `name`: the key in checkpoints; without one it is "param." and the id.
- `grad`: an array that is the gradient in each step; `grad_type`: the type of its elements, if it is not that of `data`.
- `copy`: a 16-bit or Float32 array that receives the new values.
- `exp_avg`, `exp_avg_sq`, `kahan_comp`, `state_scale`: arrays of zeros, if the state is to be in arrays of yours. Of
  state of 8 bits, they are of Int8, UInt8, `T`, and UInt32, one for each block of 128 elements.
- `tensor_offset`, `tensor_len`: if the parameter is a shard, where it begins and how long the whole is.
"""
describe(data::AbstractArray; options...) = described(data, eltype(data), length(data); options...)
describe(type::Type, len::Integer; options...) = described(nothing, type, len; options...)

function described(data, type, len; name="", grad=nothing, grad_type=type, copy=nothing, exp_avg=nothing,
                   exp_avg_sq=nothing, kahan_comp=nothing, state_scale=nothing, tensor_offset=0, tensor_len=0)
    what = isempty(name) ? "the parameter" : name
    occursin('\0', name) && refuse("the name $(repr(name)) has a NUL; names end there in C")
    for type in (type, grad_type)
        dtype(type) == 0 && refuse("$what $(no_dtype(type))")
    end
    data === nothing || check_array(data, type, len, what)
    if grad !== nothing
        # 1.0 is a Float64, so that gradients are easily so by mistake.
        dtype(eltype(grad)) in (0, dtype(grad_type)) || grad_type !== type ||
            refuse("the gradient of $what has elements of type $(eltype(grad)), and the parameter $type; if that is " *
                   "meant, say grad_type=$(eltype(grad)) too")
        check_array(grad, grad_type, len, "the gradient of ", what)
    end
    state = (exp_avg=exp_avg, exp_avg_sq=exp_avg_sq, kahan_comp=kahan_comp, state_scale=state_scale)
    for (key, array) in pairs((copy=copy, state...))
        array === nothing || check_array(array, eltype(array), state_length(key, len), key, " of ", what)
    end
    # The address of a String is that of its bytes, as long as Described keeps it.
    param = filled(radam_param, "describe"; dtype=dtype(type), grad_dtype=dtype(grad_type), len=len,
                   data=address(data), grad=address(grad), name=isempty(name) ? Ptr{UInt8}(C_NULL) : pointer(name),
                   copy=address(copy), copy_dtype=copy === nothing ? radam_dtype(0) : dtype(eltype(copy)),
                   tensor_offset=tensor_offset, tensor_len=tensor_len, map(address, state)...)
    return Described(param, Slot(type, grad_type, len, data, grad, (copy=copy, state...)), name)
end

"How many elements an array of the state has, of a parameter that has `len`."
state_length(which, len) = which === :state_scale ? cld(len, 128) : len

"The types of the arrays of the state of a parameter whose whole tensor has `len` elements."
function state_types(rule, type, len)
    moments = something(rule.state_dtype, type)
    exp_avg, exp_avg_sq, kahan_comp = moments !== :q8 ? (moments, moments, moments) :
        len >= 4096 ? (Int8, UInt8, type) : (Float32, Float32, Float32)
    rule.master_remainder === true && (kahan_comp = Int16)
    return (exp_avg=exp_avg, exp_avg_sq=exp_avg_sq, kahan_comp=kahan_comp, state_scale=UInt32)
end

"Refuses state arrays of the caller that are not of the types which the options ask for."
function check_state_types(group, description::Described)
    slot, param = description.slot, description.param
    any(key -> slot.others[key] !== nothing, STATE_ARRAYS) || return nothing
    types = state_types(rule(group), slot.type, param.tensor_len == 0 ? slot.len : param.tensor_len)
    for key in STATE_ARRAYS
        slot.others[key] === nothing && continue
        given, type = eltype(slot.others[key]), types[key]
        (dtype(type) == 0 ? given === type : dtype(given) == dtype(type)) ||
            refuse("$key has elements of type $given; with the options of the group they are $type")
    end
end

"""
    add_params!(group, descriptions) -> Vector{Param}
    add_param!(group, data; options...) -> Param
    add_param!(group, T, len; options...) -> Param

Adds parameters to a group: all of them or, on error, none. `describe` has the options. The optimizer keeps the arrays
alive while they are registered.
"""
function add_params!(group::Group, descriptions::Vector{Described})
    optimizer, first = group.optimizer, Ref{UInt32}()
    params = [description.param for description in descriptions]
    foreach(description -> check_state_types(group, description), descriptions)
    return alone(optimizer) do
        status = GC.@preserve optimizer descriptions LowLevel.radam_add_params(
            handle(optimizer), group.id, params, length(params), first)
        check_added(status, descriptions)
        foreach(description -> description.slot.group = group.id, descriptions)
        append!(optimizer.slots, [description.slot for description in descriptions])
        return [Param(optimizer, first[] + i - 1, descriptions[i].slot) for i in 1:length(descriptions)]
    end
end
"Throws what the library says of one of these parameters, by its name."
function check_added(status, descriptions)
    status == LowLevel.RADAM_OK && return nothing
    named(place) = begin
        index, field = match(r"(\d+)\]\.(\w+)", place).captures
        name = descriptions[parse(Int, index) + 1].name
        isempty(name) || field == "name" || return "$field of $name"
        return length(descriptions) == 1 ? field : "$field of descriptions[$(parse(Int, index) + 1)]"
    end
    throw(RAdamError(status, replace(last_error(status, C_NULL), r"params\[\d+\]\.\w+" => named)))
end

add_param!(group::Group, data...; options...) = add_params!(group, [describe(data...; options...)])[1]

slot(param) = param.optimizer.slots[param.id + 1]

"""
    set_data!(param, array)
    set_grad!(param, array)

Registers other arrays, or none with `nothing`: a parameter without data or gradient is skipped by steps.
"""
function set_data!(param::Param, data)
    data === nothing || check_array(data, param.type, param.len, "data of parameter ", param.id)
    alone(param.optimizer) do
        GC.@preserve data call(LowLevel.radam_set_data, param.optimizer, param.id, address(data))
        keep!(slot(param); data=data)
    end
    return nothing
end
function set_grad!(param::Param, grad)
    grad === nothing || check_array(grad, param.grad_type, param.len, "the gradient of parameter ", param.id)
    alone(param.optimizer) do
        GC.@preserve grad call(LowLevel.radam_set_grad, param.optimizer, param.id, address(grad))
        keep!(slot(param); grad=grad)
    end
    return nothing
end

"""
    set_tensors!(optimizer, first, data, grads)

Registers the arrays of many parameters at once: of `first` and those that were added after it. Each of the two
vectors has an array or `nothing` for each parameter, or is itself `nothing` if those stay. Buffers can be swapped
this way.
"""
function set_tensors!(optimizer::Optimizer, first::Param, data, grads)
    count = length(something(data, grads, ()))
    data === nothing || grads === nothing || length(data) == length(grads) ||
        refuse("data has $(length(data)) arrays, and grads $(length(grads)); they must have as many")
    alone(optimizer) do
        slots = optimizer.slots
        range = Int(first.id) + 1:Int(first.id) + count
        last(range) <= length(slots) ||
            refuse("there are $count arrays, but only $(length(slots) - first.id) parameters from the first one on")
        check_tensors(slots, range, data, slot -> slot.type, "data")
        check_tensors(slots, range, grads, slot -> slot.grad_type, "the gradient")
        register!(optimizer, range, data, grads)
    end
    return nothing
end

"Registers arrays that fit, and then keeps them instead of those before."
function register!(optimizer, range, data, grads)
    GC.@preserve data grads call(LowLevel.radam_set_tensors, optimizer, first(range) - 1, length(range),
                                 addresses(data), addresses(grads))
    for (i, slot) in enumerate(view(optimizer.slots, range))
        keep!(slot; data=data === nothing ? slot.data : data[i], grad=grads === nothing ? slot.grad : grads[i])
    end
end

addresses(::Nothing) = C_NULL
addresses(arrays) = Ptr{Cvoid}[address(array) for array in arrays]

check_tensors(slots, range, ::Nothing, type, what) = nothing
function check_tensors(slots, range, arrays, type, what)
    for (array, index) in zip(arrays, range)
        array === nothing || check_array(array, type(slots[index]), slots[index].len, what, " of parameter ", index - 1)
    end
end

"""
    param(optimizer, name) -> Param

Finds a parameter by its name.
"""
function param(optimizer::Optimizer, name::AbstractString)
    id = got(LowLevel.radam_param_id, UInt32, optimizer, name)
    return lock(() -> Param(optimizer, id, optimizer.slots[id + 1]), optimizer.lock)
end

"The name of a parameter, which is its key in checkpoints."
function name(param::Param)
    optimizer = param.optimizer
    is_frozen(param) # throws if the parameter was removed, for which radam_param_name has no status
    get(buffer, size) = LowLevel.radam_param_name(handle(optimizer), param.id, buffer, size)
    GC.@preserve optimizer copied_text(get)
end

"The number of steps that a parameter has made."
step_count(param::Param) = got(LowLevel.radam_step_count, UInt64, param.optimizer, param.id)
set_step_count!(param::Param, steps) =
    change(LowLevel.radam_set_step_count, param.optimizer, param.id, whole(UInt64, steps, "steps"))

"Steps skip a frozen parameter as if it had no gradient."
freeze!(param::Param) = change(LowLevel.radam_set_frozen, param.optimizer, param.id, LowLevel.RADAM_ON)
thaw!(param::Param) = change(LowLevel.radam_set_frozen, param.optimizer, param.id, LowLevel.RADAM_OFF)
is_frozen(param::Param) = got(LowLevel.radam_get_frozen, Int32, param.optimizer, param.id) == LowLevel.RADAM_ON

"""
    reset!(param)
    reset!(optimizer)

Sets the state of a parameter, or of all, to that before the first step.
"""
reset!(param::Param) = work(LowLevel.radam_reset_state, param.optimizer, param.id)
reset!(optimizer::Optimizer) = work(LowLevel.radam_reset_state, optimizer, typemax(UInt32))

"Removes a parameter. Its arrays and its name can be used again."
function remove!(param::Param)
    alone(param.optimizer) do
        call(LowLevel.radam_remove_param, param.optimizer, param.id)
        keep!(slot(param); data=nothing, grad=nothing, others=())
        slot(param).group = NO_GROUP
    end
    return nothing
end

const STATES = (exp_avg=LowLevel.RADAM_STATE_EXP_AVG, exp_avg_sq=LowLevel.RADAM_STATE_EXP_AVG_SQ,
                kahan_comp=LowLevel.RADAM_STATE_KAHAN_COMP, master_remainder=LowLevel.RADAM_STATE_MASTER_REMAINDER,
                state_scale=LowLevel.RADAM_STATE_SCALE)

"The type of elements of an array of the state, which the library says to be of this dtype."
function state_type(which, dtype)
    which === :master_remainder && return Int16
    which === :state_scale && return UInt32
    dtype == LowLevel.RADAM_DTYPE_Q8 && return which === :exp_avg ? Int8 : UInt8
    return element_type(dtype)
end

"""
    state(param, which) -> Vector or nothing
    set_state!(param, which, array)

Copies an array of the state: `:exp_avg`, `:exp_avg_sq`, `:kahan_comp`, `:master_remainder` or `:state_scale`; `nothing`
if the parameter has no such array. Of state of 8 bits, `:exp_avg` is of Int8, `:exp_avg_sq` of UInt8, and `:state_scale` of
UInt32, one for each block of 128 elements.
"""
function state(param::Param, which::Symbol)
    return with_state(param, which) do array
        array === nothing ? nothing : copy(array)
    end
end
function set_state!(param::Param, which::Symbol, values)
    with_state(param, which) do array
        array === nothing && refuse("$(name(param)) has no $which")
        length(values) == length(array) ||
            refuse("the new $which has $(length(values)) elements; $(length(array)) are needed")
        copyto!(array, values)
    end
    return nothing
end

"Calls f with an array of the library, which nobody else can free or step meanwhile."
function with_state(f, param, which)
    haskey(STATES, which) || refuse("the state has no $which; it has $(join(keys(STATES), ", "))")
    optimizer = param.optimizer
    alone(optimizer) do
        pointer, type = Ref(C_NULL), Ref{radam_dtype}()
        work(LowLevel.radam_param_state, optimizer, param.id, STATES[which], pointer, type)
        pointer[] == C_NULL && return f(nothing)
        array = Ptr{state_type(which, type[])}(pointer[])
        GC.@preserve optimizer f(unsafe_wrap(Array, array, state_length(which, param.len)))
    end
end
