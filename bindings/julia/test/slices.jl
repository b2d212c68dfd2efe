# Steps in slices.

function trained(step)
    model = (a=numbers(Float32, 100_000), b=numbers(Float32, 7))
    state = setup(RAdam(0.1), model)
    for seed in 2:8
        step(state, model, (a=numbers(Float32, 100_000, seed), b=numbers(Float32, 7, seed)))
    end
    return model
end

@testset "the same bits, however it is sliced" begin
    at_once = trained((state, model, grads) -> update!(state, model, grads; max_grad_norm=1))
    by_waves = trained() do state, model, grads
        LibRAdam.begin_step!(state, model, grads; max_grad_norm=1)
        while (chunks = LibRAdam.next_wave!(state)) > 0
            Threads.@threads for chunk in 1:chunks
                LibRAdam.step_chunk!(state, chunk)
            end
        end
        @test LibRAdam.end_step!(state; report=true).params_stepped == 2
    end
    by_time = trained() do state, model, grads
        LibRAdam.begin_step!(state, model, grads; max_grad_norm=1)
        calls = 1
        while LibRAdam.step_for!(state, 1e-9) > 0
            calls += 1
        end
        @test calls > 5
        LibRAdam.end_step!(state)
    end
    @test by_waves == at_once && by_time == at_once
    @test at_once != trained((state, model, grads) -> nothing)
end

@testset "while a step is open" begin
    model, grads = (a=zeros(Float32, 50_000),), (a=ones(Float32, 50_000),)
    state = setup(RAdam(0.1), model)
    @test refused(() -> LibRAdam.next_wave!(state), INVALID_STATE, "no step is open; begin_step! opens one")
    LibRAdam.begin_step!(state, model, grads)
    @test refused(() -> update!(state, model, grads), BUSY, "the optimizer has an open step, which begin_step! opened")
    @test refused(() -> LibRAdam.begin_step!(state, model, grads), BUSY, "open")
    @test refused(() -> adjust!(state, 1), BUSY, "open")
    @test LibRAdam.step_count(state["a"]) == 0
    @test refused(() -> LibRAdam.step_chunk!(state, 1), INVALID_STATE, "chunk is 1,", "next_wave! begins one")
    chunks = LibRAdam.next_wave!(state)
    @test chunks > 1
    LibRAdam.step_chunk!(state, chunks)
    @test refused(() -> LibRAdam.step_chunk!(state, chunks), INVALID_ARGUMENT, "chunk is $chunks, which was stepped")
    @test refused(() -> LibRAdam.step_chunk!(state, 0), INVALID_ARGUMENT, "chunk is 0; chunks begin at 1")
    @test refused(() -> LibRAdam.step_chunk!(state, chunks + 1), INVALID_ARGUMENT, "chunk is $(chunks + 1); it must be",
                  "at most $chunks")
    @test refused(() -> LibRAdam.abort_step!(state), INVALID_STATE, "changed")
    @test refused(() -> LibRAdam.end_step!(state), INVALID_STATE, "chunk")
    @test refused(() -> LibRAdam.step_for!(state, -1), INVALID_ARGUMENT, "seconds is -1; it must be at least 0")
    @test LibRAdam.step_for!(state, 10) == 0
    LibRAdam.end_step!(state)
    @test all(x -> x == -0.1f0, model.a) && LibRAdam.step_count(state["a"]) == 1
end
