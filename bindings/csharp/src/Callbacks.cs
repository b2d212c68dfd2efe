// Calls from C to C#. SPDX: MIT OR Apache-2.0
using System;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Radam
{
    /// <summary>Marks what C calls, for IL2CPP, which knows this attribute by its name.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class MonoPInvokeCallbackAttribute : Attribute
    {
        internal MonoPInvokeCallbackAttribute(Type type)
        {
            Type = type;
        }

        internal Type Type { get; }
    }

    /// <summary>A parallel loop on the caller's threads: calls body once for each index from 0 to count - 1, and returns
    /// when all these calls have returned; for example (count, body) => Parallel.For(0, count, body).</summary>
    public delegate void Executor(long count, Action<long> body);

    /// <summary>An exception that a callback has thrown. It must not cross C, and waits until the call is over. Callbacks
    /// come on the thread of the call.</summary>
    internal static class Thrown
    {
        [ThreadStatic]
        private static ExceptionDispatchInfo exception;

        internal static void Keep(Exception thrown)
        {
            exception = exception ?? ExceptionDispatchInfo.Capture(thrown);
        }

        internal static void Rethrow()
        {
            ExceptionDispatchInfo kept = exception;
            exception = null;
            kept?.Throw();
        }
    }

    /// <summary>The executor of an optimizer.</summary>
    internal sealed unsafe class ExecutorCalls
    {
        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void ParallelFor(ulong count, IntPtr body, IntPtr bodyData, IntPtr user);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void Body(ulong index, IntPtr bodyData);

        // C has a pointer to it as long as any optimizer exists.
        private static readonly ParallelFor parallelFor = OnParallelFor;

        private readonly Executor executor;
        private readonly OptimizerHandle opt;
        private IntPtr bodyAddress;
        private Body body;

        internal ExecutorCalls(Executor executor, OptimizerHandle opt)
        {
            this.executor = executor;
            this.opt = opt;
        }

        /// <summary>The executor as C knows it. The handle must stay allocated as long as the optimizer.</summary>
        internal static radam_executor Raw(GCHandle calls)
        {
            radam_executor raw;
            raw.parallel_for = Marshal.GetFunctionPointerForDelegate(parallelFor);
            raw.user = (void*)GCHandle.ToIntPtr(calls);
            return raw;
        }

        [MonoPInvokeCallback(typeof(ParallelFor))]
        private static void OnParallelFor(ulong count, IntPtr body, IntPtr bodyData, IntPtr user)
        {
            try
            {
                ((ExecutorCalls)GCHandle.FromIntPtr(user).Target).Run(count, body, bodyData);
            }
            catch (Exception exception) // the library does what is left on the calling thread
            {
                Thrown.Keep(exception);
            }
        }

        private void Run(ulong count, IntPtr address, IntPtr bodyData)
        {
            if (bodyAddress != address) // it is the same in every step
            {
                body = Marshal.GetDelegateForFunctionPointer<Body>(address);
                bodyAddress = address;
            }
            Body native = body;
            executor((long)count, index => RunPiece(native, index, bodyData));
        }

        /// <summary>A piece of work. One that is called too late does nothing, or throws if the optimizer has been
        /// disposed.</summary>
        private void RunPiece(Body native, long index, IntPtr bodyData)
        {
            using (opt.Hold())
                native((ulong)index, bodyData);
        }
    }

    /// <summary>The progress of one call that saves or loads.</summary>
    internal sealed class ProgressCalls
    {
        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int Progress(ulong bytesDone, ulong bytesTotal, IntPtr user);

        private static readonly Progress progress = OnProgress;

        private readonly Action<long, long> report;
        private readonly CancellationToken cancellation;

        internal ProgressCalls(Action<long, long> report, CancellationToken cancellation)
        {
            this.report = report;
            this.cancellation = cancellation;
        }

        internal static IntPtr Raw => Marshal.GetFunctionPointerForDelegate(progress);

        [MonoPInvokeCallback(typeof(Progress))]
        private static int OnProgress(ulong bytesDone, ulong bytesTotal, IntPtr user)
        {
            try
            {
                var calls = (ProgressCalls)GCHandle.FromIntPtr(user).Target;
                calls.report?.Invoke((long)bytesDone, (long)bytesTotal);
                calls.cancellation.ThrowIfCancellationRequested();
                return 0;
            }
            catch (Exception exception)
            {
                Thrown.Keep(exception);
                return 1;
            }
        }
    }
}
