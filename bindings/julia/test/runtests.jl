# julia --project=bindings/julia bindings/julia/test/runtests.jl, with ENV["LIBRADAM"] if the library is not installed.
#
# SPDX: MIT OR Apache-2.0
using LibRAdam
using LibRAdam: Optimizer, RAdam, RAdamError, BFloat16, GradSums, LowLevel, add_group!, add_param!, adjust!, setup,
    step!, update!
using Serialization: serialize
using Test

"What a call throws; nothing if it returns."
function thrown(f)
    try
        f()
        return nothing
    catch error
        return error
    end
end

"Whether a call is refused with this status and a sentence that contains these words and, but for quotes, no names of C."
function refused(f, status, words...)
    error = thrown(f)
    error isa RAdamError && error.status == status && all(word -> occursin(word, error.message), words) &&
        !occursin(r"radam_|RADAM_|NULL|->|\bopt\b|params\[", replace(error.message, r"\"[^\"]*\"" => "")) && return true
    @info "not refused as expected" status words error
    return false
end

const BUSY, INVALID_ARGUMENT = LowLevel.RADAM_ERROR_BUSY, LowLevel.RADAM_ERROR_INVALID_ARGUMENT
const INVALID_HANDLE, INVALID_STATE = LowLevel.RADAM_ERROR_INVALID_HANDLE, LowLevel.RADAM_ERROR_INVALID_STATE

"Numbers that look random and are the same in every Julia."
numbers(type, count, seed=1) = type[sin(seed + 1.7f0 * i * i) for i in 1:count]

@testset "LibRAdam" begin
    for file in ("lowlevel", "rule", "arrays", "trees", "params", "q8", "tensors", "slices", "checkpoints", "memory")
        @testset "$file" begin
            include("$file.jl")
        end
    end
end
