// A step in slices. SPDX: MIT OR Apache-2.0
using System;
using static Radam.RadamException;

namespace Radam
{
    /// <summary>An open step, which the caller runs in slices: a little in every frame,
    /// <code>if (step.RunFor(TimeSpan.FromMilliseconds(2)) == 0) step.End();</code>
    /// or wave by wave, the chunks of a wave on any threads,
    /// <code>for (long chunks; (chunks = step.NextWave()) > 0;) Parallel.For(0, chunks, step.Chunk);</code>
    /// One that is disposed while open is cancelled if nothing has changed yet, and otherwise completed.</summary>
    public sealed unsafe partial class SlicedStep : IDisposable
    {
        private readonly OptimizerHandle opt;

        internal SlicedStep(OptimizerHandle opt)
        {
            this.opt = opt;
            IsOpen = true;
        }

        /// <summary>Whether it has neither ended nor been cancelled.</summary>
        public bool IsOpen { get; private set; }

        /// <summary>Starts the next wave and returns its number of chunks; 0 means that there are no more.</summary>
        public long NextWave()
        {
            RequireOpen();
            ulong chunks;
            Check(Native.radam_step_wave(opt, &chunks));
            return (long)chunks;
        }

        /// <summary>Steps one chunk of the wave: each index below the number of chunks once, on any thread.</summary>
        public void Chunk(long index)
        {
            RequireOpen();
            Check(Native.radam_step_chunk(opt, (ulong)index));
        }

        /// <summary>Runs the step for about this time, on the calling thread: one chunk at least, unless the time is zero or
        /// less. Returns the number of chunks left: at 0, End can follow.</summary>
        public long RunFor(TimeSpan budget)
        {
            RequireOpen();
            ulong left;
            ulong nanoseconds = (ulong)Math.Max(0, budget.Ticks) * 100;
            Check(Native.radam_step_for(opt, nanoseconds, &left));
            return (long)left;
        }

        /// <summary>Ends the step, all of whose chunks have been stepped.</summary>
        public StepReport End()
        {
            RequireOpen();
            StepReport report = StepReport.New();
            Check(Native.radam_step_end(opt, &report.Raw));
            IsOpen = false;
            return report;
        }

        /// <summary>Cancels the step, which is possible until the first chunk that changes anything.</summary>
        public void Abort()
        {
            RequireOpen();
            Check(Native.radam_step_abort(opt));
            IsOpen = false;
        }

        /// <summary>Cancels or completes the step if it is open.</summary>
        public void Dispose()
        {
            if (!IsOpen || opt.IsClosed)
                return;
            IsOpen = false;
            Status status = Native.radam_step_abort(opt);
            if (status != Status.InvalidState)
            {
                Check(status);
                return;
            }
            Check(Native.radam_step_for(opt, ulong.MaxValue, null));
            Check(Native.radam_step_end(opt, null));
        }

        /// <summary>The optimizer may have another step open by now, which is not this one's.</summary>
        private void RequireOpen()
        {
            opt.CheckNotDisposed();
            if (!IsOpen)
                throw new RadamException(Status.InvalidState, "this step has ended; begin another one with BeginStep");
        }
    }
}
