# Saving and loading.

const FOLDER = mktempdir()

new_model() = (a=numbers(Float32, 500_000), b=numbers(Float64, 10))
new_grads(seed) = (a=numbers(Float32, 500_000, seed), b=numbers(Float64, 10, seed))

"A state and its model after three steps."
function begun()
    model = new_model()
    state = setup(RAdam(0.1), model)
    foreach(seed -> update!(state, model, new_grads(seed)), 2:4)
    return state, model
end

@testset "going on, from $from" for from in ("a file", "memory")
    state, model = begun()
    path = joinpath(FOLDER, "state.safetensors")
    saved = from == "memory" ? LibRAdam.save(state) : (LibRAdam.save(state, path); path)
    adjust!(state, 0.5)
    other, copied = setup(RAdam(0.9), new_model()), deepcopy(model)
    @test LibRAdam.load!(other, saved) === other
    @test LibRAdam.rule(other.groups[1]).lr == 0.1
    adjust!(other, 0.5)
    update!(state, model, new_grads(9))
    update!(other, copied, new_grads(9))
    @test model == copied
    @test LibRAdam.step_count(other["b"]) == 4
    LibRAdam.load!(other, saved; hyperparameters=false)
    @test LibRAdam.rule(other.groups[1]).lr == 0.5
end

@testset "progress" begin
    state, _ = begun()
    path = joinpath(FOLDER, "progress.safetensors")
    seen = Tuple{Int, Int}[]
    LibRAdam.save(state, path; progress=(done, total) -> push!(seen, (done, total)))
    @test length(seen) > 2 && issorted(seen) && seen[end][1] == seen[end][2] > 4_000_000
    empty!(seen)
    LibRAdam.load!(state, path; progress=(done, total) -> push!(seen, (done, total)))
    @test length(seen) > 2 && issorted(seen) && seen[end][1] == seen[end][2]
    before = read(path)
    @test refused(() -> LibRAdam.save(state, path; progress=(_, _) -> false), LowLevel.RADAM_ERROR_IO, "cancel")
    @test thrown(() -> LibRAdam.save(state, path; progress=(_, _) -> throw(DomainError(1)))) isa DomainError
    # From inside, the same optimizer is busy; another one is not.
    @test refused(() -> LibRAdam.save(state, path; progress=(_, _) -> LibRAdam.reset!(state)), BUSY)
    nested = (_, _) -> (LibRAdam.save(begun()[1], path * "2"; progress=(_, _) -> true); true)
    LibRAdam.save(state, path; progress=nested)
    @test read(path) == before
    @test isempty(LibRAdam.PROGRESS)
end

@testset "what does not fit" begin
    state, _ = begun()
    path = joinpath(FOLDER, "fit.safetensors")
    LibRAdam.save(state, path)
    other = setup(RAdam(0.1), (a=zeros(Float32, 500_000), c=zeros(10)))
    mismatch = LowLevel.RADAM_ERROR_MISMATCH
    @test refused(() -> LibRAdam.load!(other, path), mismatch, "\"b\"", "\"c\"")
    LibRAdam.load!(other, path; strict=false)
    @test LibRAdam.step_count(other["a"]) == 3 && LibRAdam.step_count(other["c"]) == 0
    # The sentence is whole, although a thread's own sentence ends after 2048 bytes.
    long = setup(RAdam(0.1), Dict(string(i, "x"^300) => [1.0] for i in 1:9))
    @test refused(() -> LibRAdam.load!(long, path), mismatch, "nothing was changed")
    bytes = read(path)
    bytes[end] ⊻= 1
    @test refused(() -> LibRAdam.load!(state, bytes), LowLevel.RADAM_ERROR_CORRUPT)
    @test refused(() -> LibRAdam.load!(state, joinpath(FOLDER, "none")), LowLevel.RADAM_ERROR_IO)
    @test refused(() -> LibRAdam.load!(state, bytes; lenient=true), INVALID_ARGUMENT, "no option lenient", "strict")
end

@testset "shards" begin
    grad = numbers(Float64, 10)
    function shard(range)
        optimizer = Optimizer()
        add_param!(add_group!(optimizer, RAdam(0.1)), zeros(length(range)); grad=grad[range], name="w",
                   tensor_offset=first(range) - 1, tensor_len=10)
        return optimizer
    end
    paths = map((1:4, 5:10)) do range
        optimizer, path = shard(range), joinpath(FOLDER, "shard$(first(range))")
        step!(optimizer)
        LibRAdam.save(optimizer, path)
        path
    end
    whole = shard(1:10)
    LibRAdam.load!(whole, collect(paths))
    @test LibRAdam.state(LibRAdam.param(whole, "w"), :exp_avg) == grad
    @test refused(() -> LibRAdam.load!(whole, String[]), INVALID_ARGUMENT, "count")
end
