// What C calls back: executors and progress. SPDX: MIT OR Apache-2.0
using System;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Radam.Tests
{
    internal static class CallbackTests
    {
        private const int Large = 200000;

        private static Optimizer WithExecutor(Executor executor, float[] data)
        {
            var optimizer = new Optimizer(new OptimizerOptions { Executor = executor, ParallelFrom = 1000 });
            optimizer.AddParam(optimizer.AddGroup(Make.Options()), data, Make.Numbers(Large, 2));
            return optimizer;
        }

        [Test]
        private static void an_executor_runs_the_step_on_its_threads()
        {
            float[] data = Make.Numbers(Large, 1), right = Make.Numbers(Large, 1);
            long pieces = 0;
            Executor executor = (count, body) => Parallel.For(0, count, index =>
            {
                Interlocked.Increment(ref pieces);
                body(index);
            });
            using (Optimizer optimizer = WithExecutor(executor, data), still = Make.OneParam(right, Make.Numbers(Large, 2)))
            {
                for (int step = 0; step < 10; step++)
                {
                    optimizer.Step();
                    still.Step();
                }
            }
            Check.That(pieces >= 20, $"{pieces} pieces");
            Check.SameArrays(right, data, "bits");
        }

        [Test]
        private static void what_an_executor_throws_comes_out_of_the_step()
        {
            float[] data = Make.Numbers(Large, 1), right = Make.Numbers(Large, 1);
            Executor executor = (count, body) =>
            {
                body(0);
                throw new InvalidOperationException("no threads today");
            };
            using (Optimizer optimizer = WithExecutor(executor, data), still = Make.OneParam(right, Make.Numbers(Large, 2)))
            {
                Check.Same("no threads today", Check.Throws<InvalidOperationException>(optimizer.Step).Message, "message");
                still.Step();
                Check.SameArrays(right, data, "the library has done the rest");
                Check.Same(1L, optimizer.GetStepCount(new ParamId(0)), "steps");
            }
        }

        [Test]
        private static void a_piece_that_comes_late_does_nothing()
        {
            float[] data = Make.Numbers(Large, 1);
            Action<long> late = null;
            Executor executor = (count, body) => late = body;
            using (Optimizer optimizer = WithExecutor(executor, data))
            {
                optimizer.Step();
                float[] before = data.ToArray();
                late(0);
                Check.SameArrays(before, data, "late");
            }
            Check.Throws<ObjectDisposedException>(() => late(0));
        }

        [Test]
        private static void progress_is_reported()
        {
            string path = Path.GetTempFileName();
            using (Optimizer optimizer = Make.OneParam(Make.Numbers(1 << 20, 1), Make.Numbers(1 << 20, 2)))
            {
                optimizer.Step();
                long calls = 0, last = 0, total = -1;
                Action<long, long> progress = (done, of) =>
                {
                    Check.That(done >= last && done <= of, $"{done} of {of} after {last}");
                    calls++;
                    last = done;
                    total = of;
                };
                optimizer.Save(path, new SaveOptions { Progress = progress });
                Check.That(calls >= 8 && last == total, $"{calls} calls, {last} of {total} bytes");
                Check.Same(new FileInfo(path).Length, (long)optimizer.SaveToBuffer().Length, "size");
                calls = last = 0;
                optimizer.Load(path, new LoadOptions { Progress = progress });
                Check.That(calls >= 8 && last == total, $"{calls} calls, {last} of {total} bytes");
            }
            File.Delete(path);
        }

        [Test]
        private static void saving_can_be_cancelled()
        {
            string path = Path.GetTempFileName();
            File.WriteAllText(path, "as it was");
            using (Optimizer optimizer = Make.OneParam(Make.Numbers(1 << 20, 1), Make.Numbers(1 << 20, 2)))
            using (var cancellation = new CancellationTokenSource())
            {
                Action<long, long> fail = (done, total) => throw new InvalidOperationException("full");
                Check.Throws<InvalidOperationException>(() => optimizer.Save(path, new SaveOptions { Progress = fail }));
                Action<long, long> cancel = (done, total) => cancellation.Cancel();
                Check.Throws<OperationCanceledException>(() => optimizer.Save(path,
                    new SaveOptions { Progress = cancel, Cancellation = cancellation.Token }));
                Check.Throws<OperationCanceledException>(() => optimizer.LoadFromBuffer(optimizer.SaveToBuffer(),
                    new LoadOptions { Cancellation = cancellation.Token }));
            }
            Check.Same("as it was", File.ReadAllText(path), "file");
            File.Delete(path);
        }
    }
}
