// What owns an optimizer of C. SPDX: MIT OR Apache-2.0
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using static Radam.RadamException;

namespace Radam
{
    /// <summary>Owns an optimizer of C, and the pins of the arrays that it may still use: they end after it. The runtime
    /// frees it once, when no call uses it any more, at the latest when the AppDomain is unloaded.</summary>
    internal sealed unsafe class OptimizerHandle : SafeHandle
    {
        internal readonly Pins Pins = new Pins();
        private ExecutorCalls calls;
        private GCHandle executor; // weak: the calls, which this owns, know this handle

        private OptimizerHandle() : base(IntPtr.Zero, true) { }

        public override bool IsInvalid => handle == IntPtr.Zero;

        internal static OptimizerHandle Create(OptimizerOptions options)
        {
            if (options.NumThreads < 0)
                throw new RadamException(Status.InvalidArgument, $"NumThreads is {options.NumThreads}; it must not be negative");
            var created = new OptimizerHandle();
            radam_options raw;
            Check(Native.radam_options_init(&raw, (uint)sizeof(radam_options)));
            raw.num_threads = (uint)options.NumThreads;
            raw.parallel_from = (ulong)Math.Max(options.ParallelFrom, 0);
            if (options.Executor != null)
            {
                created.calls = new ExecutorCalls(options.Executor, created);
                created.executor = GCHandle.Alloc(created.calls, GCHandleType.Weak);
                raw.executor = ExecutorCalls.Raw(created.executor);
            }
            IntPtr opt;
            Status status = Native.radam_create(&raw, &opt);
            if (status != Status.Ok)
                created.FreeExecutor();
            Check(status);
            created.SetHandle(opt);
            return created;
        }

        /// <summary>This, unless it was disposed, of which the runtime speaks as of a safe handle.</summary>
        internal OptimizerHandle CheckNotDisposed() => IsClosed ? throw new ObjectDisposedException(nameof(Optimizer)) : this;

        /// <summary>Keeps the optimizer from being freed, and its arrays from being unpinned, until disposed.</summary>
        internal Held Hold() => new Held(this);

        internal readonly struct Held : IDisposable
        {
            private readonly OptimizerHandle opt;

            internal Held(OptimizerHandle opt)
            {
                this.opt = opt;
                bool isHeld = false;
                opt.DangerousAddRef(ref isHeld); // throws if it has been disposed
            }

            public void Dispose() => opt.DangerousRelease();
        }

        protected override bool ReleaseHandle()
        {
            bool isFreed = Native.radam_free(handle) == Status.Ok;
            Pins.FreeAll();
            FreeExecutor();
            return isFreed;
        }

        private void FreeExecutor()
        {
            if (executor.IsAllocated)
                executor.Free();
        }
    }

    /// <summary>The arrays of a parameter that are registered with the library.</summary>
    internal enum Slot
    {
        Data, Grad, Copy, ExpAvg, ExpAvgSq, KahanComp, StateScale,
    }

    /// <summary>The pins of registered arrays. Calls that register hold the optimizer and this
    /// lock, so that pins and registrations agree.</summary>
    internal sealed class Pins
    {
        private const int SlotCount = (int)Slot.StateScale + 1;
        private readonly Dictionary<uint, Pinned[]> byParam = new Dictionary<uint, Pinned[]>();

        internal static Pinned[] NewSlots() => new Pinned[SlotCount];

        internal static void Free(Pinned[] slots)
        {
            for (int i = 0; i < slots.Length; i++)
                slots[i].Free();
        }

        internal void Add(uint param, Pinned[] slots)
        {
            byParam[param] = slots;
        }

        internal void Replace(uint param, Slot slot, Pinned pinned)
        {
            Pinned[] slots = byParam[param];
            slots[(int)slot].Free();
            slots[(int)slot] = pinned;
        }

        internal void Remove(uint param)
        {
            Free(byParam[param]);
            byParam.Remove(param);
        }

        internal void FreeAll()
        {
            foreach (Pinned[] slots in byParam.Values)
                Free(slots);
            byParam.Clear();
        }
    }
}
