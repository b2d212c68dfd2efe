# Parameters that are registered: reading, moving, removing and resetting them.

function registered(data...; rule=RAdam(0.1), options...)
    optimizer = Optimizer(; num_threads=1)
    return optimizer, add_param!(add_group!(optimizer, rule), data...; options...)
end

@testset "data and gradients" begin
    data, grad = [1.0, 2.0], [1.0, 0.0]
    optimizer, param = registered(data; grad=grad, name="w")
    @test LibRAdam.param(optimizer, "w") == param && LibRAdam.name(param) == "w"
    step!(optimizer)
    @test data == [0.9, 2.0] && LibRAdam.step_count(param) == 1
    LibRAdam.zero_grad!(optimizer)
    @test grad == [0.0, 0.0]
    LibRAdam.set_grad!(param, nothing)
    step!(optimizer)
    @test LibRAdam.step_count(param) == 1
    moved = copy(data)
    LibRAdam.set_data!(param, moved)
    LibRAdam.set_grad!(param, [0.0, 1.0])
    step!(optimizer)
    @test data == [0.9, 2.0] && moved != data
    @test refused(() -> LibRAdam.set_data!(param, [1f0, 2f0]), INVALID_ARGUMENT,
                  "data of parameter 0 has elements of type Float32")
    @test refused(() -> LibRAdam.set_grad!(param, [1.0]), INVALID_ARGUMENT, "gradient of parameter 0", "1 element", "2")
    @test refused(() -> LibRAdam.set_grad!(param, moved), INVALID_ARGUMENT, "overlap")
    @test refused(() -> LibRAdam.set_step_count!(param, -1), INVALID_ARGUMENT, "steps is -1")
end

@testset "swapping buffers" begin
    optimizer = Optimizer()
    group = add_group!(optimizer, RAdam(0.1))
    a, b = [1.0], [2.0]
    first, second = add_param!(group, a; grad=[1.0]), add_param!(group, b)
    LibRAdam.set_tensors!(optimizer, first, [b, a], nothing)
    step!(optimizer)
    @test (a, b) == ([1.0], [1.9])
    LibRAdam.set_tensors!(optimizer, second, nothing, [[1.0]])
    LibRAdam.set_tensors!(optimizer, first, [nothing, a], [nothing, [1.0]])
    step!(optimizer)
    @test (a, b) == ([0.9], [1.9])
    set(first, data, grads) = () -> LibRAdam.set_tensors!(optimizer, first, data, grads)
    @test refused(set(second, [a, b], nothing), INVALID_ARGUMENT, "2 arrays, but only 1")
    @test refused(set(first, [a, b], [a]), INVALID_ARGUMENT, "data has 2 arrays, and grads 1")
    @test refused(set(first, Any[a, [1f0]], nothing), INVALID_ARGUMENT, "data of parameter 1")
end

@testset "state" begin
    optimizer, param = registered([1.0, 2.0]; grad=[1.0, -1.0])
    step!(optimizer)
    @test LibRAdam.state(param, :exp_avg) == [1.0, -1.0] && LibRAdam.state(param, :exp_avg_sq) == [1.0, 1.0]
    @test LibRAdam.state(param, :kahan_comp) === nothing
    LibRAdam.set_state!(param, :exp_avg, [3, 4])
    @test LibRAdam.state(param, :exp_avg) == [3.0, 4.0]
    LibRAdam.set_step_count!(param, 10)
    @test LibRAdam.step_count(param) == 10
    @test refused(() -> LibRAdam.set_state!(param, :exp_avg, [1]), INVALID_ARGUMENT, "1 elements", "2")
    @test refused(() -> LibRAdam.set_state!(param, :kahan_comp, [1]), INVALID_ARGUMENT, "param.0 has no kahan_comp")
    @test refused(() -> LibRAdam.state(param, :velocity), INVALID_ARGUMENT, "no velocity", "exp_avg")
    LibRAdam.reset!(param)
    @test LibRAdam.state(param, :exp_avg) == [0.0, 0.0] && LibRAdam.step_count(param) == 0
    masters = RAdam(0.001; master_remainder=true, state_dtype=Float32)
    optimizer, param = registered(BFloat16[1]; grad=BFloat16[1], rule=masters)
    step!(optimizer)
    @test LibRAdam.state(param, :master_remainder) isa Vector{Int16} && LibRAdam.state(param, :exp_avg) == [1f0]
