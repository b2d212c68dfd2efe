// Steps in slices. SPDX: MIT OR Apache-2.0
using System;
using System.Linq;
using System.Threading.Tasks;

namespace Radam.Tests
{
    internal static class SliceTests
    {
        private const int Count = 300000;
        private static readonly StepOptions clipping = new StepOptions { MaxGradNorm = 1 };

        /// <summary>Steps in slices and at once, which must have the same bits.</summary>
        private static void SameAsAtOnce(Func<SlicedStep, StepReport> run)
        {
            float[] data = Make.Numbers(Count, 1), right = Make.Numbers(Count, 1), grad = Make.Numbers(Count, 2);
            using (Optimizer optimizer = Make.OneParam(data, grad), still = Make.OneParam(right, grad.ToArray()))
            {
                for (int i = 0; i < 3; i++)
                {
                    StepReport report;
                    using (SlicedStep step = optimizer.BeginStep(clipping))
                        report = run(step);
                    still.Step(clipping, out StepReport atOnce);
                    Check.Same(atOnce.GradNorm, report.GradNorm, "norm");
                    Check.SameArrays(right, data, $"step {i}");
                }
            }
        }

        [Test]
        private static void waves_on_many_threads()
        {
            SameAsAtOnce(step =>
            {
                int waves = 0;
                for (long chunks; (chunks = step.NextWave()) > 0; waves++)
                    Parallel.For(0, chunks, step.Chunk);
                Check.Same(2, waves, "one that measures, one that steps");
                return step.End();
            });
        }

        [Test]
        private static void a_little_in_every_frame()
        {
            int frames = 0;
            SameAsAtOnce(step =>
            {
                Check.That(step.RunFor(TimeSpan.Zero) > 0, "nothing left");
                while (step.RunFor(TimeSpan.FromTicks(100)) > 0)
                    frames++;
                return step.End();
            });
            Check.That(frames > 3, $"{frames} frames");
        }

        [Test]
        private static void a_step_that_is_disposed_is_cancelled_or_completed()
        {
            float[] data = Make.Numbers(Count, 1), right = Make.Numbers(Count, 1), grad = Make.Numbers(Count, 2);
            using (Optimizer optimizer = Make.OneParam(data, grad), still = Make.OneParam(right, grad.ToArray()))
            {
                using (SlicedStep step = optimizer.BeginStep(clipping))
                    step.Chunk(step.NextWave() - 1); // it measures
                Check.SameArrays(right, data, "cancelled");
                Check.Same(0L, optimizer.GetStepCount(new ParamId(0)), "steps");
                using (SlicedStep step = optimizer.BeginStep())
                    step.Chunk(step.NextWave() - 1);
                still.Step();
                Check.SameArrays(right, data, "completed");
                Check.Same(1L, optimizer.GetStepCount(new ParamId(0)), "steps");
            }
        }

        [Test]
        private static void slices_that_come_too_early_or_late()
        {
            using (Optimizer optimizer = Make.OneParam(Make.Numbers(Count, 1), Make.Numbers(Count, 2)))
            {
                SlicedStep ended = optimizer.BeginStep();
                Check.Fails(Status.InvalidState, "chunks", () => ended.End());
                Check.Fails(Status.InvalidState, "wave", () => ended.Chunk(0));
                ended.Abort();
                Check.That(!ended.IsOpen, "open");
                using (SlicedStep open = optimizer.BeginStep())
                {
                    Check.Fails(Status.InvalidState, "this step has ended", () => ended.NextWave());
                    Check.Fails(Status.InvalidState, "this step has ended", () => ended.RunFor(TimeSpan.Zero));
                    long chunks = open.NextWave();
                    Check.Fails(Status.InvalidArgument, "chunk", () => open.Chunk(chunks));
                    Check.Fails(Status.InvalidArgument, "chunk", () => open.Chunk(-1));
                    open.Chunk(0);
                    Check.Fails(Status.InvalidArgument, "chunk", () => open.Chunk(0));
                    Check.Fails(Status.InvalidState, "", open.Abort);
                }
            }
        }
    }
}
