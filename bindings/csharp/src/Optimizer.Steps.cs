// Options of groups, and steps. SPDX: MIT OR Apache-2.0
using System;
using static Radam.RadamException;

namespace Radam
{
    public sealed unsafe partial class Optimizer
    {
        // ---- Options

        /// <summary>All options of a group as they were set.</summary>
        public GroupOptions GetGroupOptions(GroupId group)
        {
            var options = new GroupOptions();
            fixed (radam_group_options* raw = &options.Raw)
                Check(Native.radam_get_group_options(opt, group.Value, raw));
            return options;
        }

        /// <summary>Sets all options of a group, from the next step on.</summary>
        public void SetGroupOptions(GroupId group, GroupOptions options)
        {
            CheckNotNull(options, nameof(options));
            fixed (radam_group_options* raw = &options.Raw)
                Check(Native.radam_set_group_options(opt, group.Value, raw));
        }

        /// <summary>The learning rate of a group.</summary>
        public double GetLr(GroupId group)
        {
            double lr;
            Check(Native.radam_get_lr(opt, group.Value, &lr));
            return lr;
        }

        /// <summary>Sets the learning rate of a group, as a schedule does before each step.</summary>
        public void SetLr(GroupId group, double lr) => Check(Native.radam_set_lr(opt, group.Value, lr));

        /// <summary>The weight decay of a group.</summary>
        public double GetWeightDecay(GroupId group)
        {
            double weightDecay;
            Check(Native.radam_get_weight_decay(opt, group.Value, &weightDecay));
            return weightDecay;
        }

        /// <summary>Sets the weight decay of a group.</summary>
        public void SetWeightDecay(GroupId group, double weightDecay) =>
            Check(Native.radam_set_weight_decay(opt, group.Value, weightDecay));

        /// <summary>The scalars of a group's next step.</summary>
        public GroupReport GetGroupReport(GroupId group)
        {
            GroupReport report = GroupReport.New();
            Check(Native.radam_get_group_report(opt, group.Value, &report.Raw));
            return report;
        }

        /// <summary>Sentences on settings that are allowed but known to make training fail.</summary>
        public string[] GetAdvice()
        {
            string text = Texts.Copied((buffer, size) => Native.radam_advice(opt, buffer, size));
            return text.Split(new[] { '\n' }, StringSplitOptions.RemoveEmptyEntries);
        }

        /// <summary>While on, steps change ExpAvg and ExpAvgSq but not the parameters.</summary>
        public bool OptimizerAccumulation
        {
            get
            {
                Toggle on;
                Check(Native.radam_get_optimizer_accumulation(opt, &on));
                return on == Toggle.On;
            }
            set => Check(Native.radam_set_optimizer_accumulation(opt, Toggles.Set(value)));
        }

        // ---- Steps

        /// <summary>Updates every parameter that has a gradient.</summary>
        public void Step() => Check(Native.radam_step(opt));

        /// <summary>The same with scaling, clipping, skipping and zeroing.</summary>
        public void Step(StepOptions options)
        {
            StepWith(options, null);
        }

        /// <summary>The same with a report, for which the gradients are measured.</summary>
        public void Step(StepOptions options, out StepReport report)
        {
            report = StepReport.New();
            fixed (radam_step_report* raw = &report.Raw)
                StepWith(options, raw);
        }

        private void StepWith(StepOptions options, radam_step_report* report)
        {
            var lent = new LentOptions(options);
            Check(Native.radam_step_with(opt, lent.At(&lent), report));
        }

        /// <summary>Updates one parameter of a group with GradientRelease, whose elements are registered.</summary>
        public void StepParam(ParamId param, Tensor grad)
        {
            shapes[param].CheckGrad(grad, param);
            Pinned pinned = grad.Pin();
            try
            {
                Check(Native.radam_step_param(opt, param.Value, pinned.Address));
            }
            finally
            {
                pinned.Free();
            }
        }

        /// <summary>Updates one parameter of a group with GradientRelease in arrays of its length, and keeps nothing of
        /// them. No data: the registered elements.</summary>
        public void StepTensor(ParamId param, Tensor data, Tensor grad, StepOptions options = null)
        {
            StepTensor(param, data, grad, options, null);
        }

        /// <summary>The same with a report.</summary>
        public void StepTensor(ParamId param, Tensor data, Tensor grad, StepOptions options, out StepReport report)
        {
            report = StepReport.New();
            fixed (radam_step_report* raw = &report.Raw)
                StepTensor(param, data, grad, options, raw);
        }

        private void StepTensor(ParamId param, in Tensor data, in Tensor grad, StepOptions options,
                                radam_step_report* report)
        {
            Shape shape = shapes[param];
            shape.CheckData(data, param);
            shape.CheckGrad(grad, param);
            var lent = new LentOptions(options);
            Pinned pinnedData = data.Pin(), pinnedGrad = grad.Pin();
            try
            {
                Check(Native.radam_step_tensor(opt, param.Value, pinnedData.Address, pinnedGrad.Address, lent.At(&lent),
                                                   report));
            }
            finally
            {
                pinnedData.Free();
                pinnedGrad.Free();
            }
        }

        /// <summary>Adds to sums the gradients that Step would use.</summary>
        public void Measure(GradSums sums)
        {
            CheckNotNull(sums, nameof(sums));
            fixed (radam_grad_sums* raw = &sums.Raw)
                Check(Native.radam_measure(opt, raw));
        }

