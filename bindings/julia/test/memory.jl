# Who keeps what alive, and who frees it.

alive(handle) = LowLevel.radam_get_optimizer_accumulation(handle, Ref{Int32}()) == LowLevel.RADAM_OK

@testset "closing" begin
    optimizer = Optimizer()
    handle = LibRAdam.handle(optimizer)
    group = add_group!(optimizer, RAdam(0.1))
    param = add_param!(group, [1.0])
    @test isopen(optimizer) && alive(handle)
    close(optimizer)
    @test !isopen(optimizer) && !alive(handle)
    close(optimizer)
    finalize(optimizer)
    for use in (() -> step!(optimizer), () -> add_group!(optimizer, RAdam(0.1)), () -> LibRAdam.step_count(param),
                () -> LibRAdam.set_grad!(param, [1.0]), () -> LibRAdam.advice(optimizer), () -> LibRAdam.name(param),
                () -> LibRAdam.state(param, :exp_avg), () -> adjust!(group, 1), () -> LibRAdam.save(optimizer))
        @test refused(use, INVALID_HANDLE, "the optimizer was closed")
    end
end

@testset "an optimizer that nobody has frees itself" begin
    handles = [LibRAdam.handle(setup(RAdam(0.1), [1.0]).optimizer) for _ in 1:50]
    GC.gc()
    @test count(alive, handles) <= 1
end

@testset "the optimizer keeps what is registered" begin
    collected = Threads.Atomic{Int}(0)
    count_it(array) = finalizer(_ -> Threads.atomic_add!(collected, 1), array)
    optimizer = Optimizer()
    group = add_group!(optimizer, RAdam(0.01))
    params = map(1:20) do _
        add_param!(group, count_it(ones(10_000)); grad=count_it(ones(10_000)), exp_avg=count_it(zeros(10_000)))
    end
    churn() = (GC.gc(); foreach(i -> fill(NaN, 10_000), 1:100))
    churn()
    @test collected[] == 0
    foreach(_ -> step!(optimizer), 1:10)
    report = step!(optimizer; report=true, report_norms=true)
    @test report.params_stepped == 20 && isfinite(report.param_norm) && report.grad_norm ≈ sqrt(20 * 10_000)
    foreach(LibRAdam.remove!, params)
    churn()
    @test collected[] >= 57
end

@testset "vectors that have moved" begin
    optimizer = Optimizer()
    data, grad, exp_avg = [1.0], [1.0], [0.0]
    param = add_param!(add_group!(optimizer, RAdam(0.1)), data; grad=grad, exp_avg=exp_avg)
    # So many that they cannot stay where they are.
    append!(grad, zeros(100_000))
    resize!(grad, 1)
    for use in (() -> step!(optimizer), () -> LibRAdam.zero_grad!(optimizer), () -> LibRAdam.begin_step!(optimizer))
        @test refused(use, INVALID_ARGUMENT, "an array of parameter 0 has moved", "register it again")
    end
    LibRAdam.set_grad!(param, grad)
    step!(optimizer)
    @test data == [0.9]
    append!(exp_avg, zeros(100_000))
    @test refused(() -> LibRAdam.save(optimizer), INVALID_ARGUMENT, "an array of parameter 0")
end

@testset "a state keeps nothing of the model" begin
    collected = Threads.Atomic{Int}(0)
    function train()
        model = (a=finalizer(_ -> Threads.atomic_add!(collected, 1), ones(1000)),)
        state = setup(RAdam(0.1), model)
        update!(state, model, (a=finalizer(_ -> Threads.atomic_add!(collected, 1), ones(1000)),))
        return state
    end
    state = train()
    GC.gc()
    @test collected[] == 2
    @test LibRAdam.step_count(state["a"]) == 1
end

@testset "many tasks share a state" begin
    model = (a=zeros(5000), b=zeros(10))
    state = setup(RAdam(0.001), model)
    @sync for task in 1:8
        Threads.@spawn for _ in 1:25
            update!(state, model, (a=ones(5000), b=ones(10)))
            LibRAdam.step_count(state["a"])
            task == 1 && GC.gc(false)
        end
    end
    @test LibRAdam.step_count(state["a"]) == 200
    # From the first registered array to the last one let go, no other task comes in between.
    task = lock(state.optimizer.lock) do
        task = @async update!(state, model, nothing)
        yield()
        @test !istaskdone(task) && all(slot -> slot.data === nothing, state.optimizer.slots)
        task
    end
    wait(task)
    alone = (a=zeros(5000), b=zeros(10))
    other = setup(RAdam(0.001), alone)
    foreach(_ -> update!(other, alone, (a=ones(5000), b=ones(10))), 1:200)
    @test model == alone
end

@testset "an optimizer cannot be copied" begin
    model = (a=zeros(10),)
    state = setup(RAdam(0.1), model)
    for copy in (deepcopy, object -> serialize(IOBuffer(), object))
        for object in (state, state.optimizer, state.groups[1], state["a"])
            @test refused(() -> copy(object), INVALID_ARGUMENT, "LibRAdam.save(state) returns bytes", "load!")
        end
    end
    # As packages do that copy the fields without asking: here, and into another process.
    copied(seal) = begin
        copy = ccall(:jl_new_struct_uninit, Any, (Any,), Optimizer)::Optimizer
        foreach(name -> setfield!(copy, name, getfield(state.optimizer, name)), fieldnames(Optimizer))
        copy.seal = seal(copy)
        return copy
    end
    for copy in (copied(_ -> state.optimizer.seal), copied(copy -> LibRAdam.seal(copy) ⊻ 1))
        @test refused(() -> step!(copy), INVALID_ARGUMENT, "cannot be copied")
        @test refused(() -> LibRAdam.param(copy, "a"), INVALID_ARGUMENT, "cannot be copied")
        close(copy)
        @test !isopen(copy) && isopen(state.optimizer)
    end
    update!(state, model, (a=ones(10),))
    @test LibRAdam.step_count(state["a"]) == 1
end
