# Which arrays the library can work on, and their addresses.

"""
    dtype(T)

The library's dtype of elements of type `T`, 0 if it has none. Define a method for 16-bit types of your own.
"""
dtype(::Type) = radam_dtype(0)
dtype(::Type{Float32}) = LowLevel.RADAM_DTYPE_F32
dtype(::Type{Float64}) = LowLevel.RADAM_DTYPE_F64
dtype(::Type{Float16}) = LowLevel.RADAM_DTYPE_F16
dtype(::Type{BFloat16}) = LowLevel.RADAM_DTYPE_BF16
# Julia's own, from 1.11 on.
if isdefined(Core, :BFloat16)
    dtype(::Type{Core.BFloat16}) = LowLevel.RADAM_DTYPE_BF16
end

no_dtype(type) = "has elements of type $type; radam has Float32, Float64, Float16 and bfloat16 (see LibRAdam.dtype)"

"The type of elements of a dtype."
element_type(dtype) = (Float32, Float64, Float16, BFloat16)[dtype]

"Whether the elements of an array lie one after another in this process's memory."
is_flat(array) = array isa StridedArray && is_contiguous(array) && pointer(array) isa Ptr

not_flat(array) = "is a $(typeof(array)), whose elements do not lie one after another in memory; copy it to an Array"

is_contiguous(array::DenseArray) = true
function is_contiguous(array)
    next = 1
    for (size, stride) in zip(size(array), strides(array))
        size == 1 || stride == next || return false
        next *= size
    end
    return true
end

"The address of an array that is_flat. It is valid only while GC.@preserve, or a slot, keeps the array."
address(array) = convert(Ptr{Cvoid}, pointer(array))
address(::Nothing) = C_NULL

"""
Refuses an array that has not this dtype, this many elements, or a flat layout. The parts of `what` together name it;
they are put together only if they are needed. `or` is what else would make the type right.
"""
function check_array(array, type, len, what...; or="")
    dtype(eltype(array)) == dtype(type) ||
        refuse("$(string(what...)) has elements of type $(eltype(array)); they must be $type$or")
    length(array) == len || refuse("$(string(what...)) has $(length(array)) elements; the parameter has $len")
    is_flat(array) || refuse("$(string(what...)) $(not_flat(array))")
end
