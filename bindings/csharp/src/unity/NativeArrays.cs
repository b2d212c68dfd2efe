// Unity's arrays and jobs. SPDX: MIT OR Apache-2.0
#if UNITY_5_3_OR_NEWER
using System.Runtime.InteropServices;
using Unity.Collections;
using Unity.Collections.LowLevel.Unsafe;
using Unity.Jobs;

namespace Radam
{
    public readonly unsafe partial struct Tensor
    {
        /// <summary>The array, which must not be disposed as long as it is registered.</summary>
        public static implicit operator Tensor(NativeArray<float> array) => Of(array);
        /// <summary>The array, which must not be disposed as long as it is registered.</summary>
        public static implicit operator Tensor(NativeArray<double> array) => Of(array);
        /// <summary>The array, which must not be disposed as long as it is registered.</summary>
        public static implicit operator Tensor(NativeArray<Float16> array) => Of(array);
        /// <summary>The array, which must not be disposed as long as it is registered.</summary>
        public static implicit operator Tensor(NativeArray<BFloat16> array) => Of(array);

        /// <summary>A native array, or a slice of one made by GetSubArray.</summary>
        public static Tensor Of<T>(NativeArray<T> array) where T : struct =>
            array.IsCreated
                ? new Tensor((System.IntPtr)NativeArrayUnsafeUtility.GetUnsafePtr(array), array.Length,
                             Elements.DtypeOf<T>())
                : default(Tensor);
    }

    public sealed partial class SlicedStep
    {
        /// <summary>The chunks of a wave on Unity's worker threads. Returns when they are done.</summary>
        public void RunWave(long chunks)
        {
            GCHandle self = GCHandle.Alloc(this);
            try
            {
                new ChunkJob { Step = self }.Schedule((int)chunks, 1).Complete();
            }
            finally
            {
                self.Free();
            }
        }

        /// <summary>Not for Burst, since it calls managed code.</summary>
        private struct ChunkJob : IJobParallelFor
        {
            internal GCHandle Step;

            public void Execute(int index) => ((SlicedStep)Step.Target).Chunk(index);
        }
    }
}
#endif
