// Errors, and what overlaps. SPDX: MIT OR Apache-2.0
using System;
using System.Threading;
using System.Threading.Tasks;

namespace Radam.Tests
{
    internal static class ErrorTests
    {
        [Test]
        private static void wrong_arrays_are_refused()
        {
            using (var optimizer = new Optimizer())
            {
                ParamId param = optimizer.AddParam(optimizer.AddGroup(Make.Release()), Dtype.F32, 4, "weight", Dtype.Bf16);
                Check.Fails(Status.InvalidArgument, "data is an array of f64; that of parameter 0 must be one of f32",
                            () => optimizer.StepTensor(param, new double[4], new BFloat16[4]));
                Check.Fails(Status.InvalidArgument, "grad is an array of f32; that of parameter 0 must be one of bf16",
                            () => optimizer.StepTensor(param, new float[4], new float[4]));
                Check.Fails(Status.InvalidArgument, "data has 3 elements; that of parameter 0 must have 4",
                            () => optimizer.StepTensor(param, new float[3], new BFloat16[4]));
                Check.Fails(Status.InvalidArgument, "grad has 5 elements", () => optimizer.StepParam(param, new BFloat16[5]));
                Check.Fails(Status.InvalidArgument, "grad has 5 elements", () => optimizer.SetGrad(param, new BFloat16[5]));
                Check.Fails(Status.InvalidArgument, "one of f32", () => optimizer.SetData(param, new double[4]));
                Check.Fails(Status.InvalidArgument, "the optimizer has 1 parameters",
                            () => optimizer.StepTensor(new ParamId(1), new float[4], new BFloat16[4]));
                Check.Fails(Status.NullPointer, "grad", () => optimizer.StepTensor(param, new float[4], Tensor.None));
                Check.Fails(Status.InvalidState, "data is null", () => optimizer.StepTensor(param, Tensor.None, new BFloat16[4]));
                var array = new float[4];
                Check.Fails(Status.InvalidArgument, "overlap",
                            () => optimizer.AddGroup(Make.Options(), new Param { Data = array, Grad = array }));
                Check.Fails(Status.InvalidArgument, "type System.Int32", () => Tensor.Of(new int[4]));
                Check.Fails(Status.InvalidArgument, "Grad has 3 elements",
                            () => optimizer.AddGroup(Make.Options(), new Param { Data = array, Grad = new float[3] }));
                Check.Same(0L, optimizer.GetStepCount(param), "steps");
            }
        }

