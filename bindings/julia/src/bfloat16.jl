# A bfloat16, for arrays; arithmetic goes through Float32.

"""
    BFloat16

The upper 16 bits of a `Float32`. Conversions round to nearest even. Arrays of other 16-bit types are taken as bfloat16,
too, if `LibRAdam.dtype` says so of them:

    LibRAdam.dtype(::Type{MyBFloat16}) = LibRAdam.LowLevel.RADAM_DTYPE_BF16
"""
primitive type BFloat16 <: AbstractFloat 16 end

bits(x::BFloat16) = reinterpret(UInt16, x)

function BFloat16(x::Float32)
    word = reinterpret(UInt32, x)
    # Rounding could carry a NaN over to infinity. A bit below keeps it a NaN.
    upper = isnan(x) ? word >> 16 | 0x40 : (word + 0x7fff + (word >> 16 & 1)) >> 16
    return reinterpret(BFloat16, upper % UInt16)
end
BFloat16(x::Union{Float16, Float64, Integer}) = BFloat16(Float32(x))

Base.Float32(x::BFloat16) = reinterpret(Float32, UInt32(bits(x)) << 16)
Base.Float64(x::BFloat16) = Float64(Float32(x))
Base.Float16(x::BFloat16) = Float16(Float32(x))

Base.promote_rule(::Type{BFloat16}, ::Type{T}) where {T <: Union{Float32, Float64}} = T
Base.promote_rule(::Type{BFloat16}, ::Type{Float16}) = Float32
Base.promote_rule(::Type{BFloat16}, ::Type{<:Integer}) = BFloat16

for operator in (:+, :-, :*, :/)
    @eval Base.$operator(x::BFloat16, y::BFloat16) = BFloat16($operator(Float32(x), Float32(y)))
end
for comparison in (:(==), :<, :<=)
    @eval Base.$comparison(x::BFloat16, y::BFloat16) = $comparison(Float32(x), Float32(y))
end
Base.:-(x::BFloat16) = reinterpret(BFloat16, bits(x) ⊻ 0x8000)
Base.sqrt(x::BFloat16) = BFloat16(sqrt(Float32(x)))
Base.isnan(x::BFloat16) = isnan(Float32(x))
Base.isfinite(x::BFloat16) = isfinite(Float32(x))
Base.eps(::Type{BFloat16}) = BFloat16(0.0078125f0)
Base.show(io::IO, x::BFloat16) = print(io, "BFloat16(", Float32(x), ")")
