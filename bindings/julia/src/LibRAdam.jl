# RAdam, an optimizer for training neural networks: the library libradam, on Julia's arrays. README.md introduces it.
#
# SPDX: MIT OR Apache-2.0
"""
    LibRAdam

RAdam (rectified Adam) by the library `libradam`. `setup`, `update!` and `adjust!` train nested structures of arrays;
`Optimizer`, `add_group!`, `add_param!` and `step!` reach everything that the library does; `LibRAdam.LowLevel` has its
functions as they are in C.
"""
module LibRAdam

module LowLevel
include("generated/constants.jl")
include("generated/structs.jl")
include("generated/functions.jl")
include("load.jl")
end

using .LowLevel: init!, radam_dtype, radam_grad_sums, radam_group_options, radam_group_report, radam_load_options,
    radam_optimizer, radam_options, radam_param, radam_save_options, radam_step_options, radam_step_report
import Random, Serialization

include("errors.jl")
include("bfloat16.jl")
include("arrays.jl")
include("options.jl")
include("optimizer.jl")
include("params.jl")
include("sums.jl")
include("steps.jl")
include("callbacks.jl")
include("checkpoints.jl")
include("trees.jl")

function __init__()
    PROCESS[] = rand(Random.RandomDevice(), UInt)
    LowLevel.load()
end

end
