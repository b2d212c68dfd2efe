// What src/unity has, on stand-ins. SPDX: MIT OR Apache-2.0
#if UNITY_5_3_OR_NEWER
using System.Runtime.InteropServices;
using Unity.Collections;

namespace Radam.Tests
{
    internal static class UnityTests
    {
        private const int Count = 100000;

        private static NativeArray<float> Native(float[] numbers)
        {
            var array = new NativeArray<float>(numbers.Length, Allocator.Persistent);
            Marshal.Copy(numbers, 0, ((Tensor)array).Address, numbers.Length);
            return array;
        }

        private static float[] Managed(NativeArray<float> array)
        {
            var numbers = new float[array.Length];
            Marshal.Copy(((Tensor)array).Address, numbers, 0, array.Length);
            return numbers;
        }

        [Test]
        private static void native_arrays_step_like_arrays()
        {
            float[] right = Make.Numbers(Count, 1), grad = Make.Numbers(Count, 2);
            using (NativeArray<float> data = Native(right), lent = Native(right), nativeGrad = Native(grad))
            using (Optimizer optimizer = new Optimizer(), still = Make.OneParam(right, grad))
            {
                optimizer.AddParam(optimizer.AddGroup(Make.Options()), data, nativeGrad);
                ParamId other = optimizer.AddParam(optimizer.AddGroup(Make.Release()), Dtype.F32, Count);
                for (int i = 0; i < 5; i++)
                {
                    using (SlicedStep step = optimizer.BeginStep())
                    {
                        for (long chunks; (chunks = step.NextWave()) > 0;)
                            step.RunWave(chunks);
                        step.End();
                    }
                    optimizer.StepTensor(other, lent, nativeGrad);
                    still.Step();
                }
                Check.SameArrays(right, Managed(data), "registered, chunks in jobs");
                Check.SameArrays(right, Managed(lent), "lent");
                Check.That(((Tensor)default(NativeArray<float>)).IsNone, "one that was not created");
            }
        }
    }
}
#endif
