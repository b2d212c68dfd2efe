# State of 8 bits.

const Q8_LEN, Q8_BLOCKS = 5000, 40
coded(; options...) = RAdam(0.01; state_dtype=:q8, seed=7, options...)

@testset "the same codes in all arrays" begin
    data, grad = [numbers(Float32, Q8_LEN) for _ in 1:3], zeros(Float32, Q8_LEN)
    codes() = (exp_avg=zeros(Int8, Q8_LEN), exp_avg_sq=zeros(UInt8, Q8_LEN), state_scale=zeros(UInt32, Q8_BLOCKS))
    placed, loose = codes(), codes()
    ours, given = Optimizer(num_threads=2), Optimizer(num_threads=2)
    param = add_param!(add_group!(ours, coded()), data[1]; grad=grad)
    add_param!(add_group!(given, coded()), data[2]; grad=grad, placed...)
    options = Ref(coded().options)
    for t in 1:8
        grad .= numbers(Float32, Q8_LEN, t + 1)
        step!(ours)
        step!(given)
        GC.@preserve data grad loose LowLevel.radam_update_q8(
            LowLevel.RADAM_DTYPE_F32, 0, pointer(data[3]), pointer(grad), map(pointer, loose)..., C_NULL, Q8_LEN, options, t)
        @test data[1] == data[2] == data[3]
        for which in keys(placed)
            state = LibRAdam.state(param, which)
            @test typeof(state) == typeof(placed[which]) && state == placed[which] == loose[which]
        end
    end
    @test all(!iszero, placed.state_scale) && any(!iszero, placed.exp_avg)
    LibRAdam.set_state!(param, :exp_avg, zeros(Int8, Q8_LEN))
    @test LibRAdam.state(param, :exp_avg) == zeros(Int8, Q8_LEN)
    group = LibRAdam.Group(ours, 0)
    @test LibRAdam.rule(group).state_dtype === :q8
    adjust!(group; state_dtype=Float32)
    @test LibRAdam.state(param, :exp_avg) isa Vector{Float32} && LibRAdam.state(param, :state_scale) === nothing
end

@testset "compensations have the type of the parameter" begin
    data, grad, kahan = ones(Float16, Q8_LEN), fill(Float16(0.1), Q8_LEN), zeros(Float16, Q8_LEN)
    optimizer = Optimizer(num_threads=1)
    group = add_group!(optimizer, coded())
    param = add_param!(group, data; grad=grad, kahan_comp=kahan)
    foreach(_ -> step!(optimizer), 1:3)
    @test LibRAdam.state(param, :kahan_comp) == kahan && any(!iszero, kahan)
    other(len) = () -> add_param!(group, Float16, len; kahan_comp=zeros(Float32, len))
    @test refused(other(Q8_LEN), INVALID_ARGUMENT, "kahan_comp has elements of type Float32", "they are Float16")
    @test other(9)().len == 9
end

@testset "models" begin
    rule = coded()
    @test repr(rule) == "RAdam(0.01; state_dtype=:q8, seed=7)"
    model = (weight=numbers(Float32, Q8_LEN), bias=numbers(Float32, 10))
    state = setup(rule, model)
    update!(state, model, (weight=ones(Float32, Q8_LEN), bias=ones(Float32, 10)))
    @test LibRAdam.state(state["weight"], :exp_avg) isa Vector{Int8}
    @test LibRAdam.state(state["bias"], :exp_avg) == ones(Float32, 10)
end

@testset "what is refused" begin
    add(data...; options...) = () -> add_param!(add_group!(Optimizer(), coded()), data...; options...)
    data = zeros(Float32, Q8_LEN)
    @test refused(() -> RAdam(0.1; state_dtype=:q4), INVALID_ARGUMENT, "state_dtype is :q4; it must be a type", ":q8")
    @test refused(add(Int8, Q8_LEN), INVALID_ARGUMENT, "elements of type Int8")
    @test refused(add(Float64, Q8_LEN), INVALID_ARGUMENT, "state_dtype is q8")
    @test refused(add(data; exp_avg=copy(data)), INVALID_ARGUMENT, "exp_avg has elements of type Float32", "they are Int8")
    @test refused(add(data; exp_avg_sq=zeros(Int8, Q8_LEN)), INVALID_ARGUMENT, "they are UInt8")
    @test refused(add(data; state_scale=zeros(UInt32, 41)), INVALID_ARGUMENT, "state_scale", "41 elements", "40")
    @test refused(add(data; state_scale=zeros(Int32, 40)), INVALID_ARGUMENT, "they are UInt32")
    @test refused(add(Float32, 100; tensor_offset=100, tensor_len=Q8_LEN), INVALID_ARGUMENT, "tensor_offset", "100")
    # Of other state, too.
    small() = add_param!(add_group!(Optimizer(), RAdam(0.1)), zeros(Float32, 2); exp_avg=zeros(Float16, 2))
    @test refused(small, INVALID_ARGUMENT, "exp_avg has elements of type Float16", "they are Float32")
end
