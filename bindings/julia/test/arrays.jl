# Types of elements, and layouts of arrays.

struct MyBFloat16
    bits::UInt16
end
LibRAdam.dtype(::Type{MyBFloat16}) = LowLevel.RADAM_DTYPE_BF16

@testset "BFloat16" begin
    # Every value comes back, NaN as NaN.
    values = reinterpret.(BFloat16, 0x0000:0xffff)
    @test all(isnan(x) ? isnan(BFloat16(Float32(x))) : BFloat16(Float32(x)) === x for x in values)
    # Ties go to even; the rest to the nearer one.
    @test reinterpret(UInt16, BFloat16(reinterpret(Float32, 0x3f808000))) == 0x3f80
    @test reinterpret(UInt16, BFloat16(reinterpret(Float32, 0x3f818000))) == 0x3f82
    @test reinterpret(UInt16, BFloat16(reinterpret(Float32, 0x3f808001))) == 0x3f81
    @test isnan(BFloat16(reinterpret(Float32, 0x7f800001)))
    @test BFloat16(1) + BFloat16(0.5) === BFloat16(1.5)
    @test BFloat16(2) * 3 === BFloat16(6) && BFloat16(2) * 3.0 === 6.0 && -BFloat16(1) < 0
    @test sum(BFloat16[1, 2, 3]) == 6 && zero(BFloat16) === BFloat16(0) && repr(BFloat16(0.5)) == "BFloat16(0.5)"
    @test isempty(Test.detect_ambiguities(LibRAdam))
end

@testset "training $type with gradients of $grad_type" for (type, grad_type) in (
        (Float32, Float32), (Float64, Float64), (Float16, Float16), (BFloat16, BFloat16), (Float32, BFloat16),
        (BFloat16, Float32), (Float16, Float32), (Float64, Float32))
    target = numbers(Float64, 100)
    model = zeros(type, 100)
    state = setup(RAdam(0.05), model; grad_type=_ -> grad_type)
    for t in 1:300
        adjust!(state, 0.05 * (1 - (t - 1) / 300))
        update!(state, model, grad_type.(Float64.(model) - target))
    end
    @test maximum(abs, Float64.(model) - target) < (type in (Float32, Float64) ? 1e-3 : 0.02)
end

@testset "a 16-bit type of the user" begin
    ours, theirs = BFloat16.(numbers(Float32, 50)), MyBFloat16.(reinterpret(UInt16, BFloat16.(numbers(Float32, 50))))
    before = copy(ours)
    states = setup(RAdam(0.1), ours), setup(RAdam(0.1), (x=theirs,); trainable=identity)
    for seed in 1:10
        grads = BFloat16.(numbers(Float32, 50, seed))
        update!(states[1], ours, grads)
        update!(states[2], (x=theirs,), (x=reinterpret(MyBFloat16, reinterpret(UInt16, grads)),))
    end
    @test reinterpret(UInt16, ours) == [x.bits for x in theirs]
    @test ours != before
end

@testset "layouts" begin
    whole = numbers(Float32, 64)
    before = copy(whole)
    part = view(whole, 17:32)
    state = setup(RAdam(0.1), part)
    update!(state, part, ones(Float32, 16))
    @test whole[17:32] == before[17:32] .- 0.1f0
    @test whole[1:16] == before[1:16] && whole[33:64] == before[33:64]

    matrix = reshape(copy(before), 8, 8)
    columns = view(matrix, :, 3:4)
    state = setup(RAdam(0.1), columns)
    # A gradient that is not flat is copied; the parameter has to be flat.
    update!(state, columns, ones(Float32, 2, 8)')
    @test matrix[:, 3:4] == reshape(before, 8, 8)[:, 3:4] .- 0.1f0
    @test matrix[:, 5:8] == reshape(before, 8, 8)[:, 5:8]
    @test refused(() -> setup(RAdam(0.1), (w=matrix',)), INVALID_ARGUMENT, "w is a", "Adjoint", "copy it to an Array")
    @test refused(() -> setup(RAdam(0.1), (w=view(matrix, 1:2, :),)), INVALID_ARGUMENT, "w is a SubArray")
    @test refused(() -> setup(RAdam(0.1), (w=[1.0 + 2im],)), INVALID_ARGUMENT, "w has elements of type", "Float16")
    @test refused(() -> update!(state, columns, ones(Float32, 2, 8)'; zero_grad=true), INVALID_ARGUMENT, "zero_grad")
end

@testset "no elements" begin
    model = (a=Float32[], b=Float32[1])
    state = setup(RAdam(0.1), model)
    update!(state, model, (a=Float32[], b=Float32[1]))
    @test model.b ≈ [0.9f0]
    nothing_to_train = (a=[1, 2], f=sin)
    state = @test_logs (:warn, r"no arrays of floating-point") setup(RAdam(0.1), nothing_to_train)
    @test update!(state, nothing_to_train, nothing)[2] === nothing_to_train
end
