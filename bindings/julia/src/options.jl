# Structs of options with Julia's values in them.

"The struct with its default values, except for these fields. `what` is what the user calls it."
function filled(::Type{T}, what; fields...) where {T}
    value = Ref{T}()
    check(init!(value))
    return with(value[], what; fields...)
end

function with(struct_::T, what; fields...) where {T}
    for name in keys(fields)
        name in option_names(T) || refuse("$what has no option $name; it has $(join(option_names(T), ", "))")
    end
    value(name) =
        name in keys(fields) ? to_c(fieldtype(T, name), Val(name), fields[name], what) : getfield(struct_, name)
    return T(map(value, fieldnames(T))...)
end

option_names(::Type{T}) where {T} = filter(name -> name ∉ (:struct_size, :reserved), fieldnames(T))

# `nothing` stands for the default: AUTO of a switch, NaN of max_lr, 0 of a dtype. Other numbers have no such word.
to_c(::Type{Int32}, ::Val, ::Nothing, what) = LowLevel.RADAM_AUTO
to_c(::Type{Float64}, ::Val{:max_lr}, ::Nothing, what) = NaN
to_c(::Type{Int32}, ::Val{:state_dtype}, ::Nothing, what) = radam_dtype(0)
to_c(::Type{Int32}, ::Val{:state_dtype}, type::Type, what) =
    dtype(type) != 0 ? dtype(type) : refuse("$what: state_dtype is $type, for which radam has no dtype")
to_c(::Type{Int32}, ::Val{:state_dtype}, name::Symbol, what) = name === :q8 ? LowLevel.RADAM_DTYPE_Q8 :
    refuse("$what: state_dtype is $(repr(name)); it must be a type, such as Float32, or :q8")
to_c(::Type{<:Ptr}, ::Val, value::Ptr, what) = value
to_c(::Type{<:Tuple}, ::Val, value::Tuple, what) = value
to_c(::Type{Float64}, ::Val, value::Real, what) = Float64(value)
to_c(::Type{Float64}, ::Val{name}, value, what) where {name} =
    refuse("$what: $name is $(repr(value)); it must be a number")
to_c(::Type{T}, ::Val{name}, value, what) where {T, name} = whole(T, value, "$what: $name")

"A whole number in the range of a C type."
function whole(::Type{T}, value, what) where {T}
    value isa Real && isinteger(value) && typemin(T) <= value <= typemax(T) ||
        refuse("$what is $(repr(value)); it must be a whole number from $(typemin(T)) to $(typemax(T))")
    return T(value)
end

"""
    RAdam(lr; decouple_wd, decouple_lr, kahan_sum, for_each, gradient_release, maximize, rectify, state_dtype,
          master_remainder, stochastic_rounding, unrectified, beta1=0.9, beta2=0.99, weight_decay=0, eps=1e-6, max_lr,
          rectify_threshold=5, seed=0)

The options of a group of parameters; `?LibRAdam.LowLevel.radam_group_options` describes each. Switches
are `true`, `false`, or `nothing` for the default. `state_dtype` is a type, such as `Float32`, or `:q8` for state of 8
bits. An option is read as a property: `RAdam(1e-3).beta1`.
"""
struct RAdam
    options::radam_group_options
end
RAdam(lr::Real; options...) = RAdam(filled(radam_group_options, "RAdam"; lr=lr, options...))
RAdam(; lr, options...) = RAdam(lr; options...)

const SWITCHES = filter(name -> fieldtype(radam_group_options, name) == Int32 && name !== :state_dtype,
                        option_names(radam_group_options))

Base.propertynames(::RAdam) = option_names(radam_group_options)
function Base.getproperty(rule::RAdam, name::Symbol)
    options = getfield(rule, :options)
    name === :options && return options
    value = getfield(options, name)
    name in SWITCHES && return value == LowLevel.RADAM_AUTO ? nothing : value == LowLevel.RADAM_ON
    name === :state_dtype && return value == 0 ? nothing : value == LowLevel.RADAM_DTYPE_Q8 ? :q8 : element_type(value)
    return value
end

function Base.show(io::IO, rule::RAdam)
    defaults = RAdam(NaN)
    is_set(name) = getproperty(rule, name) !== getproperty(defaults, name)
    shown(value) = value isa Symbol ? repr(value) : string(value)
    set = ["$name=$(shown(getproperty(rule, name)))" for name in propertynames(rule) if name !== :lr && is_set(name)]
    print(io, "RAdam(", rule.lr, isempty(set) ? "" : "; " * join(set, ", "), ")")
end

"The fields of a report, by their names."
function named(report::T) where {T}
    names = option_names(T)
    value(name) = name in (:skipped, :rectified) ? getfield(report, name) != 0 : getfield(report, name)
    return NamedTuple{names}(map(value, names))
end
