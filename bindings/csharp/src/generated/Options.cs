// Generated from include/radam.h: `make bindings` writes it anew. SPDX: MIT OR Apache-2.0

namespace Radam
{
    /// <summary>Options of a parameter group.</summary>
    public sealed unsafe partial class GroupOptions
    {
        internal radam_group_options Raw;

        /// <summary>The default values.</summary>
        public GroupOptions()
        {
            Library.Check();
            fixed (radam_group_options* raw = &Raw)
                RadamException.Check(Native.radam_group_options_init(raw, (uint)sizeof(radam_group_options)));
        }

        /// <summary>Decoupled weight decay, as in AdamW: each step multiplies the parameter by 1 - Lr * WeightDecay. null:
        /// off, which makes WeightDecay an L2 penalty added to the gradient.</summary>
        public bool? DecoupleWd
        {
            get => Toggles.Get(Raw.decouple_wd);
            set => Raw.decouple_wd = Toggles.Set(value);
        }

        /// <summary>Fully decoupled weight decay: each step multiplies the parameter by 1 - Lr / MaxLr * WeightDecay, so
        /// the best WeightDecay does not depend on Lr. Takes precedence over DecoupleWd. null: off.</summary>
        public bool? DecoupleLr
        {
            get => Toggles.Get(Raw.decouple_lr);
            set => Raw.decouple_lr = Toggles.Set(value);
        }

        /// <summary>Kahan summation: a compensation array beside each parameter keeps what rounding loses, so 16-bit
        /// parameters train without an f32 copy. null: on for f16 and bf16, unless MasterRemainder or StochasticRounding is
        /// on. Turning it on starts with a compensation of 0; turning it off discards the compensation.</summary>
        public bool? KahanSum
        {
            get => Toggles.Get(Raw.kahan_sum);
            set => Raw.kahan_sum = Toggles.Set(value);
        }

        /// <summary>null and true (optimi's foreach): a step runs over all tensors of the group in one parallel loop.
        /// false: one tensor after another. The results are the same.</summary>
        public bool? ForEach
        {
            get => Toggles.Get(Raw.for_each);
            set => Raw.for_each = Toggles.Set(value);
        }

        /// <summary>The group is stepped one parameter at a time with StepParam or StepTensor, for example from inside the
        /// backward pass; Step, Measure and ZeroGrad skip it. null: off.</summary>
        public bool? GradientRelease
        {
            get => Toggles.Get(Raw.gradient_release);
            set => Raw.gradient_release = Toggles.Set(value);
        }

        /// <summary>Maximizes: the gradient is negated before anything else. null: off.</summary>
        public bool? Maximize
        {
            get => Toggles.Get(Raw.maximize);
            set => Raw.maximize = Toggles.Set(value);
        }

        /// <summary>Rectification, the R of RAdam. false: every step uses r = 1, which makes this Adam, or AdamW with
        /// DecoupleWd. null: on.</summary>
        public bool? Rectify
        {
            get => Toggles.Get(Raw.rectify);
            set => Raw.rectify = Toggles.Set(value);
        }

        /// <summary>The dtype of ExpAvg, ExpAvgSq and KahanComp. 0: that of each parameter. Otherwise Dtype.F32, the dtype
        /// of all parameters of the group, or Dtype.Q8. Changing it converts the state, rounding to nearest even. Dtype.Q8,
        /// for f32, f16 and bf16 parameters, keeps ExpAvg and ExpAvgSq in 2.03 bytes an element together, and trains as
        /// well as f32: the ratio ExpAvg / (sqrt(ExpAvgSq) + Eps) and the root are coded in 8 bits each, rounded at random,
        /// with a scale for each block of 128 elements. Results have the same bits on every machine; the random numbers
        /// depend on seed, as those of StochasticRounding do. KahanComp has the dtype of the parameter. Tensors of fewer
        /// than 4096 elements (of the whole tensor) keep f32 state. docs/q8.md describes the format.</summary>
        public Dtype StateDtype
        {
            get => Raw.state_dtype;
            set => Raw.state_dtype = value;
        }

        /// <summary>Exact f32 master weights at 16 bits per parameter, instead of Kahan summation: for each bf16 parameter,
        /// a signed 16-bit remainder holds the rest of its f32 master. The bits of the master are those of the parameter,
        /// shifted left by 16, plus the remainder; the parameter is the master rounded to nearest, ties away from zero.
        /// Results are bit for bit those of f32 parameters with the same StateDtype (set it to f32 for f32 training). For
        /// groups of bf16 parameters only; cannot be combined with KahanSum or StochasticRounding. Turning it on starts
        /// with remainders of 0; turning it off discards them. null: off.</summary>
        public bool? MasterRemainder
        {
            get => Toggles.Get(Raw.master_remainder);
            set => Raw.master_remainder = Toggles.Set(value);
        }

