# setup, update! and adjust! on nested structures.

struct Layer
    weight::Matrix{Float32}
    bias::Vector{Float32}
    activation::Function
    size::Int
end
Layer(seed) = Layer(reshape(numbers(Float32, 6, seed), 2, 3), numbers(Float32, 2, seed), tanh, 2)

mutable struct Norm
    scale::Vector{Float64}
    running_mean::Vector{Float64}
end
LibRAdam.trainable(norm::Norm) = (scale=norm.scale,)

nested() = (layers=(Layer(1), Layer(2)), norm=Norm([1.0, 2.0], [5.0]), table=Dict("b" => Float16[1], "a" => Float16[2]),
            heads=Any[[1f0], "text", [3, 4]], rng=LibRAdam.Random.MersenneTwister(1), size=3)
const NAMES = ["layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias", "norm.scale", "table.a",
               "table.b", "heads.1"]

@testset "names and arrays" begin
    model = nested()
    state = setup(RAdam(0.1), model)
    @test keys(state) == NAMES
    @test [LibRAdam.name(param) for param in state.params] == NAMES
    @test (state["norm.scale"].type, state["norm.scale"].len) == (Float64, 2)
    @test refused(() -> state["nobody"], INVALID_ARGUMENT, "nobody")
    @test repr(state) == "LibRAdam.State of 8 arrays"
    @test keys(setup(RAdam(0.1), [1.0])) == [""] && LibRAdam.name(setup(RAdam(0.1), [1.0]).params[1]) == "param.0"
end

@testset "gradients as Zygote has them" begin
    model, before = nested(), nested()
    state = setup(RAdam(0.1), model)
    grads = (layers=((weight=ones(Float32, 2, 3), bias=nothing, activation=nothing, size=nothing), nothing),
             norm=Ref{Any}((scale=[1.0, -1.0], running_mean=[9.0])), table=Dict("a" => Float16[1]),
             heads=Any[[2f0], nothing, nothing])
    returned = update!(state, model, grads)
    @test returned[1] === state && returned[2] === model
    @test model.layers[1].weight == before.layers[1].weight .- 0.1f0
    @test model.layers[1].bias == before.layers[1].bias && model.layers[2].weight == before.layers[2].weight
    @test model.norm.scale == [0.9, 2.1] && model.norm.running_mean == [5.0]
    @test model.table["a"] ≈ [1.9] rtol = 1e-3
    @test model.table["b"] == [1]
    @test model.heads == Any[[0.8f0], "text", [3, 4]]
    @test rand(model.rng) == rand(before.rng)
    @test [LibRAdam.step_count(state[name]) for name in NAMES] == [1, 0, 0, 0, 1, 1, 0, 1]
    # Some packages return gradients as structs like the model's.
    same = setup(RAdam(0.1), before)
    update!(same, before, (layers=(Layer(fill(1f0, 2, 3), zeros(Float32, 2), tanh, 2), nothing),))
    @test before.layers[1].weight == model.layers[1].weight
    @test LibRAdam.step_count(same["layers.1.bias"]) == 1
end

@testset "the same bits as a registered array" begin
    model, data, grad = (w=numbers(Float32, 100),), numbers(Float32, 100), zeros(Float32, 100)
    state = setup(RAdam(0.1; weight_decay=0.1), model)
    optimizer = Optimizer()
    add_param!(add_group!(optimizer, RAdam(0.1; weight_decay=0.1)), data; grad=grad)
    for seed in 2:12
        grad .= numbers(Float32, 100, seed)
        update!(state, model, (w=grad,); max_grad_norm=0.5)
        step!(optimizer; max_grad_norm=0.5)
    end
    @test model.w == data && data != numbers(Float32, 100)
end

@testset "options and reports of a step" begin
    model = (a=[1.0, 2.0], b=[3.0])
    state = setup(RAdam(1.0), model)
    grads = (a=[3.0, 0.0], b=[4.0])
    report = step!(state, model, grads; report=true, max_grad_norm=1, grad_scale=2, report_norms=true)
    @test (report.grad_norm, report.params_stepped, report.skipped, report.nonfinite) == (10, 2, false, 0)
    @test report.clip_coefficient ≈ 0.1 rtol = 1e-6
    @test report.update_norm ≈ 1 rtol = 1e-6
    @test model.a ≈ [0.4, 2] rtol = 1e-6
    before = deepcopy(model)
    grads.a[1] = NaN
    report = step!(state, model, grads; report=true, skip_nonfinite=true)
    @test (report.skipped, report.nonfinite, report.params_stepped) == (true, 1, 0)
    @test model == before
    update!(state, model, (a=[100.0, 0.0], b=grads.b); max_grad_value=0.5, zero_grad=true)
    @test grads.b == [0.0]
    @test step!(state, model, (a=nothing, b=nothing); report=true).params_stepped == 0
    @test refused(() -> step!(state, model, grads; clip=1), INVALID_ARGUMENT, "no option clip", "grad_scale")
    @test refused(() -> step!(state, model, grads; grad_scale=0), INVALID_ARGUMENT, "grad_scale", "0")
end

