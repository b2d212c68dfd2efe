// Stand-ins for the types of Unity that src/unity uses, to compile and run it without Unity. SPDX: MIT OR Apache-2.0
using System;
using System.Runtime.InteropServices;
using System.Threading.Tasks;

namespace Unity.Collections
{
    public enum Allocator { Persistent }

    public unsafe struct NativeArray<T> : IDisposable where T : struct
    {
        internal IntPtr Memory;

        public NativeArray(int length, Allocator allocator)
        {
            int bytes = length * Marshal.SizeOf<T>();
            Memory = Marshal.AllocHGlobal(bytes);
            for (int i = 0; i < bytes; i++)
                ((byte*)Memory)[i] = 0;
            Length = length;
        }

        public int Length { get; }
        public bool IsCreated => Memory != IntPtr.Zero;

        public void Dispose()
        {
            Marshal.FreeHGlobal(Memory);
            Memory = IntPtr.Zero;
        }
    }
}

namespace Unity.Collections.LowLevel.Unsafe
{
    public static unsafe class NativeArrayUnsafeUtility
    {
        public static void* GetUnsafePtr<T>(NativeArray<T> array) where T : struct => (void*)array.Memory;
    }
}

namespace Unity.Jobs
{
    public interface IJobParallelFor
    {
        void Execute(int index);
    }

    public struct JobHandle
    {
        internal Task Task;

        public void Complete() => Task.Wait();
    }

    public static class IJobParallelForExtensions
    {
        public static JobHandle Schedule<T>(this T job, int count, int batch) where T : struct, IJobParallelFor =>
            new JobHandle { Task = Task.Run(() => Parallel.For(0, count, job.Execute)) };
    }
}