end

@testset "arrays of the caller" begin
    data, working, exp_avg, exp_avg_sq = [1f0, 2f0], zeros(BFloat16, 2), zeros(Float32, 2), zeros(Float32, 2)
    optimizer, param = registered(data; grad=[1f0, 1f0], copy=working, exp_avg=exp_avg, exp_avg_sq=exp_avg_sq)
    step!(optimizer)
    @test working == BFloat16.(data) && exp_avg == exp_avg_sq == [1f0, 1f0]
    @test refused(() -> registered(data; copy=zeros(Float32, 3)), INVALID_ARGUMENT, "copy", "3 elements")
    @test refused(() -> registered(data; name="a\0b"), INVALID_ARGUMENT, "NUL")
    @test refused(() -> registered(["x"]), INVALID_ARGUMENT, "elements of type String", "Float16")
    @test refused(() -> registered(data; grad=[1, 2]), INVALID_ARGUMENT, "elements of type Int64")
    group, elsewhere = LibRAdam.Group(optimizer, 0), LibRAdam.describe([1f0])
    @test refused(() -> add_param!(group, data; name="x"), INVALID_ARGUMENT, "data of x is 0x", "overlap")
    @test refused(() -> add_param!(group, data), INVALID_ARGUMENT, "data is 0x")
    @test refused(() -> LibRAdam.add_params!(group, [elsewhere, LibRAdam.describe(data)]), INVALID_ARGUMENT,
                  "data of descriptions[2] is 0x")
end

@testset "gradients of another type are named" begin
    data, grad = [1f0, 2f0], [1.0, 1.0]
    @test refused(() -> registered(data; grad=grad, name="w"), INVALID_ARGUMENT,
                  "the gradient of w has elements of type Float64, and the parameter Float32", "grad_type=Float64")
    @test refused(() -> registered(data; grad=grad, grad_type=Float16), INVALID_ARGUMENT, "Float64", "Float16")
    optimizer, param = registered(data; grad=grad, grad_type=Float64)
    step!(optimizer)
    @test data == [0.9f0, 1.9f0]
end

@testset "removing and adding" begin
    optimizer = Optimizer()
    group = add_group!(optimizer, RAdam(0.1))
    data = [1.0]
    described = [LibRAdam.describe(data; name="a"), LibRAdam.describe(Float32, 4; name="b")]
    first, second = LibRAdam.add_params!(group, described)
    @test (first.id, second.id, second.type, second.len) == (0, 1, Float32, 4)
    LibRAdam.remove!(first)
    @test optimizer.slots[1].data === nothing
    @test refused(() -> LibRAdam.name(first), INVALID_ARGUMENT, "param")
    third = add_param!(group, data; name="a")
    @test third.id == 2 && LibRAdam.param(optimizer, "a") == third
    both = [LibRAdam.describe([1.0]; name="c"), LibRAdam.describe([1.0]; name="a")]
    @test refused(() -> LibRAdam.add_params!(group, both), INVALID_ARGUMENT, "\"a\"")
    @test refused(() -> LibRAdam.param(optimizer, "c"), INVALID_ARGUMENT, "c")
    @test length(optimizer.slots) == 3
end

@testset "accumulation and advice" begin
    data = Float16[1]
    optimizer, param = registered(data; grad=Float16[1])
    @test !LibRAdam.accumulates(optimizer)
    LibRAdam.accumulate!(optimizer, true)
    step!(optimizer)
    @test data == [1] && LibRAdam.step_count(param) == 1 && LibRAdam.accumulates(optimizer)
    LibRAdam.accumulate!(optimizer, false)
    step!(optimizer)
    @test data != [1]
    @test occursin("exp_avg_sq", LibRAdam.advice(optimizer))
    @test LibRAdam.advice(setup(RAdam(0.1), [1.0])) == ""
end
