# What is known of many gradients, exactly: for clipping across tensors and processes.

"""
    GradSums()
    GradSums(words)

The exact sum of squares of gradients, and how many elements are infinite or NaN; of none at first. `measure!` adds
gradients, `+` adds sums, and `words(sums)` are the 72 Int64 that processes add up (with MPI, `Allreduce!` by `+`).
"""
mutable struct GradSums
    raw::Base.RefValue{radam_grad_sums}
end
GradSums() = GradSums(Ref(filled(radam_grad_sums, "GradSums")))
function GradSums(words::AbstractVector{<:Integer})
    length(words) == 72 || refuse("words has $(length(words)) elements; it must have 72")
    return GradSums(Ref(filled(radam_grad_sums, "GradSums"; words=Tuple(words))))
end

words(sums::GradSums) = collect(sums.raw[].words)
Base.:+(a::GradSums, b::GradSums) = GradSums(words(a) + words(b))

"""
    measure!(sums, grad::AbstractArray)
    measure!(sums, optimizer)

Adds a gradient, or all gradients that `step!` would use.
"""
function measure!(sums::GradSums, grad::AbstractArray)
    type = eltype(grad)
    dtype(type) == 0 && refuse("the gradient $(no_dtype(type))")
    check_array(grad, type, length(grad), "the gradient")
    GC.@preserve grad check(LowLevel.radam_measure_tensor(dtype(type), address(grad), length(grad), sums.raw))
    return sums
end

"""
    value(sums)

The L2 `norm` of the gradients, and how many elements are `nonfinite`.
"""
function value(sums::GradSums)
    norm, nonfinite = Ref{Float64}(), Ref{UInt64}()
    check(LowLevel.radam_grad_sums_value(sums.raw, norm, nonfinite))
    return (norm=norm[], nonfinite=nonfinite[])
end

measure!(sums::GradSums, optimizer::Optimizer) = (work(LowLevel.radam_measure, optimizer, sums.raw); sums)