        /// <summary>Stochastic rounding of bf16 parameters, instead of Kahan summation: each new value is rounded up or
        /// down at random, with probabilities that make it right on average. It needs no memory. The random number of an
        /// element is a hash of seed, the parameter's name, its step number and the element's index in the whole tensor
        /// (Param.TensorOffset included), so results do not depend on the machine, the order in which parameters were
        /// added, or how a tensor is sharded. For groups of bf16 parameters only; cannot be combined with KahanSum or
        /// MasterRemainder. null: off.</summary>
        public bool? StochasticRounding
        {
            get => Toggles.Get(Raw.stochastic_rounding);
            set => Raw.stochastic_rounding = Toggles.Set(value);
        }

        /// <summary>What to do in unrectified steps, the first ones, while rho does not exceed RectifyThreshold. null and
        /// true: parameters move by Lr * ExpAvg, as in the paper, optimi and PyTorch. false: only ExpAvg and ExpAvgSq are
        /// updated, by the gradient without an L2 penalty, and weight decay of any kind waits too, as the paper's authors
        /// recommend if the first steps diverge.</summary>
        public bool? Unrectified
        {
            get => Toggles.Get(Raw.unrectified);
            set => Raw.unrectified = Toggles.Set(value);
        }

        /// <summary>The learning rate; finite, at least 0. Required: there is no default.</summary>
        public double Lr
        {
            get => Raw.lr;
            set => Raw.lr = value;
        }

        /// <summary>The decay rate of ExpAvg, in [0, 1). Default: 0.9.</summary>
        public double Beta1
        {
            get => Raw.beta1;
            set => Raw.beta1 = value;
        }

        /// <summary>The decay rate of ExpAvgSq, in [0, 1). Default: 0.99.</summary>
        public double Beta2
        {
            get => Raw.beta2;
            set => Raw.beta2 = value;
        }

        /// <summary>The weight decay; finite, at least 0. Default: 0.</summary>
        public double WeightDecay
        {
            get => Raw.weight_decay;
            set => Raw.weight_decay = value;
        }

        /// <summary>Added to the square root of ExpAvgSq in the denominator; finite, at least 0. Default: 1e-6.</summary>
        public double Eps
        {
            get => Raw.eps;
            set => Raw.eps = value;
        }

        /// <summary>The highest Lr of the schedule, by which DecoupleLr divides; finite, at least 0, and above 0 if
        /// DecoupleLr is on. NaN, the default: the value of Lr in the same struct.</summary>
        public double MaxLr
        {
            get => Raw.max_lr;
            set => Raw.max_lr = value;
        }

        /// <summary>A step is rectified if rho, the length of the approximated simple moving average, exceeds this; finite,
        /// at least 4, since r does not exist below. Default: 5, as in optimi and PyTorch; the paper has 4.</summary>
        public double RectifyThreshold
        {
            get => Raw.rectify_threshold;
            set => Raw.rectify_threshold = value;
        }

        /// <summary>The seed of StochasticRounding and of 8-bit state. Default: 0.</summary>
        public ulong Seed
        {
            get => Raw.seed;
            set => Raw.seed = value;
        }
    }

    /// <summary>Options of one step. The step applies them as it goes: gradients are written only if ZeroGrad is on,
    /// and read a second time only if all of them must be known before the first update (MaxGradNorm, SkipNonfinite, or
    /// a report, unless GradSums is set). Groups with GradientRelease take no part in Step. Neither do frozen
    /// parameters, except that ZeroGrad zeroes their gradients too.</summary>
    public sealed unsafe partial class StepOptions
    {
        internal radam_step_options Raw;

        /// <summary>The default values.</summary>
        public StepOptions()
        {
            Library.Check();
            fixed (radam_step_options* raw = &Raw)
                RadamException.Check(Native.radam_step_options_init(raw, (uint)sizeof(radam_step_options)));
        }

        /// <summary>Skips the step if any gradient element is infinite or NaN: parameters, state and step counts keep their
        /// bits. The call still succeeds, and the report says so. null: off.</summary>
        public bool? SkipNonfinite
        {
            get => Toggles.Get(Raw.skip_nonfinite);
            set => Raw.skip_nonfinite = Toggles.Set(value);
        }

        /// <summary>Zeroes each gradient once it is no longer needed, also if the step is skipped; the same as calling
        /// ZeroGrad afterwards. null: off.</summary>
        public bool? ZeroGrad
        {
            get => Toggles.Get(Raw.zero_grad);
            set => Raw.zero_grad = Toggles.Set(value);
        }

        /// <summary>Measures UpdateNorm and ParamNorm for the report, which is about as much work as the update itself.
        /// null: off.</summary>
        public bool? ReportNorms
        {
            get => Toggles.Get(Raw.report_norms);
            set => Raw.report_norms = Toggles.Set(value);
        }

        /// <summary>Multiplies every gradient before anything else; finite, above 0. With loss scaling, it is 1 / loss
        /// scale. Default: 1.</summary>
        public double GradScale
        {
            get => Raw.grad_scale;
            set => Raw.grad_scale = value;
        }