@testset "several groups, freezing" begin
    model = (weight=[1.0], bias=[1.0], out=(weight=[1.0], bias=[1.0]))
    rules(name, array) = endswith(name, "bias") ? RAdam(0.1) : RAdam(0.1; weight_decay=0.5, decouple_wd=true)
    state = setup(rules, model; num_threads=1)
    @test length(state.groups) == 2
    one = (weight=[1.0], bias=[1.0])
    update!(state, model, (one..., out=one))
    @test model.weight ≈ model.out.weight ≈ [0.85] && model.bias ≈ model.out.bias ≈ [0.9]
    LibRAdam.freeze!(state["out.bias"])
    @test LibRAdam.is_frozen(state["out.bias"])
    adjust!(state, 0.2)
    @test all(group -> LibRAdam.rule(group).lr == 0.2, state.groups)
    adjust!(state; lr=0.0, weight_decay=0)
    adjust!(state.groups[2]; lr=1.0)
    before = deepcopy(model)
    update!(state, model, (one..., out=one))
    @test model.out.bias == before.out.bias && model.weight == before.weight && model.bias != before.bias
    LibRAdam.thaw!(state["out.bias"])
    @test !LibRAdam.is_frozen(state["out.bias"])
end

@testset "an array that is there twice" begin
    shared = [1.0, 2.0]
    model = (a=shared, b=(c=shared, d=[1.0]))
    state = setup(RAdam(0.1), model)
    @test keys(state) == ["a", "b.d"]
    update!(state, model, (a=[1.0, 0.0], b=(c=[2.0, 1.0], d=nothing)))
    @test shared ≈ [0.7, 1.9]
    untied = (a=shared, b=(c=copy(shared), d=[1.0]))
    @test refused(() -> update!(state, untied, (a=[1.0, 0.0],)), INVALID_ARGUMENT, "b.c was the same array as a")
end

@testset "what does not fit" begin
    model = (w=zeros(2, 3), v=zeros(2), f=sin)
    state = setup(RAdam(0.1), model)
    bad(grads, words...) = refused(() -> update!(state, model, grads), INVALID_ARGUMENT, words...)
    @test bad((w=zeros(3, 2),), "the gradient of w has size (3, 2)", "(2, 3)")
    @test bad((w=zeros(Float32, 2, 3),), "the gradient of w has elements of type Float32; they must be Float64, or",
              "grad_type of setup must give Float32")
    @test bad((w=zeros(Int, 2, 3),), "the gradient of w has elements of type Int64")
    @test bad((w=1.0,), "the gradient of w is a Float64", "array")
    @test bad((W=zeros(2, 3),), "grads has W, which the model has not")
    wrong_size = (w=zeros(2, 3), v=zeros(3), f=sin)
    @test refused(() -> update!(state, wrong_size, nothing), INVALID_ARGUMENT, "v has size (3,)")
    several = nested()
    other = setup(RAdam(0.1), several)
    bad_nested(grads, words...) = refused(() -> update!(other, several, grads), INVALID_ARGUMENT, words...)
    @test bad_nested((layers=(nothing,),), "grads layers is a Tuple", "does not fit")
    @test bad_nested((layers=[nothing, nothing, nothing],), "grads layers is a", "does not fit")
    @test bad_nested((layers=(nothing, (ones(Float32, 2, 3), nothing)),), "grads layers.2 is a Tuple", "Layer")
    @test bad_nested((layers=(a=nothing,),), "grads has layers.a")
    @test bad_nested((several,), "grads is a Tuple", "does not fit", "take its element")
    @test bad_nested((norm=1.0,), "grads norm is a Float64", "Norm")
    @test bad_nested((norm=(bias=[1.0],),), "grads has norm.bias")
    @test refused(() -> update!(state, (w=zeros(2, 3),), nothing), INVALID_ARGUMENT, "1 arrays", "had 2")
    @test refused(() -> update!(state, (w=zeros(2, 3), v=zeros(2), x=zeros(2)), nothing), INVALID_ARGUMENT, "3 arrays")
    overlapping = (w=model.w, v=view(model.w, 1:2))
    @test refused(() -> update!(state, overlapping, (w=ones(2, 3), v=ones(2))), INVALID_ARGUMENT, "overlap")
    @test model == (w=zeros(2, 3), v=zeros(2), f=sin)
    @test refused(() -> setup(RAdam(0.1; gradient_release=true), model), INVALID_ARGUMENT, "w has gradient_release")
    @test refused(() -> adjust!(state; gradient_release=true), INVALID_ARGUMENT, "gradient_release is true")
    @test_logs (:warn, r"a RAdam") setup(model, RAdam(0.1)) # the other way round
end

@testset "nothing is kept" begin
    model = (w=zeros(2),)
    state = setup(RAdam(0.1), model)
    described() = (found = Ref(LibRAdam.filled(LowLevel.radam_param, "")); group = Ref{UInt32}();
                   LowLevel.radam_get_param(LibRAdam.handle(state.optimizer), 0, group, found); found[])
    nowhere() = described().data == C_NULL && described().grad == C_NULL && state.optimizer.slots[1].data === nothing
    update!(state, model, (w=ones(2),))
    @test nowhere()
    @test thrown(() -> update!(state, model, (w=ones(2),); grad_scale=-1)) isa RAdamError
    @test nowhere()
    LibRAdam.begin_step!(state, model, (w=ones(2),))
    @test !nowhere()
    LibRAdam.abort_step!(state)
    @test nowhere()
    @test thrown(() -> LibRAdam.begin_step!(state, model, (w=ones(2),); grad_scale=-1)) isa RAdamError
    @test nowhere()
end

@testset "a model that is an array has no name" begin
    model = [1f0]
    state = setup(RAdam(0.1), model)
    @test refused(() -> update!(state, model, [1.0]), INVALID_ARGUMENT, "the gradient of the model has elements of type Float64")
    @test refused(() -> update!(state, model, [1f0, 2f0]), INVALID_ARGUMENT, "the gradient of the model has size (2,)")
    @test refused(() -> setup(RAdam(0.1), [1f0 2f0]'), INVALID_ARGUMENT, "the model is a")
end
