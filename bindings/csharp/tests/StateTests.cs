// Options, state and checkpoints. SPDX: MIT OR Apache-2.0
using System;
using System.IO;
using System.Linq;

namespace Radam.Tests
{
    internal static class StateTests
    {
        private static readonly GroupId group = new GroupId(0);
        private static readonly ParamId param = new ParamId(0);

        [Test]
        private static void options_have_the_defaults_of_the_library()
        {
            var options = new GroupOptions();
            Check.That(double.IsNaN(options.Lr) && double.IsNaN(options.MaxLr), "lr");
            Check.Same(0.9, options.Beta1, "beta1");
            Check.Same(0.99, options.Beta2, "beta2");
            Check.Same(1e-6, options.Eps, "eps");
            Check.Same(null, options.KahanSum, "kahan_sum");
            Check.Same(5.0, options.RectifyThreshold, "rectify_threshold");
            Check.Same(1.0, new StepOptions().GradScale, "grad_scale");
        }

        [Test]
        private static void every_option_reaches_its_own_field()
        {
            var options = new GroupOptions
            {
                Lr = 0.5, Beta1 = 0.25, Beta2 = 0.75, WeightDecay = 0.125, Eps = 0.0625, MaxLr = 2, RectifyThreshold = 6,
                Seed = 7, DecoupleWd = true, DecoupleLr = false, KahanSum = true, ForEach = false, GradientRelease = true,
                Maximize = true, Rectify = false, Unrectified = false, StateDtype = Dtype.F32,
            };
            using (var optimizer = new Optimizer())
            {
                GroupOptions found = optimizer.GetGroupOptions(optimizer.AddGroup(options));
                foreach (System.Reflection.PropertyInfo property in typeof(GroupOptions).GetProperties())
                    Check.Same(property.GetValue(options), property.GetValue(found), property.Name);
                found.Lr = 1;
                found.Maximize = null;
                optimizer.SetGroupOptions(group, found);
                Check.Same(1.0, optimizer.GetLr(group), "lr");
                Check.Same(null, optimizer.GetGroupOptions(group).Maximize, "maximize");
                found.Eps = -1;
                Check.Fails(Status.InvalidArgument, "eps is -1", () => optimizer.SetGroupOptions(group, found));
            }
        }

        [Test]
        private static void schedules_and_reports()
        {
            float[] data = { 1 }, grad = { 1 };
            using (Optimizer optimizer = Make.OneParam(data, grad))
            {
                optimizer.SetLr(group, 0.25);
                optimizer.SetWeightDecay(group, 0.5);
                Check.Same(0.25, optimizer.GetLr(group), "lr");
                Check.Same(0.5, optimizer.GetWeightDecay(group), "weight_decay");
                GroupReport report = optimizer.GetGroupReport(group);
                Check.Same(1ul, report.Step, "step");
                Check.That(!report.Rectified && report.R == 0, "rectified");
                Check.Same(0.25, report.EffectiveLr, "effective_lr");
                Check.Near(199, report.RhoInf, 1e-9, "rho_inf");
                optimizer.Step();
                Check.Same(1 - 0.25f * 1.5f, data[0], "an L2 penalty of 0.5");
                optimizer.SetStepCount(param, 1000);
                report = optimizer.GetGroupReport(group);
                Check.That(report.Rectified && report.R > 0.9 && report.Step == 1001, $"r {report.R}");
            }
        }

        [Test]
        private static void parameters_are_found_frozen_reset_and_removed()
        {
            float[] data = { 1, 2 }, grad = { 1, 1 };
            using (Optimizer optimizer = Make.OneParam(data, grad, "größe"))
            {
                ParamId other = optimizer.AddParam(group, Dtype.Bf16, 3, null, Dtype.F32);
                Check.Same(param, optimizer.GetParamId("größe"), "id");
                Check.Same(other, optimizer.GetParamId("param.1"), "id");
                Check.Same("größe", optimizer.GetParamName(param), "name");
                ParamInfo info = optimizer.GetParam(other);
                Check.That(info.Dtype == Dtype.Bf16 && info.GradDtype == Dtype.F32 && info.Length == 3, "info");
                Check.Same(group, info.Group, "group");
                Check.Same(IntPtr.Zero, info.Data, "unbound");
                optimizer.SetFrozen(param, true);
                Check.That(optimizer.IsFrozen(param) && !optimizer.IsFrozen(other), "frozen");
                optimizer.Step();
                Check.SameArrays(new float[] { 1, 2 }, data, "frozen");
                optimizer.SetFrozen(param, false);
                optimizer.OptimizerAccumulation = true;
                Check.That(optimizer.OptimizerAccumulation, "accumulation");
                optimizer.Step();
                Check.SameArrays(new float[] { 1, 2 }, data, "accumulating");
                Check.SameArrays(new float[] { 1, 1 }, optimizer.GetState<float>(param, State.ExpAvg), "exp_avg");
                optimizer.SetState(param, State.ExpAvg, new float[] { 3, 4 });
                Check.SameArrays(new float[] { 3, 4 }, optimizer.GetState<float>(param, State.ExpAvg), "exp_avg");
                Check.Fails(Status.InvalidArgument, "must be one of f32", () => optimizer.GetState<double>(param, State.ExpAvg));
                Check.Fails(Status.InvalidState, "no such state",
                            () => optimizer.SetState(param, State.KahanComp, new float[2]));
                optimizer.ResetState(param);
                Check.SameArrays(new float[2], optimizer.GetState<float>(param, State.ExpAvg), "reset");
                Check.Same(0L, optimizer.GetStepCount(param), "reset");
                optimizer.ZeroGrad();
                Check.SameArrays(new float[2], grad, "zero_grad");
                optimizer.RemoveParam(param);
                Check.Fails(Status.InvalidArgument, "param", () => optimizer.GetParamName(param));
                Check.Fails(Status.InvalidArgument, "param", () => optimizer.SetGrad(param, new float[2]));
                optimizer.SetData(other, new BFloat16[3]);
                optimizer.SetGrad(other, new float[] { 1, 1, 1 });
                optimizer.Step();
                Check.Same(1L, optimizer.GetStepCount(other), "steps");
                optimizer.SetGrad(other, Tensor.None);
                optimizer.Step();
                Check.Same(1L, optimizer.GetStepCount(other), "steps without a gradient");
            }
        }

