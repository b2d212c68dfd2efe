// State of 8 bits. SPDX: MIT OR Apache-2.0
using System;
using System.Linq;

namespace Radam.Tests
{
    internal static class Q8Tests
    {
        private const int Length = 5000, Blocks = 40;
        private static readonly ParamId param = new ParamId(0);

        private static GroupOptions Coded() => new GroupOptions { Lr = 0.01, StateDtype = Dtype.Q8, Seed = 7 };

        [Test]
        private static void the_same_codes_in_all_arrays()
        {
            var grad = new float[Length];
            float[][] data = Enumerable.Range(0, 3).Select(_ => Make.Numbers(Length, 1)).ToArray();
            var expAvg = new[] { new sbyte[Length], new sbyte[Length] };
            var expAvgSq = new[] { new byte[Length], new byte[Length] };
            var scale = new[] { new uint[Blocks], new uint[Blocks] };
            using (Optimizer ours = new Optimizer(), given = new Optimizer())
            {
                ours.AddParam(ours.AddGroup(Coded()), data[0], grad);
                given.AddParam(given.AddGroup(Coded()), new Param
                {
                    Data = data[1], Grad = grad, ExpAvg = Tensor.Of(expAvg[0]), ExpAvgSq = Tensor.Of(expAvgSq[0]),
                    StateScale = Tensor.Of(scale[0]),
                });
                for (int step = 1; step <= 8; step++)
                {
                    Make.Numbers(Length, step + 1).CopyTo(grad, 0);
                    ours.Step();
                    given.Step();
                    Optimizer.UpdateQ8(data[2], grad, expAvg[1], expAvgSq[1], scale[1], Tensor.None, Coded(), step);
                    for (int i = 0; i < 2; i++)
                    {
                        Check.SameArrays(data[0], data[i + 1], "data");
                        Check.SameArrays(ours.GetState<sbyte>(param, State.ExpAvg), expAvg[i], "expAvg");
                        Check.SameArrays(ours.GetState<byte>(param, State.ExpAvgSq), expAvgSq[i], "expAvgSq");
                        Check.SameArrays(ours.GetState<uint>(param, State.StateScale), scale[i], "stateScale");
                    }
                }
                Check.That(scale[0].All(word => word != 0) && expAvg[0].Any(code => code != 0), "nothing was coded");
                Tensor address = ours.GetStateAddress(param, State.StateScale);
                Check.That(address.Length == Blocks && address.Dtype == Dtype.Default, "an address");
                ours.SetState(param, State.ExpAvg, new sbyte[Length]);
                Check.SameArrays(new sbyte[Length], ours.GetState<sbyte>(param, State.ExpAvg), "was set");
            }
        }

        [Test]
        private static void compensations_have_the_type_of_the_parameter()
        {
            BFloat16[] data = Make.Numbers(Length, 1).Select(x => (BFloat16)x).ToArray(), loose = data.ToArray();
            BFloat16[] grad = Make.Numbers(Length, 2).Select(x => (BFloat16)x).ToArray();
            BFloat16[] kahan = new BFloat16[Length], looseKahan = new BFloat16[Length];
            var expAvg = new sbyte[Length];
            var expAvgSq = new byte[Length];
            var scale = new uint[Blocks];
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Coded());
                optimizer.AddParam(group, new Param { Data = data, Grad = grad, KahanComp = kahan });
                for (int step = 1; step <= 3; step++)
                {
                    optimizer.Step();
                    Optimizer.UpdateQ8(loose, grad, expAvg, expAvgSq, scale, looseKahan, Coded(), step);
                }
                Check.SameArrays(data, loose, "data");
                Check.SameArrays(kahan, looseKahan, "kahanComp");
                Check.SameArrays(kahan, optimizer.GetState<BFloat16>(param, State.KahanComp), "state");
                Check.That(kahan.Any(x => x.Bits != 0), "nothing was compensated");
                Check.Fails(Status.InvalidArgument, "KahanComp is an array of f32; that of the parameter must be one of bf16",
                    () => optimizer.AddParam(group, new Param { Data = loose, KahanComp = new float[Length] }));
                Check.Fails(Status.InvalidArgument, "kahanComp is an array of f32; it must be one of bf16", () =>
                    Optimizer.UpdateQ8(loose, grad, expAvg, expAvgSq, scale, new float[Length], Coded(), 4));
                optimizer.AddParam(group, new Param { Dtype = Dtype.Bf16, Length = 9, KahanComp = new float[9] });
            }
        }

        [Test]
        private static void it_is_for_large_tensors_and_for_state_only()
        {
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Coded());
                Check.Same(Dtype.Q8, optimizer.GetGroupOptions(group).StateDtype, "the option");
                optimizer.AddParam(group, Dtype.F32, 4095);
                Check.Same(4095, optimizer.GetState<float>(param, State.ExpAvg).Length, "a small tensor");
                Check.That(optimizer.GetState<uint>(param, State.StateScale) == null, "its scales");
                ParamId large = optimizer.AddParam(group, Dtype.F32, Length);
                Action<string, Action> fails = (words, call) => Check.Fails(Status.InvalidArgument, words, call);
                Action<string, Param> refused = (words, added) => fails(words, () => optimizer.AddParam(group, added));
                float[] data = new float[Length];
                fails("Q8, which is for StateDtype only", () => optimizer.AddParam(group, Dtype.Q8, Length));
                refused("Q8, which is for StateDtype only", new Param { Data = data, GradDtype = Dtype.Q8 });
                fails("dtype is Q8, which is for", () => new Tensor((IntPtr)64, 3, Dtype.Q8));
                fails("StateDtype is q8", () => optimizer.AddParam(group, Dtype.F64, Length));
                refused("ExpAvg is an array of f32; that of the parameter must be one of sbyte",
                        new Param { Data = data, ExpAvg = new float[Length] });
                refused("ExpAvgSq is an array of sbyte", new Param { Data = data, ExpAvgSq = Tensor.Of(new sbyte[Length]) });
                refused("StateScale has 41 elements; that of the parameter must have 40",
                        new Param { Data = data, StateScale = Tensor.Of(new uint[41]) });
                refused("TensorOffset is 100",
                        new Param { Dtype = Dtype.F32, Length = 100, TensorOffset = 100, TensorLen = Length });
                fails("the state is an array of f32; that of parameter 1 must be one of sbyte",
                      () => optimizer.GetState<float>(large, State.ExpAvg));
                fails("must be one of uint", () => optimizer.GetState<float>(large, State.StateScale));
                fails("StateScale of parameter 1 has 40", () => optimizer.SetState(large, State.StateScale, new uint[41]));
                fails("stateScale has 39 elements; it must have 40", () => Optimizer.UpdateQ8(data, new float[Length],
                    new sbyte[Length], new byte[Length], new uint[39], Tensor.None, Coded(), 1));
                fails("step is 0", () => Optimizer.UpdateQ8(data, new float[Length], new sbyte[Length], new byte[Length],
                    new uint[40], Tensor.None, Coded(), 0));
            }
        }
    }
}