        /// <summary>Clips gradients by their norm: the maximum L2 norm of all gradients together, after GradScale; finite,
        /// at least 0. If MaxGradNorm / (norm + 1e-6) is below 1, all gradients are multiplied by it, as
        /// torch.nn.utils.clip_grad_norm_ does. An infinite norm therefore turns finite gradients into 0 and infinite ones
        /// into NaN, and a NaN norm turns all of them into NaN. 0, the default: no limit.</summary>
        public double MaxGradNorm
        {
            get => Raw.max_grad_norm;
            set => Raw.max_grad_norm = value;
        }

        /// <summary>Clips gradients by value, after GradScale and MaxGradNorm: each element is clamped to [-MaxGradValue,
        /// MaxGradValue], and NaN stays NaN. Finite, at least 0. 0, the default: no limit.</summary>
        public double MaxGradValue
        {
            get => Raw.max_grad_value;
            set => Raw.max_grad_value = value;
        }
    }

    /// <summary>The outcome of a step. Norms are L2 norms over all parameters that were stepped. They have the same
    /// bits on every machine, for any number of threads and any order of parameters.</summary>
    public unsafe struct StepReport
    {
        internal radam_step_report Raw;

        internal static StepReport New()
        {
            var report = default(StepReport);
            RadamException.Check(Native.radam_step_report_init(&report.Raw, (uint)sizeof(radam_step_report)));
            return report;
        }

        /// <summary>Whether SkipNonfinite skipped the step.</summary>
        public bool Skipped => Raw.skipped != 0;

        /// <summary>The number of gradient elements that are infinite or NaN.</summary>
        public ulong Nonfinite => Raw.nonfinite;

        /// <summary>The norm of the gradients after GradScale and before clipping; 0 if there are none.</summary>
        public double GradNorm => Raw.grad_norm;

        /// <summary>What MaxGradNorm multiplied the gradients by; 1 if they were within the limit.</summary>
        public double ClipCoefficient => Raw.clip_coefficient;

        /// <summary>The norm of the change of the parameters, as stored; 0 if the step was skipped. NaN unless ReportNorms
        /// is on.</summary>
        public double UpdateNorm => Raw.update_norm;

        /// <summary>The norm of the parameters after the step, as stored. NaN if the step was skipped, and unless
        /// ReportNorms is on.</summary>
        public double ParamNorm => Raw.param_norm;

        /// <summary>The number of parameters that were stepped: 0 if none has a gradient, or if the step was
        /// skipped.</summary>
        public ulong ParamsStepped => Raw.params_stepped;

        /// <summary>The number of threads that worked on the step, including the calling one; 0 for a step in slices, which
        /// the caller distributes. A thread of an executor that works for two optimizers in turns may be counted more than
        /// once.</summary>
        public uint Threads => Raw.threads;
    }

    /// <summary>The scalars of a group's next step, for training loops that log them. Source: Liu et al. 2019, arXiv
    /// 1908.03265, with bias correction as in the Python library optimi.</summary>
    public unsafe struct GroupReport
    {
        internal radam_group_report Raw;

        internal static GroupReport New()
        {
            var report = default(GroupReport);
            RadamException.Check(Native.radam_group_report_init(&report.Raw, (uint)sizeof(radam_group_report)));
            return report;
        }

        /// <summary>Whether the step will be rectified (always, with rectify off): then it moves parameters by Lr * ExpAvg,
        /// without a square root, or not at all with unrectified off.</summary>
        public bool Rectified => Raw.rectified != 0;

        /// <summary>The number t of the step, starting at 1, of the parameter that has made the most steps. Parameters that
        /// joined late or were paused have lower ones.</summary>
        public ulong Step => Raw.step;

        /// <summary>The length of the approximated simple moving average. A step is rectified if it exceeds
        /// RectifyThreshold.</summary>
        public double Rho => Raw.rho;

        /// <summary>The limit of rho: 2 / (1 - Beta2) - 1.</summary>
        public double RhoInf => Raw.rho_inf;

        /// <summary>The rectification term, in [0, 1]; 0 in unrectified steps, 1 with rectify off.</summary>
        public double R => Raw.r;

        /// <summary>The factor of ExpAvg: Lr * r in rectified steps; otherwise Lr, or 0 with unrectified off.</summary>
        public double EffectiveLr => Raw.effective_lr;

        /// <summary>The debiased Beta1: (Beta1^t - Beta1) / (Beta1^t - 1).</summary>
        public double Beta1Hat => Raw.beta1_hat;

        /// <summary>The debiased Beta2: (Beta2^t - Beta2) / (Beta2^t - 1).</summary>
        public double Beta2Hat => Raw.beta2_hat;

        /// <summary>The factor by which weight decay multiplies each parameter: 1 - Lr * WeightDecay with DecoupleWd, 1 -
        /// Lr / MaxLr * WeightDecay with DecoupleLr, else 1.</summary>
        public double DecayFactor => Raw.decay_factor;
    }
}
