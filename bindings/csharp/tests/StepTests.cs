// Steps, on arrays of every type. SPDX: MIT OR Apache-2.0
using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Radam.Tests
{
    internal static unsafe class StepTests
    {
        private static readonly ParamId first = new ParamId(0);

        [Test]
        private static void the_first_step_is_that_of_the_paper()
        {
            double[] data = { 1, -2, 3 }, grad = { 0.5, 0.25, -1 };
            using (var optimizer = new Optimizer())
            {
                optimizer.AddParam(optimizer.AddGroup(Make.Options(0.1)), data, grad);
                optimizer.Step();
            }
            Check.SameArrays(new[] { 1 - 0.1 * 0.5, -2 - 0.1 * 0.25, 3 + 0.1 * 1 }, data, "unrectified");
        }

        /// <summary>The rule of the paper with debiased moments, in double.</summary>
        private static double[] Reference(double[] data, double[] grad, double lr, int steps)
        {
            double beta1 = 0.9, beta2 = 0.99, eps = 1e-6;
            double[] m = new double[data.Length], v = new double[data.Length], theta = data.ToArray();
            for (int t = 1; t <= steps; t++)
            {
                double b1 = (Math.Pow(beta1, t) - beta1) / (Math.Pow(beta1, t) - 1);
                double b2 = (Math.Pow(beta2, t) - beta2) / (Math.Pow(beta2, t) - 1);
                double rhoInf = 2 / (1 - beta2) - 1, power = Math.Pow(beta2, t);
                double rho = rhoInf - 2 * t * power / (1 - power);
                double r = Math.Sqrt((rho - 4) * (rho - 2) * rhoInf / ((rhoInf - 4) * (rhoInf - 2) * rho));
                for (int i = 0; i < theta.Length; i++)
                {
                    m[i] = b1 * m[i] + (1 - b1) * grad[i];
                    v[i] = b2 * v[i] + (1 - b2) * grad[i] * grad[i];
                    theta[i] -= rho > 5 ? lr * r * m[i] / (Math.Sqrt(v[i]) + eps) : lr * m[i];
                }
            }
            return theta;
        }

        [Test]
        private static void twenty_steps_are_those_of_the_formula()
        {
            double[] data = { 1, -2, 3, 0 }, grad = { 0.5, 0.25, -1, 1e-3 };
            double[] right = Reference(data, grad, 0.01, 20);
            using (var optimizer = new Optimizer())
            {
                optimizer.AddParam(optimizer.AddGroup(Make.Options()), data, grad);
                for (int step = 0; step < 20; step++)
                    optimizer.Step();
            }
            for (int i = 0; i < data.Length; i++)
                Check.Near(right[i], data[i], 1e-14, $"[{i}]");
        }

        /// <summary>Steps tensors in three ways, which must have the same bits.</summary>
        private static void SameInAllWays<TData, TGrad>(TData[] start, TGrad[] grad) where TData : struct where TGrad : struct
        {
            TData[] registered = start.ToArray(), lent = start.ToArray(), alone = start.ToArray();
            var zeros = new Func<TData[]>(() => new TData[start.Length]);
            TData[] expAvg = zeros(), expAvgSq = zeros(), kahanComp = zeros();
            bool compensates = typeof(TData) == typeof(Float16) || typeof(TData) == typeof(BFloat16);
            using (var optimizer = new Optimizer())
            {
                ParamId one = optimizer.AddParam(optimizer.AddGroup(Make.Options()), Tensor.Of(registered), Tensor.Of(grad));
                ParamId two = optimizer.AddParam(optimizer.AddGroup(Make.Release()), Elements.DtypeOf<TData>(),
                                                 start.Length, "lent", Elements.DtypeOf<TGrad>());
                for (int step = 1; step <= 10; step++)
                {
                    optimizer.Step();
                    optimizer.StepTensor(two, Tensor.Of(lent), Tensor.Of(grad));
                    Optimizer.Update(Tensor.Of(alone), Tensor.Of(grad), Tensor.Of(expAvg), Tensor.Of(expAvgSq),
                                     compensates ? Tensor.Of(kahanComp) : Tensor.None, Make.Options(), step);
                }
                Check.SameArrays(expAvg, optimizer.GetState<TData>(one, State.ExpAvg), "exp_avg");
                Check.SameArrays(expAvgSq, optimizer.GetState<TData>(two, State.ExpAvgSq), "exp_avg_sq");
                Check.Same(!compensates, optimizer.GetState<TData>(one, State.KahanComp) == null, "kahan_comp");
            }
            Check.SameArrays(alone, registered, $"registered {typeof(TData).Name}");
            Check.SameArrays(alone, lent, $"lent {typeof(TData).Name}");
            Check.That(!alone.SequenceEqual(start), "nothing was stepped");
        }

        [Test]
        private static void a_single_update_takes_remainders()
        {
            var remainder = new short[1];
            var options = new GroupOptions { Lr = 0.01, MasterRemainder = true, StateDtype = Dtype.F32 };
            Optimizer.Update(new BFloat16[1], new float[] { 1 }, new float[1], new float[1], Tensor.Of(remainder), options, 1);
            Check.That(remainder[0] != 0, "there is no remainder");
            Check.Fails(Status.InvalidArgument, "kahanComp is an array of f32; it must be one of short",
                        () => Optimizer.Update(new BFloat16[1], new float[1], new float[1], new float[1], new float[1], options, 1));
        }

        [Test]
        private static void every_type_of_elements_and_gradients()
        {
            float[] data = Make.Numbers(1000, 1), grad = Make.Numbers(1000, 2);
            double[] data64 = data.Select(x => (double)x).ToArray(), grad64 = grad.Select(x => (double)x).ToArray();
            Float16[] data16 = data.Select(x => (Float16)x).ToArray(), grad16 = grad.Select(x => (Float16)x).ToArray();
            BFloat16[] dataB = data.Select(x => (BFloat16)x).ToArray(), gradB = grad.Select(x => (BFloat16)x).ToArray();
            SameInAllWays(data, grad);
            SameInAllWays(data64, grad64);
            SameInAllWays(data16, grad16);
            SameInAllWays(dataB, gradB);
            SameInAllWays(data, gradB);
            SameInAllWays(dataB, grad);
            SameInAllWays(data64, grad16);
        }

        [Test]
        private static void parts_of_arrays_and_addresses()
        {
            float[] whole = Make.Numbers(100, 3), grad = Make.Numbers(40, 4), right = whole.ToArray();
            float[] part = whole.Skip(30).Take(40).ToArray();
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Make.Release());
                ParamId one = optimizer.AddParam(group, Dtype.F32, 40), two = optimizer.AddParam(group, Dtype.F32, 40);
                optimizer.StepTensor(one, Tensor.Of(new ArraySegment<float>(whole, 30, 40)), grad);
                fixed (float* data = part, gradient = grad)
                    optimizer.StepTensor(two, new Tensor(data, 40), new Tensor(gradient, 40));
            }
            part.CopyTo(right, 30);
            Check.SameArrays(right, whole, "only the part");
        }

        [Test]
        private static void options_of_a_step()
        {
            float[] data = { 1, 2 }, grad = { 3, 4 };
            using (Optimizer optimizer = Make.OneParam(data, grad))
            {
                optimizer.Step(new StepOptions { MaxGradNorm = 1, ZeroGrad = true, ReportNorms = true }, out StepReport report);
                Check.Near(5, report.GradNorm, 1e-12, "norm");
                Check.Near(0.2, report.ClipCoefficient, 1e-6, "clip");
                Check.That(report.UpdateNorm > 0 && report.ParamNorm > 0, "norms");
                Check.Same(1ul, report.ParamsStepped, "stepped");
                Check.Same(1u, report.Threads, "threads");
                Check.SameArrays(new float[2], grad, "zeroed");
                grad[1] = float.NaN;
                float[] before = data.ToArray();
                optimizer.Step(new StepOptions { SkipNonfinite = true }, out report);
                Check.That(report.Skipped && report.Nonfinite == 1, "not skipped");
                Check.SameArrays(before, data, "skipped");
                Check.Fails(Status.InvalidArgument, "GradScale", () => optimizer.Step(new StepOptions { GradScale = 0 }));
            }
        }

        [Test]
        private static void clipping_across_tensors_by_sums()
        {
            float[][] grads = { Make.Numbers(70000, 5), Make.Numbers(30, 6) };
            float[][] whole = { Make.Numbers(70000, 7), Make.Numbers(30, 8) };
            float[][] lent = whole.Select(data => data.ToArray()).ToArray();
            var options = new StepOptions { MaxGradNorm = 0.5 };
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Make.Options()), release = optimizer.AddGroup(Make.Release());
                for (int i = 0; i < 2; i++)
                    optimizer.AddParam(group, whole[i], grads[i]);
                optimizer.Step(options, out StepReport report);

                GradSums sums = new GradSums(), one = new GradSums(), measured = new GradSums();
                sums.Add(grads[0]);
                one.Add(grads[1]);
                sums.Add(one);
                optimizer.Measure(measured);
                Check.Same(report.GradNorm, measured.Norm, "norm");
                Check.Same(report.GradNorm, sums.Norm, "norm");
                options.GradSums = sums;
                for (int i = 0; i < 2; i++)
                {
                    ParamId param = optimizer.AddParam(release, Dtype.F32, grads[i].Length);
                    optimizer.StepTensor(param, lent[i], grads[i], options, out StepReport of);
                    Check.Same(report.ClipCoefficient, of.ClipCoefficient, "coefficient");
                    Check.SameArrays(whole[i], lent[i], $"tensor {i}");
                }
                one.Clear();
                Check.Same(0.0, one.Norm, "cleared");
                one.Add(new[] { float.NaN, float.PositiveInfinity, 1 });
                Check.Same(2L, one.Nonfinite, "nonfinite");
            }
        }

        [Test]
        private static void tensors_step_on_many_threads_at_once()
        {
            const int Count = 64;
            float[][] data = Enumerable.Range(0, Count).Select(i => Make.Numbers(500 + i, i)).ToArray();
            float[][] grads = Enumerable.Range(0, Count).Select(i => Make.Numbers(500 + i, 100 + i)).ToArray();
            float[][] right = data.Select(array => array.ToArray()).ToArray();
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Make.Release()), other = optimizer.AddGroup(Make.Release());
                ParamId[] ids = data.Select(array => optimizer.AddParam(group, Dtype.F32, array.Length)).ToArray();
                ParamId[] others = data.Select(array => optimizer.AddParam(other, Dtype.F32, array.Length)).ToArray();
                for (int step = 0; step < 20; step++)
                {
                    Parallel.For(0, Count, i => optimizer.StepTensor(ids[i], data[i], grads[i]));
                    for (int i = 0; i < Count; i++)
                        optimizer.StepTensor(others[i], right[i], grads[i]);
                }
                for (int i = 0; i < Count; i++)
                    Check.SameArrays(right[i], data[i], $"tensor {i}");
            }
        }

        [Test]
        private static void arrays_stay_where_the_library_knows_them()
        {
            const int Count = 100;
            float[][] data = new float[Count][], right = new float[Count][], grads = new float[Count][];
            using (Optimizer optimizer = new Optimizer(), lent = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Make.Options()), release = lent.AddGroup(Make.Release());
                // On a thread of its own, so that only the heap refers to the arrays: they would move.
                var adding = new Thread(() =>
                {
                    for (int i = 0; i < Count; i++)
                    {
                        data[i] = Make.Numbers(500, i);
                        right[i] = Make.Numbers(500, i);
                        grads[i] = Make.Numbers(500, Count + i);
                        optimizer.AddParam(group, data[i], grads[i]);
                        lent.AddParam(release, Dtype.F32, 500);
                        GC.KeepAlive(new byte[20000]);
                    }
                });
                adding.Start();
                adding.Join();
                for (int step = 0; step < 5; step++)
                {
                    GC.Collect();
                    optimizer.Step();
                    for (int i = 0; i < Count; i++)
                    {
                        lent.StepTensor(new ParamId(i), right[i], grads[i]);
                        Check.SameArrays(right[i], data[i], $"tensor {i}");
                    }
                }
            }
        }

        [Test]
        private static void new_gradients_every_step_by_SetTensors()
        {
            const int Count = 100;
            float[][] data = Enumerable.Range(0, Count).Select(i => Make.Numbers(10, i)).ToArray();
            float[][] right = data.Select(array => array.ToArray()).ToArray();
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Make.Options(), data.Select(array => new Param { Data = array }).ToArray());
                GroupId release = optimizer.AddGroup(Make.Release());
                ParamId[] lent = data.Select(array => optimizer.AddParam(release, Dtype.F32, 10)).ToArray();
                Check.Same(0, (int)group, "group");
                for (int step = 0; step < 5; step++)
                {
                    float[][] grads = Enumerable.Range(0, Count).Select(i => Make.Numbers(10, 1000 * step + i)).ToArray();
                    optimizer.SetTensors(first, null, grads.Select(grad => (Tensor)grad).ToArray());
                    optimizer.Step();
                    for (int i = 0; i < Count; i++)
                        optimizer.StepTensor(lent[i], right[i], grads[i]);
                }
                for (int i = 0; i < Count; i++)
                    Check.SameArrays(right[i], data[i], $"tensor {i}");
                // Swapped, the arrays would overlap if set one by one.
                Tensor[] swapped = data.Reverse().Select(array => (Tensor)array).ToArray();
                optimizer.SetTensors(first, swapped, null);
                Check.Fails(Status.InvalidArgument, "overlap", () => optimizer.SetData(first, data[0]));
                Check.Fails(Status.InvalidArgument, "has 9 elements; that of parameter 1 must have 10",
                            () => optimizer.SetTensors(first, null, new Tensor[] { new float[10], new float[9] }));
            }
        }

        [Test]
        private static void copies_and_states_of_the_caller()
        {
            float[] data = Make.Numbers(100, 11), grad = Make.Numbers(100, 12), expAvg = new float[100];
            var copy = new BFloat16[100];
            using (var optimizer = new Optimizer())
            {
                var param = new Param { Data = data, Grad = grad, Copy = copy, ExpAvg = expAvg, Name = "master" };
                ParamId id = optimizer.AddParam(optimizer.AddGroup(Make.Options()), param);
                optimizer.Step();
                Check.SameArrays(data.Select(x => (BFloat16)x).ToArray(), copy, "copy");
                Check.SameArrays(expAvg, optimizer.GetState<float>(id, State.ExpAvg), "exp_avg");
                Check.That(expAvg.Any(x => x != 0), "exp_avg is zero");
                var wrong = new Param { Data = new float[100], ExpAvg = new double[100], Name = "wrong" };
                Check.Fails(Status.InvalidArgument, "ExpAvg is an array of f64; that of parameter \"wrong\" must be one of f32",
                            () => optimizer.AddParam(new GroupId(0), wrong));
            }
        }

        [Test]
        private static void remainders_of_16_bits_make_exact_masters()
        {
            float[] masters = Make.Numbers(100, 13), grad = Make.Numbers(100, 14);
            BFloat16[] data = masters.Select(x => (BFloat16)x).ToArray();
            masters = data.Select(x => (float)x).ToArray();
            var remainders = new short[100];
            using (var optimizer = new Optimizer())
            {
                var options = new GroupOptions { Lr = 0.01, MasterRemainder = true, StateDtype = Dtype.F32 };
                ParamId id = optimizer.AddParam(optimizer.AddGroup(options), new Param
                {
                    Data = data, Grad = grad, KahanComp = Tensor.Of(remainders),
                });
                optimizer.AddParam(optimizer.AddGroup(Make.Options()), masters, grad);
                for (int step = 0; step < 10; step++)
                    optimizer.Step();
                Check.SameArrays(remainders, optimizer.GetState<short>(id, State.MasterRemainder), "remainders");
                for (int i = 0; i < 100; i++)
                    Check.Same((int)Floats.Bits(masters[i]), (data[i].Bits << 16) + remainders[i], $"master {i}");
            }
        }

        [Test]
        private static void conversions_round_as_the_library_does()
        {
            // Every float of 16 bits, the floats in the middle between two, and those beside these.
            float[] data = Enumerable.Range(0, 65536).SelectMany(bits => new[] { 0x0000, 0x7FFF, 0x8000, 0x8001, 0x1000, 0x0FFF }
                .Select(low => Floats.FromBits((uint)bits << 16 | (uint)low))).Where(x => !float.IsNaN(x)).ToArray();
            float[] expanded = Enumerable.Range(0, 0x7C00).SelectMany(bits =>
            {
                float half = Float16.FromBits((ushort)bits), next = Float16.FromBits((ushort)(bits + 1));
                float middle = (half + next) / 2;
                return new[] { half, middle, Floats.FromBits(Floats.Bits(middle) - 1), Floats.FromBits(Floats.Bits(middle) + 1) };
            }).Where(x => !float.IsInfinity(x)).ToArray();
            data = data.Concat(expanded).Concat(expanded.Select(x => -x)).ToArray();
            var halves = new Float16[data.Length];
            var brains = new BFloat16[data.Length];
            float[] again = data.ToArray();
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Make.Options(0)); // an lr of 0 leaves them as they are
                var grad = new float[data.Length];
                optimizer.AddParam(group, new Param { Data = data, Grad = grad, Copy = halves });
                optimizer.AddParam(group, new Param { Data = again, Grad = grad, Copy = brains });
                optimizer.Step();
            }
            for (int i = 0; i < data.Length; i++)
            {
                if (halves[i].Bits != ((Float16)data[i]).Bits || brains[i].Bits != ((BFloat16)data[i]).Bits)
                    throw new Exception($"{data[i]:R} became {(Float16)data[i]} and {(BFloat16)data[i]}");
            }
            foreach (uint bits in new uint[] { 0x7F800001, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF })
            {
                float nan = Floats.FromBits(bits);
                Check.That(float.IsNaN((Float16)nan) && float.IsNaN((BFloat16)nan), $"NaN {bits:X}");
            }
            for (int bits = 0; bits < 65536; bits++)
            {
                float half = Float16.FromBits((ushort)bits), brain = BFloat16.FromBits((ushort)bits);
                bool halfReturns = float.IsNaN(half) || ((Float16)half).Bits == bits;
                bool brainReturns = float.IsNaN(brain) || ((BFloat16)brain).Bits == bits;
                bool areNaN = (bits & 0x7FFF) > 0x7C00 == float.IsNaN(half) && (bits & 0x7FFF) > 0x7F80 == float.IsNaN(brain);
                if (!halfReturns || !brainReturns || !areNaN)
                    throw new Exception($"{bits:X} does not come back");
            }
        }
    }
}
