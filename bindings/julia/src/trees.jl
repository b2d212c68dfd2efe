# Training of nested structures, in the manner of Optimisers.jl.

"""
    trainable(node)

The children of a node of a model that are trained, as a named tuple, a tuple, a dictionary or a vector. By default
these are all elements of containers and all fields of structs, but nothing of functions and random number generators.
Define a method for structs that have arrays which are not to be trained:

    LibRAdam.trainable(layer::BatchNorm) = (scale=layer.scale, shift=layer.shift)

The names must be those of the fields, under which gradients are looked up.
"""
trainable(node::Union{NamedTuple, Tuple, AbstractDict, AbstractArray}) = node
trainable(node::Union{Function, Module, Type, AbstractString, Symbol, Number, Random.AbstractRNG}) = ()
trainable(node::T) where {T} =
    isstructtype(T) ? NamedTuple{fieldnames(T)}(ntuple(i -> getfield(node, i), fieldcount(T))) : ()

"The keys of a container, in an order that is the same in every process."
keys_in_order(children::AbstractDict) = sort!(collect(keys(children)), by=string)
keys_in_order(children) = keys(children)

# Arrays of integers are indices and the like. Those of floating-point numbers without a dtype are refused later.
is_trained(node) = false
is_trained(node::AbstractArray{T}) where {T} = dtype(T) != 0 || T <: Union{AbstractFloat, Complex{<:AbstractFloat}}

"What a gradient has for a child of a node; `nothing` is no gradient."
child(::Nothing, key) = nothing
child(grads::Union{NamedTuple, AbstractDict}, key) = get(grads, key, nothing)
child(grads::Union{Tuple, AbstractArray}, key) = grads[key]
child(grads, key) = getfield(grads, key)

# The gradients of a node may be a named tuple or dictionary that lacks keys, and otherwise are as the node is.
check_keys(node, ::Nothing, path) = nothing
function check_keys(node, grads::Union{NamedTuple, AbstractDict}, path)
    for key in keys(grads)
        # A wrong name would leave something untrained. All fields of a struct may have a gradient.
        has_key(node, key) || refuse("grads has $(path_name((path, key))), which the model has not")
    end
end
function check_keys(node, grads, path)
    is_list(x) = x isa Union{Tuple, AbstractArray}
    is_like = is_list(grads) ? is_list(node) && keys(grads) == keys(node) : typeof(grads).name === typeof(node).name
    is_like && return nothing
    where = path === nothing ? "grads" : "grads $(path_name(path))"
    hint = path === nothing && grads isa Tuple{Any} ? "; Zygote's `gradient` returns a tuple: take its element" : ""
    refuse("$where is a $(typeof(grads)), which does not fit the model's $(typeof(node))$hint")
end
has_key(node::Union{NamedTuple, AbstractDict}, key) = haskey(node, key)
has_key(node::Union{Tuple, AbstractArray}, key) = key in keys(node)
has_key(node, key) = hasfield(typeof(node), key)

"Calls f(array, its gradient, its path) for each trained array of a model. path_name makes a text of the path."
function each_array(f, trainable, node, grads, path)
    is_trained(node) && return f(node, grads, path)
    node isa AbstractArray{<:Number} && return nothing
    children = trainable(node)
    isempty(children) && return nothing
    # That of a mutable struct.
    grads = grads isa Base.RefValue ? grads[] : grads
    check_keys(node, grads, path)
    for key in keys_in_order(children)
        each_array(f, trainable, children[key], child(grads, key), (path, key))
    end
end

path_name(::Nothing) = ""
path_name((path, key)) = path === nothing ? string(key) : string(path_name(path), ".", key)

"What an array is called in errors. A model may be nothing but an array."
called(path) = path === nothing ? "the model" : path_name(path)

"""
What `setup` makes of a model: an `optimizer` with a parameter for each array, and their `groups`. `state[name]` is the
parameter of a name, such as `"layers.1.weight"`, and `keys(state)` are the names. It keeps none of the model's arrays.
"""
struct State
    optimizer::Optimizer
    groups::Vector{Group}
    # In the order of their ids.
    params::Vector{Param}
    sizes::Vector{Any}
    names::Vector{String}
    # For each array of the model, in the order of each_array, the index of its parameter: the same for a tied one.
    indices::Vector{Int}
    trainable::Any
