# Steps of single tensors in arrays of the call, and sums for clipping across them.

const SIZES = (3, 20_000, 1, 400)

"Four tensors, stepped with a common limit of the norm: one by one, or by one step."
function clipped(one_by_one)
    optimizer = Optimizer()
    group = add_group!(optimizer, RAdam(0.1; gradient_release=one_by_one))
    data = [numbers(Float32, n, n) for n in SIZES]
    params = [add_param!(group, Float32, n) for n in SIZES]
    for seed in 1:8
        grads = [numbers(Float32, n, seed) for n in SIZES]
        if one_by_one
            sums = GradSums()
            foreach(grad -> LibRAdam.measure!(sums, grad), grads)
            LibRAdam.step_tensor!.(params, data, grads; max_grad_norm=1, grad_sums=sums)
        else
            LibRAdam.set_tensors!(optimizer, params[1], data, grads)
            step!(optimizer; max_grad_norm=1)
        end
    end
    return data
end

@testset "clipping across tensors" begin
    @test clipped(true) == clipped(false)
    @test clipped(true) != [numbers(Float32, n, n) for n in SIZES]
end

@testset "step_tensor!" begin
    optimizer = Optimizer()
    param = add_param!(add_group!(optimizer, RAdam(0.1; gradient_release=true)), Float64, 2; grad_type=Float32)
    data = [1.0, 2.0]
    report = LibRAdam.step_tensor!(param, data, [3f0, 4f0]; report=true)
    @test data ≈ [0.7, 1.6] && report.grad_norm == 5 && report.params_stepped == 1
    step(data, grad; options...) = () -> LibRAdam.step_tensor!(param, data, grad; options...)
    @test refused(step([1f0, 2f0], [3f0, 4f0]), INVALID_ARGUMENT, "data has elements of type Float32", "Float64")
    @test refused(step([1.0], [3f0, 4f0]), INVALID_ARGUMENT, "data has 1 elements", "2")
    @test refused(step(data, [3.0, 4.0]), INVALID_ARGUMENT, "the gradient has elements of type Float64")
    @test refused(step(data, [3f0, 4f0]; max_grad_norm=1), INVALID_ARGUMENT, "grad_sums")
    for sums in (1.0, [1.0], LibRAdam.words(GradSums()))
        @test refused(step(data, [3f0, 4f0]; grad_sums=sums), INVALID_ARGUMENT, "grad_sums is ", "GradSums, or nothing")
    end
    @test refused(step(nothing, [3f0, 4f0]), INVALID_STATE, "data")
    @test refused(step(data, reinterpret(Float32, data)[1:2]'), INVALID_ARGUMENT, "Adjoint")
    LibRAdam.set_data!(param, data)
    LibRAdam.step_tensor!(param, nothing, [3f0, 4f0])
    @test data ≈ [0.4, 1.2]
end

@testset "many tasks step different tensors" begin
    optimizer = Optimizer(num_threads=1)
    group = add_group!(optimizer, RAdam(0.1; gradient_release=true))
    data = [numbers(Float32, 1000, seed) for seed in 1:32]
    alone = deepcopy(data)
    params = [add_param!(group, Float32, 1000) for _ in data]
    Threads.@threads for i in 1:32
        foreach(seed -> LibRAdam.step_tensor!(params[i], data[i], numbers(Float32, 1000, seed)), 1:20)
    end
    state = setup(RAdam(0.1), alone)
    foreach(seed -> update!(state, alone, fill(numbers(Float32, 1000, seed), 32)), 1:20)
    @test data == alone
end

@testset "changes wait for steps of tensors, and these for changes" begin
    optimizer = Optimizer(num_threads=1)
    group = add_group!(optimizer, RAdam(0.1; gradient_release=true))
    count, stepped = 20_000, Threads.Atomic{Int}(0)
    params = [add_param!(group, zeros(Float32, count)) for _ in 1:2]
    @sync begin
        for param in params
            Threads.@spawn for _ in 1:300
                LibRAdam.step_tensor!(param, nothing, ones(Float32, count))
                Threads.atomic_add!(stepped, 1)
                yield()
            end
        end
        Threads.@spawn for i in 1:100
            adjust!(group, 0.1 / i)
            LibRAdam.save(optimizer)
            add_param!(group, Float32, 1)
            yield()
        end
    end
    @test stepped[] == 600 && LibRAdam.step_count.(params) == [300, 300] && LibRAdam.rule(group).lr == 0.001
    # One call inside keeps changes waiting, but no other one like it.
    task = LibRAdam.shared(optimizer) do
        task = @async adjust!(group, 1)
        LibRAdam.shared(() -> yield(), optimizer)
        @test !istaskdone(task)
        task
    end
    wait(task)
    @test LibRAdam.rule(group).lr == 1
    # From inside a progress function, nobody can wait for the call that runs it.
    step = (_, _) -> LibRAdam.step_tensor!(params[1], nothing, ones(Float32, count))
    path = joinpath(mktempdir(), "state")
    error = thrown(() -> LibRAdam.save(optimizer, path; progress=step))
    @test error.status == BUSY && length(collect(eachmatch(r"step_tensor!", error.message))) == 1
    @test optimizer.inside == 0
end

@testset "sums" begin
    sums = LibRAdam.measure!(GradSums(), [3.0])
    @test LibRAdam.value(sums) == (norm=3.0, nonfinite=0)
    other = LibRAdam.measure!(GradSums(), Float16[4, Inf])
    @test LibRAdam.value(other) == (norm=Inf, nonfinite=1)
    both = GradSums(LibRAdam.words(sums) + LibRAdam.words(LibRAdam.measure!(GradSums(), [4f0])))
    @test LibRAdam.value(both).norm == 5.0 && LibRAdam.value(sums + other).nonfinite == 1
    @test refused(() -> GradSums([1, 2]), INVALID_ARGUMENT, "2 elements", "72")
    @test refused(() -> LibRAdam.value(GradSums(fill(-1, 72))), INVALID_ARGUMENT, "words")
    @test refused(() -> LibRAdam.measure!(sums, [1, 2]), INVALID_ARGUMENT, "Int64")
    model = (a=[3.0], b=[4.0])
    state = setup(RAdam(0.1), model)
    @test LibRAdam.value(LibRAdam.measure!(GradSums(), state, model, model |> deepcopy)).norm == 5.0
    optimizer = Optimizer()
    add_param!(add_group!(optimizer, RAdam(0.1)), [1.0]; grad=[2.0])
    @test LibRAdam.value(LibRAdam.measure!(GradSums(), optimizer)).norm == 2.0
end