        [Test]
        private static void advice_on_what_is_known_to_fail()
        {
            using (var optimizer = new Optimizer())
            {
                Check.Same(0, optimizer.GetAdvice().Length, "advice");
                optimizer.AddParam(optimizer.AddGroup(Make.Options()), Dtype.F16, 4, "half");
                string[] advice = optimizer.GetAdvice();
                Check.That(advice.Length > 0 && advice[0].Contains("exp_avg_sq"), string.Join("|", advice));
            }
            Check.That(Library.Version.StartsWith($"{Native.Major}.{Native.Minor}."), Library.Version);
        }

        /// <summary>Steps two optimizers that must go on alike.</summary>
        private static void GoOnAlike(Optimizer one, float[] data, Optimizer two, float[] others)
        {
            data.CopyTo(others, 0);
            one.Step();
            two.Step();
            Check.SameArrays(data, others, "after loading");
            Check.Same(one.GetStepCount(param), two.GetStepCount(param), "steps");
        }

        [Test]
        private static void checkpoints_in_files_and_buffers()
        {
            string path = Path.Combine(Path.GetTempPath(), $"radam größe {System.Diagnostics.Process.GetCurrentProcess().Id}");
            float[] data = Make.Numbers(100, 1), others = new float[100], grad = Make.Numbers(100, 2);
            using (Optimizer one = Make.OneParam(data, grad), two = Make.OneParam(others, grad.ToArray()))
            {
                for (int step = 0; step < 10; step++)
                    one.Step();
                one.SetLr(group, 0.5);
                one.Save(path);
                two.Load(path);
                Check.Same(0.5, two.GetLr(group), "lr");
                GoOnAlike(one, data, two, others);
                byte[] buffer = one.SaveToBuffer();
                two.SetLr(group, 0.25);
                two.LoadFromBuffer(buffer, new LoadOptions { Hyperparameters = false });
                Check.Same(0.25, two.GetLr(group), "lr of its own");
                two.LoadFromBuffer(buffer);
                GoOnAlike(one, data, two, others);
                buffer[buffer.Length / 2] ^= 1;
                Check.Fails(Status.Corrupt, "", () => two.LoadFromBuffer(buffer));
                Check.Fails(Status.Io, "No such file", () => two.Load(path + " missing"));
                Check.Throws<ArgumentNullException>(() => two.Load(null));
                two.AddParam(group, Dtype.F32, 1);
                Check.Fails(Status.Mismatch, "param.1", () => two.Load(path));
                two.Load(path, new LoadOptions { Strict = false });
            }
            File.Delete(path);
        }

        [Test]
        private static void shards_of_two_processes()
        {
            string[] paths = { Path.GetTempFileName(), Path.GetTempFileName() };
            float[] grad = Make.Numbers(100, 2), expAvg = new float[0];
            for (int shard = 0; shard < 2; shard++)
            {
                using (var optimizer = new Optimizer())
                {
                    float[] part = grad.Skip(50 * shard).Take(50).ToArray();
                    optimizer.AddGroup(Make.Options(), new Param
                    {
                        Data = new float[50], Grad = part, Name = "whole", TensorOffset = 50 * shard, TensorLen = 100,
                    });
                    optimizer.Step();
                    optimizer.Save(paths[shard]);
                    expAvg = expAvg.Concat(optimizer.GetState<float>(param, State.ExpAvg)).ToArray();
                }
            }
            using (Optimizer whole = Make.OneParam(new float[100], grad, "whole"))
            {
                whole.LoadShards(paths);
                Check.SameArrays(expAvg, whole.GetState<float>(param, State.ExpAvg), "exp_avg");
                Check.Fails(Status.Mismatch, "whole", () => whole.LoadShards(paths.Take(1)));
            }
            foreach (string path in paths)
                File.Delete(path);
        }
    }
}