end

Base.keys(state::State) = state.names
Base.getindex(state::State, name::AbstractString) = param(state.optimizer, name)
Base.show(io::IO, state::State) = print(io, "LibRAdam.State of ", length(state.params), " arrays")

"""
    setup(rule::RAdam, model; options...) -> State
    setup(rules, model; options...) -> State

Makes the state for training a model: an array of floating-point numbers, or named tuples, tuples, vectors,
dictionaries and structs that contain such arrays. An array that is there twice is one parameter. `rules` is a
function of an array's name and the array that returns a rule, for models whose arrays have different options.

- `grad_type`: a function of the type of a parameter's elements that gives that of its gradients; by default the same.
- `trainable`: what takes the place of `LibRAdam.trainable`, for example `Optimisers.trainable`.
- all options of `Optimizer`.
"""
setup(rule::RAdam, model; options...) = setup((name, array) -> rule, model; options...)
function setup(rules, model; grad_type=identity, trainable=trainable, options...)
    arrays, names, indices = found(trainable, model)
    isempty(arrays) && @warn "setup found no arrays of floating-point numbers in the model, a $(typeof(model))"
    optimizer, groups = Optimizer(; options...), Dict{RAdam, Group}()
    params = map(arrays, names) do array, name
        rule = rules(name, array)
        rule.gradient_release == true &&
            refuse("$name has gradient_release, which update! would leave out; use step_tensor! for it")
        group = get!(() -> add_group!(optimizer, rule), groups, rule)
        type = eltype(array)
        add_param!(group, type, length(array); name=name, grad_type=grad_type(type))
    end
    in_order = sort!(collect(values(groups)), by=group -> group.id)
    return State(optimizer, in_order, params, Any[size(array) for array in arrays], names, indices, trainable)
end

"The different arrays of a model, their names, and for each array that each_array finds which of them it is."
function found(trainable, model)
    arrays, names, indices, seen = Any[], String[], Int[], IdDict{Any, Int}()
    each_array(trainable, model, nothing, nothing) do array, _, path
        index = get!(seen, array) do
            push!(names, path_name(path))
            length(push!(arrays, array))
        end
        is_flat(array) || refuse("$(called(path)) $(not_flat(array))")
        push!(indices, index)
    end
    return arrays, names, indices
end

"The arrays and gradients of a model, each in the order of the state's parameters."
function matched(state::State, model, grads, zero_grad)
    arrays, gradients = Vector{Any}(nothing, length(state.params)), Vector{Any}(nothing, length(state.params))
    count = 0
    slots = state.optimizer.slots
    each_array(state.trainable, model, grads, nothing) do array, grad, path
        count += 1
        count <= length(state.indices) || return nothing
        index = state.indices[count]
        fits(array, state.sizes[index], slots[index].type, path, "")
        arrays[index] === nothing || arrays[index] === array || refuse(
            "$(called(path)) was the same array as $(state.names[index]) in setup, and is another one now")
        arrays[index] = array
        grad === nothing && return nothing
        grad = gathered(gradients[index], grad, state.sizes[index], zero_grad, path)
        gradients[index] = fits(grad, state.sizes[index], slots[index].grad_type, path, "the gradient of ")
    end
    count == length(state.indices) ||
        refuse("the model has $count arrays; in setup it had $(length(state.indices))")
    return arrays, gradients
end

function fits(array, size, type, path, what)
    check_size(array, size, path, what)
    dtype(eltype(array)) == dtype(type) && is_flat(array) && return array
    is_grad = !isempty(what) && dtype(eltype(array)) != 0
    check_array(array, type, length(array), what, called(path);
                or=is_grad ? ", or the option grad_type of setup must give $(eltype(array))" : "")
end

function check_size(array, expected, path, what)
    array isa AbstractArray || refuse("$what$(called(path)) is a $(typeof(array)); it must be an array")
    size(array) == expected || refuse("$what$(called(path)) has size $(size(array)); in setup it was $expected")
end