        /// <summary>Fills all registered gradients with zeros, except in groups with GradientRelease.</summary>
        public void ZeroGrad() => Check(Native.radam_zero_grad(opt));

        /// <summary>Opens a step that the caller runs in slices. Until its end, registered arrays must stay as they
        /// are.</summary>
        public SlicedStep BeginStep(StepOptions options = null)
        {
            var lent = new LentOptions(options);
            Check(Native.radam_step_begin(opt, lent.At(&lent)));
            return new SlicedStep(opt);
        }

        /// <summary>Steps one tensor without an optimizer: all arrays are the caller's. step is 1, 2, ...; exp_avg,
        /// exp_avg_sq and kahanComp begin as zeros. No kahanComp: nothing compensates.</summary>
        public static void Update(Tensor param, Tensor grad, Tensor expAvg, Tensor expAvgSq, Tensor kahanComp,
                                  GroupOptions options, long step)
        {
            Pinned[] pins = PinLoose(new[] { param, grad, expAvg, expAvgSq, kahanComp }, expAvg.Element, expAvg.Element,
                                     expAvg.Element, options, step);
            try
            {
                fixed (radam_group_options* raw = &options.Raw)
                    Check(Native.radam_update(param.Dtype, grad.Dtype, expAvg.Dtype, pins[0].Address,
                        pins[1].Address, pins[2].Address, pins[3].Address, pins[4].Address, (ulong)param.Length, raw,
                        (ulong)step));
            }
            finally
            {
                Pins.Free(pins);
            }
        }

        /// <summary>The same with state of 8 bits, of a tensor of any length. stateScale has an element for each block of 128,
        /// and kahanComp is of the type of param. Codes are rounded at random, so give each tensor its own Seed.</summary>
        public static void UpdateQ8(Tensor param, Tensor grad, sbyte[] expAvg, byte[] expAvgSq, uint[] stateScale,
                                    Tensor kahanComp, GroupOptions options, long step)
        {
            CheckNotNull(stateScale, nameof(stateScale));
            long blocks = Elements.LengthOfState(State.StateScale, param.Length);
            if (stateScale.Length != blocks)
                throw new RadamException(Status.InvalidArgument,
                    $"stateScale has {stateScale.Length} elements; it must have {blocks}, one for each 128 of param");
            Pinned[] pins = PinLoose(new[] { param, grad, Tensor.Of(expAvg), Tensor.Of(expAvgSq), kahanComp }, Elements.SByte,
                                     Elements.Byte, param.Element, options, step);
            try
            {
                fixed (radam_group_options* raw = &options.Raw)
                fixed (uint* scale = stateScale)
                    Check(Native.radam_update_q8(param.Dtype, grad.Dtype, pins[0].Address, pins[1].Address,
                        (sbyte*)pins[2].Address, (byte*)pins[3].Address, scale, pins[4].Address, (ulong)param.Length, raw,
                        (ulong)step));
            }
            finally
            {
                Pins.Free(pins);
            }
        }

        /// <summary>Checks and pins the arrays of a tensor without an optimizer, whose state is made of these elements: param,
        /// grad, exp_avg, exp_avg_sq and kahan_comp.</summary>
        private static Pinned[] PinLoose(Tensor[] tensors, Dtype expAvg, Dtype expAvgSq, Dtype kahanComp,
                                         GroupOptions options, long step)
        {
            CheckNotNull(options, nameof(options));
            string[] names = { "param", "grad", "expAvg", "expAvgSq", "kahanComp" };
            if (options.MasterRemainder == true)
                kahanComp = Dtype.Default;
            Dtype[] elements = { tensors[0].Element, tensors[1].Element, expAvg, expAvgSq, kahanComp };
            if (step < 1)
                throw new RadamException(Status.InvalidArgument, $"step is {step}; it must be at least 1, the first step");
            for (int i = 0; i < tensors.Length; i++)
            {
                if (tensors[i].IsNone && i < 4)
                    throw new RadamException(Status.NullPointer, $"{names[i]} is none; it must be an array");
                if (!tensors[i].IsNone && tensors[i].Length != tensors[0].Length)
                    throw new RadamException(Status.InvalidArgument,
                        $"{names[i]} has {tensors[i].Length} elements; it must have {tensors[0].Length}, as many as param");
                if (!tensors[i].IsNone && tensors[i].Element != elements[i])
                    throw new RadamException(Status.InvalidArgument,
                        $"{names[i]} is an array of {Elements.Name(tensors[i].Element)}; it must be one of {Elements.Name(elements[i])}");
            }
            return PinAll(tensors);
        }

        /// <summary>Step options for one call, on the stack, with the sums beside them.</summary>
        private struct LentOptions
        {
            private readonly bool isNull;
            private radam_step_options options;
            private radam_grad_sums sums;

            internal LentOptions(StepOptions from)
            {
                isNull = from == null;
                options = from == null ? default(radam_step_options) : from.Raw;
                sums = from?.GradSums == null ? default(radam_grad_sums) : from.GradSums.Raw;
            }

            /// <summary>Their address for C; self is the address of this.</summary>
            internal radam_step_options* At(LentOptions* self)
            {
                if (isNull)
                    return null;
                if (sums.struct_size != 0)
                    self->options.grad_sums = &self->sums;
                return &self->options;
            }
        }
    }
}
