# The options of a group, against the formula written out here.

"Steps a Float64 parameter as docs and the paper say."
function formula(param, grads; lr=0.05, beta1=0.9, beta2=0.99, eps=1e-6, weight_decay=0.0, max_lr=lr, decouple_wd=false,
                 decouple_lr=false, maximize=false, rectify=true, unrectified=true, rectify_threshold=5.0)
    exp_avg, exp_avg_sq = zero(param), zero(param)
    for (t, grad) in enumerate(grads)
        hat(beta) = (beta^t - beta) / (beta^t - 1)
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2^t / (1 - beta2^t)
        rectified = !rectify || rho > rectify_threshold
        r = !rectify || !rectified ? 1.0 : sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        grad = maximize ? -grad : grad
        waits = !rectified && !unrectified
        if decouple_lr || decouple_wd
            waits || (param = param * (1 - (decouple_lr ? lr / max_lr : lr) * weight_decay))
        elseif !waits
            grad = grad + weight_decay * param
        end
        exp_avg = hat(beta1) * exp_avg + (1 - hat(beta1)) * grad
        exp_avg_sq = hat(beta2) * exp_avg_sq + (1 - hat(beta2)) * grad .^ 2
        waits || (param = param - lr * (rectified ? r * exp_avg ./ (sqrt.(exp_avg_sq) .+ eps) : exp_avg))
    end
    return param
end

@testset "formula, $options" for options in (
        (), (lr=0.01, beta1=0.8, beta2=0.95, eps=1e-4), (weight_decay=0.1,), (weight_decay=0.1, decouple_wd=true),
        (weight_decay=0.1, decouple_lr=true, max_lr=0.1), (maximize=true, weight_decay=0.1), (rectify=false,),
        (unrectified=false, weight_decay=0.1), (rectify_threshold=7.0,), (for_each=false,), (kahan_sum=true,))
    data, grads = numbers(Float64, 37), [numbers(Float64, 37, seed) for seed in 2:21]
    in_formula = filter(pair -> pair[1] ∉ (:for_each, :kahan_sum), collect(pairs((; options...))))
    expected = formula(data, grads; in_formula...)
    model = copy(data)
    state = setup(RAdam(; lr=0.05, options...), model)
    for grad in grads
        update!(state, model, grad)
    end
    @test model ≈ expected rtol = 1e-12
    @test maximum(abs, model - data) > 0.01
end

@testset "options as properties" begin
    rule = RAdam(0.1; decouple_wd=true, state_dtype=Float32, seed=7)
    @test (rule.lr, rule.decouple_wd, rule.kahan_sum, rule.state_dtype, rule.seed) == (0.1, true, nothing, Float32, 7)
    @test isnan(rule.max_lr) && rule.beta1 == 0.9 && rule.beta2 == 0.99
    @test repr(rule) == "RAdam(0.1; decouple_wd=true, state_dtype=Float32, seed=7)"
    @test :weight_decay in propertynames(rule)
    @test RAdam(0.1; rectify=nothing) == RAdam(0.1)
end

@testset "options that are refused" begin
    @test refused(() -> RAdam(0.1; betas=(0.9, 0.99)), INVALID_ARGUMENT, "RAdam has no option betas", "beta1")
    @test refused(() -> RAdam(0.1; state_dtype=Int), INVALID_ARGUMENT, "state_dtype is Int64")
    @test refused(() -> RAdam(0.1; decouple_wd=1.5), INVALID_ARGUMENT, "RAdam: decouple_wd is 1.5")
    @test refused(() -> RAdam(0.1; seed="x"), INVALID_ARGUMENT, "seed is \"x\"")
    @test refused(() -> RAdam(0.1; weight_decay=nothing), INVALID_ARGUMENT, "weight_decay is nothing; it must be a number")
    @test refused(() -> RAdam(0.1; seed=nothing), INVALID_ARGUMENT, "seed is nothing")
    @test refused(() -> step!(Optimizer(); max_grad_norm=nothing), INVALID_ARGUMENT, "max_grad_norm is nothing")
    @test refused(() -> setup(RAdam(0.1; decouple_wd=5), [1.0]), INVALID_ARGUMENT, "it must be false, true or nothing")
    @test refused(() -> setup(RAdam(0.1; beta2=1), [1.0]), INVALID_ARGUMENT, "beta2", "1")
    @test refused(() -> setup(RAdam(NaN), [1.0]), INVALID_ARGUMENT, "lr")
end

@testset "changing options" begin
    optimizer = Optimizer()
    group = add_group!(optimizer, RAdam(0.1))
    adjust!(group, 0.2)
    @test LibRAdam.rule(group).lr == 0.2
    @test LibRAdam.rule(group).max_lr == 0.1
    adjust!(group; lr=0.3, weight_decay=0.5, maximize=true)
    rule = LibRAdam.rule(group)
    @test (rule.lr, rule.weight_decay, rule.maximize) == (0.3, 0.5, true)
    @test refused(() -> adjust!(group; lr=0.4, eps=-1), INVALID_ARGUMENT, "eps", "-1")
    @test LibRAdam.rule(group).lr == 0.3
    @test refused(() -> adjust!(group, -1), INVALID_ARGUMENT, "lr", "-1")
    report = LibRAdam.report(group)
    @test (report.step, report.rectified, report.effective_lr) == (1, false, 0.3)
    @test report.rho_inf ≈ 199
end

@testset "changing options of all groups, or of none" begin
    model = (a=numbers(BFloat16, 5000), b=numbers(Float32, 5000), c=numbers(BFloat16, 3))
    rules = (name, _) -> RAdam(0.1; kahan_sum=true, seed=Int(name[1]))
    state = setup(rules, model)
    update!(state, model, map(array -> numbers(eltype(array), length(array), 2), model))
    all_of(state) = (map(LibRAdam.rule, state.groups), LibRAdam.state(state["a"], :kahan_comp))
    before = all_of(state)
    @test any(!iszero, before[2])
    @test refused(() -> adjust!(state; stochastic_rounding=true, kahan_sum=false), INVALID_ARGUMENT,
                  "stochastic_rounding is on", "f32")
    @test refused(() -> adjust!(state; lr=-1), INVALID_ARGUMENT, "lr is -1")
    @test refused(() -> adjust!(state, -1), INVALID_ARGUMENT, "lr is -1")
    @test all_of(state) == before
    # What only the group itself can refuse: then the groups before are set back.
    add_param!(state.groups[3], BFloat16, 3; exp_avg=zeros(BFloat16, 3))
    @test refused(() -> adjust!(state; lr=0.5, state_dtype=Float32), INVALID_STATE, "arrays of its own")
    @test map(LibRAdam.rule, state.groups) == before[1]
    adjust!(state; lr=0.5)
    @test all(group -> LibRAdam.rule(group).lr == 0.5, state.groups)
    # A parameter that was removed no longer counts.
    foreach(name -> LibRAdam.remove!(state[name]), ("b", "c"))
    LibRAdam.remove!(LibRAdam.param(state.optimizer, "param.3"))
    adjust!(state; stochastic_rounding=true, kahan_sum=false)
    @test all(group -> LibRAdam.rule(group).stochastic_rounding, state.groups)
end