"A gradient as the library takes it: a flat array, and the sum of those of a tied parameter."
function gathered(before, grad, size, zero_grad, path)
    check_size(grad, size, path, "the gradient of ")
    before === nothing && is_flat(grad) && return grad
    zero_grad && refuse("zero_grad cannot zero the gradient of $(called(path)), which is a copy, since the model " *
                        "has the array twice or the gradient $(not_flat(grad))")
    return before === nothing ? Array(grad) : before .+ grad
end

"Registers the arrays for as long as f runs."
function with_tensors(f, state::State, model, grads, zero_grad)
    alone(state.optimizer) do
        bind!(state, model, grads, zero_grad)
        try
            f()
        finally
            unbind!(state)
        end
    end
end

function bind!(state, model, grads, zero_grad)
    arrays, gradients = matched(state, model, grads, zero_grad)
    register!(state.optimizer, eachindex(state.params), arrays, gradients)
end

function unbind!(state)
    none = fill(nothing, length(state.params))
    register!(state.optimizer, eachindex(state.params), none, none)
end

"""
    update!(state, model, grads; $STEP_OPTIONS) -> state, model
    step!(state, model, grads; report=false, ...)

Updates the arrays of a model in place. `grads` has the structure of the model, with `nothing` wherever there is no
gradient, as Zygote returns it. `step!` does the same and returns a report, if asked for.
"""
function update!(state::State, model, grads; options...)
    step!(state, model, grads; options...)
    return state, model
end
function step!(state::State, model, grads; zero_grad=false, options...)
    with_tensors(state, model, grads, zero_grad) do
        step!(state.optimizer; zero_grad=zero_grad, options...)
    end
end

"""
    measure!(sums, state, model, grads)

Adds the gradients that `update!` would use.
"""
function measure!(sums::GradSums, state::State, model, grads)
    with_tensors(() -> measure!(sums, state.optimizer), state, model, grads, false)
end

"""
    begin_step!(state, model, grads; options...)

Opens a step in slices. The arrays stay registered until `end_step!(state)` or `abort_step!(state)`.
"""
function begin_step!(state::State, model, grads; zero_grad=false, options...)
    alone(state.optimizer) do
        bind!(state, model, grads, zero_grad)
        try
            begin_step!(state.optimizer; zero_grad=zero_grad, options...)
        catch
            unbind!(state)
            rethrow()
        end
    end
end
function end_step!(state::State; report=false)
    alone(state.optimizer) do
        outcome = end_step!(state.optimizer; report=report)
        unbind!(state)
        return outcome
    end
end
function abort_step!(state::State)
    alone(state.optimizer) do
        abort_step!(state.optimizer)
        unbind!(state)
    end
end
next_wave!(state::State) = next_wave!(state.optimizer)
step_chunk!(state::State, chunk) = step_chunk!(state.optimizer, chunk)
step_for!(state::State, seconds) = step_for!(state.optimizer, seconds)

"""
    adjust!(state, lr)
    adjust!(state; options...)

Changes the learning rate, or other options, of all groups; `adjust!(state.groups[i], ...)` changes those of one.

What does not fit a group is refused before any group changes. Only if memory runs out between two groups, or the
second one has parameters whose state is in arrays of yours, the first one is set back afterwards: then what `kahan_sum`
or a more precise `state_dtype` had kept of it is lost, if the options turned those off.
"""
adjust!(state::State, lr::Real) = alone(() -> foreach(group -> adjust!(group, lr), state.groups), state.optimizer)
function adjust!(state::State; options...)
    get(options, :gradient_release, false) === true &&
        refuse("gradient_release is true, and update! leaves out arrays of such groups; use step_tensor! for them")
    alone(state.optimizer) do
        length(state.groups) > 1 && foreach(group -> try_out(group; options...), state.groups)
        before = map(rule, state.groups)
        try
            foreach(group -> adjust!(group; options...), state.groups)
        catch
            set_rule!.(state.groups, before)
            rethrow()
        end
    end
end

save(state::State, path...; options...) = save(state.optimizer, path...; options...)
load!(state::State, source; options...) = (load!(state.optimizer, source; options...); state)
reset!(state::State) = reset!(state.optimizer)
advice(state::State) = advice(state.optimizer)
Base.close(state::State) = close(state.optimizer)