        [Test]
        private static void null_is_refused()
        {
            Action<string, Action> fails = (name, call) =>
                Check.Same(name, Check.Throws<ArgumentNullException>(call).ParamName);
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Make.Options());
                ParamId param = optimizer.AddParam(group, new float[1]);
                fails("options", () => optimizer.AddGroup(null));
                fails("options", () => optimizer.SetGroupOptions(group, null));
                fails("options", () => Optimizer.Update(new float[1], new float[1], new float[1], new float[1], Tensor.None,
                                                        null, 1));
                fails("parameters", () => optimizer.AddParams(group, null));
                fails("parameters[1]", () => optimizer.AddParams(group, new Param { Data = new float[1] }, null));
                fails("parameters[0]", () => optimizer.AddGroup(Make.Options(), new Param[1]));
                fails("param", () => optimizer.AddParam(group, (Param)null));
                fails("sums", () => optimizer.Measure(null));
                fails("other", () => new GradSums().Add(null));
                fails("value", () => new GradSums().Words = null);
                fails("values", () => optimizer.SetState<float>(param, State.ExpAvg, null));
                fails("name", () => optimizer.GetParamId(null));
                fails("path", () => optimizer.Save(null));
                fails("path", () => optimizer.Load(null));
                fails("paths", () => optimizer.LoadShards(null));
                fails("paths[1]", () => optimizer.LoadShards(new[] { "a", null }));
                fails("buffer", () => optimizer.LoadFromBuffer(null));
                Check.Fails(Status.InvalidArgument, "paths is empty", () => optimizer.LoadShards(new string[0]));
                Check.Fails(Status.NullPointer, "grad is none", () => new GradSums().Add((float[])null));
                Check.Fails(Status.NullPointer, "param is none", () => Optimizer.Update(Tensor.None, new float[1],
                    new float[1], new float[1], Tensor.None, Make.Options(), 1));
            }
        }

        [Test]
        private static void sentences_name_things_as_csharp_does()
        {
            using (var optimizer = new Optimizer())
            {
                var data = new float[4];
                GroupId group = optimizer.AddGroup(Make.Options());
                optimizer.AddParam(group, data, Tensor.None, "a_b");
                Param same = new Param { Data = data }, other = new Param { Data = new float[4] };
                Check.Fails(Status.InvalidArgument, "Data of the parameter is 0x", () => optimizer.AddParam(group, same));
                Check.Fails(Status.InvalidArgument, "\"a_b\"", () => optimizer.AddParam(group, same));
                Check.Fails(Status.InvalidArgument, "Data of parameters[1] is 0x", () => optimizer.AddParams(group, other, same));
                same.Name = "c_d";
                Check.Fails(Status.InvalidArgument, "Data of parameter \"c_d\" is 0x",
                            () => optimizer.AddParams(group, other, same));
                Check.Fails(Status.InvalidArgument, "Dtype of the parameter is 9; it must be Dtype.F32, Dtype.F64",
                            () => optimizer.AddParam(group, (Dtype)9, 4));
                Check.Fails(Status.InvalidArgument, "State.KahanComp, State.MasterRemainder or State.StateScale",
                            () => optimizer.GetStateAddress(new ParamId(0), (State)9));
                Check.Fails(Status.InvalidArgument, "that of the parameter must have 4",
                            () => optimizer.AddParam(group, new Param { Data = new float[4], Grad = new float[3] }));
                Check.Fails(Status.InvalidArgument, "that of parameter \"x\" must have 4",
                            () => optimizer.AddParam(group, new Param { Data = new float[4], Grad = new float[3], Name = "x" }));
                Check.Fails(Status.InvalidArgument, "TensorOffset is -5 and TensorLen 2",
                            () => optimizer.AddParam(group, new Param { Data = new float[1], TensorOffset = -5, TensorLen = 2 }));
                Check.Fails(Status.InvalidArgument, "step is -1", () => Optimizer.Update(new float[1], new float[1],
                    new float[1], new float[1], Tensor.None, Make.Options(), -1));
                var sums = new GradSums();
                long[] words = sums.Words;
                words[3] = -1;
                sums.Words = words;
                Check.Fails(Status.InvalidArgument, "sums.words[3] is -1", () => sums.Norm.ToString());
                using (SlicedStep step = optimizer.BeginStep())
                {
                    Check.Fails(Status.Busy, "the optimizer has an open step, which BeginStep opened", optimizer.Step);
                    Check.Fails(Status.InvalidState, "NextWave begins one", () => step.Chunk(0));
                }
            }
        }

        [Test]
        private static void wrong_settings_are_refused()
        {
            Check.Fails(Status.InvalidArgument, "NumThreads is -1", () => new Optimizer(new OptimizerOptions { NumThreads = -1 }));
            using (var optimizer = new Optimizer())
            {
                Check.Fails(Status.InvalidArgument, "lr is NaN", () => optimizer.AddGroup(new GroupOptions()));
                Check.Fails(Status.InvalidArgument, "beta2",
                            () => optimizer.AddGroup(new GroupOptions { Lr = 1, Beta2 = 1 }));
                GroupId group = optimizer.AddGroup(Make.Options());
                Check.Fails(Status.InvalidArgument, "group", () => optimizer.SetLr(new GroupId(7), 1));
                Check.Fails(Status.InvalidArgument, "NUL character at index 1",
                            () => optimizer.AddParam(group, Dtype.F32, 1, "a\0b"));
                optimizer.AddParam(group, Dtype.F32, 1, "größe");
                Check.Fails(Status.InvalidArgument, "größe", () => optimizer.AddParam(group, Dtype.F32, 1, "größe"));
                Check.Fails(Status.InvalidArgument, "Length", () => optimizer.AddParam(group, Dtype.F32, long.MaxValue));
                Check.Fails(Status.InvalidArgument, "Length is -1", () => optimizer.AddParam(group, Dtype.F32, -1));
                Check.Fails(Status.InvalidState, "GradientRelease is off",
                            () => optimizer.StepParam(new ParamId(0), new float[1]));
                Check.Fails(Status.InvalidArgument, "param", () => optimizer.GetParamName(new ParamId(3)));
                Check.Fails(Status.InvalidArgument, "param", () => optimizer.ResetState(new ParamId(-1)));
                RadamException thrown = Check.Throws<RadamException>(() => optimizer.SetLr(group, -1));
                Check.That(thrown.ToString().StartsWith("RADAM_ERROR_INVALID_ARGUMENT: "), thrown.ToString());
            }
        }

        [Test]
        private static void a_disposed_optimizer_says_so()
        {
            Optimizer optimizer = Make.OneParam(new float[2], new float[2]);
            SlicedStep step = optimizer.BeginStep();
            optimizer.Dispose();
            optimizer.Dispose();
            step.Dispose();
            Check.Same("Optimizer", Check.Throws<ObjectDisposedException>(optimizer.Step).ObjectName);
            Check.Same("Optimizer", Check.Throws<ObjectDisposedException>(() => step.RunFor(TimeSpan.Zero)).ObjectName);
            Check.Throws<ObjectDisposedException>(() => optimizer.GetLr(new GroupId(0)));
            Check.Throws<ObjectDisposedException>(() => optimizer.GetState<float>(new ParamId(0), State.ExpAvg));
        }

        [Test]
        private static void a_second_call_is_told_that_the_optimizer_is_busy()
        {
            using (Optimizer optimizer = Make.OneParam(new float[2], new float[] { 1, 1 }))
            using (optimizer.BeginStep())
            {
                Check.Fails(Status.Busy, "step", optimizer.Step);
                Check.Fails(Status.Busy, "step", () => optimizer.SetLr(new GroupId(0), 1));
                Check.Same(0.01, optimizer.GetLr(new GroupId(0)), "lr");
            }
        }

        [Test]
        private static void every_thread_gets_its_own_sentence()
        {
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Make.Release());
                for (int i = 0; i < 8; i++)
                    optimizer.AddParam(group, Dtype.F32, 1, $"param of thread {i}");
                Parallel.For(0, 8, i =>
                {
                    for (int round = 0; round < 500; round++)
                        Check.Fails(Status.NullPointer, $"param of thread {i}",
                                    () => optimizer.StepTensor(new ParamId(i), new float[1], Tensor.None));
                });
            }
        }

        [Test]
        private static void disposing_while_arrays_are_registered_is_safe()
        {
            for (int round = 0; round < 50; round++)
            {
                Optimizer optimizer = Make.OneParam(new float[10], new float[10]);
                var adding = new Thread(() => Check.Throws<ObjectDisposedException>(() =>
                {
                    while (true)
                    {
                        optimizer.SetGrad(new ParamId(0), new float[10]);
                        optimizer.AddParam(new GroupId(0), new float[10], new float[10]);
                    }
                }));
                adding.Start();
                Thread.Sleep(round % 3);
                optimizer.Dispose();
                adding.Join();
            }
        }

        [Test]
        private static void disposing_during_calls_is_safe()
        {
            for (int round = 0; round < 20; round++)
            {
                float[] data = new float[200000], grad = Make.Numbers(200000, round);
                Optimizer optimizer = Make.OneParam(data, grad);
                var stepping = new Thread(() =>
                {
                    while (true)
                    {
                        try
                        {
                            optimizer.Step();
                        }
                        catch (ObjectDisposedException)
                        {
                            return;
                        }
                    }
                });
                stepping.Start();
                Thread.Sleep(round % 5);
                optimizer.Dispose();
                stepping.Join();
            }
        }
    }
}
