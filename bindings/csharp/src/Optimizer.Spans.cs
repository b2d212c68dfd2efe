// Spans, where the runtime has them. SPDX: MIT OR Apache-2.0
#if NETSTANDARD2_1_OR_GREATER || NETCOREAPP2_1_OR_GREATER || (UNITY_2021_2_OR_NEWER && !NET_4_6)
using System;
using System.Runtime.InteropServices;

namespace Radam
{
    public sealed unsafe partial class Optimizer
    {
        /// <summary>Updates one parameter of a group with GradientRelease, whose elements are registered.</summary>
        public void StepParam<TGrad>(ParamId param, ReadOnlySpan<TGrad> grad) where TGrad : struct
        {
            fixed (byte* at = MemoryMarshal.AsBytes(grad))
                StepParam(param, Spans.Tensor<TGrad>(at, grad.Length));
        }

        /// <summary>Updates one parameter of a group with GradientRelease in spans of its length, and keeps nothing of
        /// them.</summary>
        public void StepTensor<TData, TGrad>(ParamId param, Span<TData> data, ReadOnlySpan<TGrad> grad)
            where TData : struct where TGrad : struct
        {
            fixed (byte* dataAt = MemoryMarshal.AsBytes(data), gradAt = MemoryMarshal.AsBytes(grad))
                StepTensor(param, Spans.Tensor<TData>(dataAt, data.Length), Spans.Tensor<TGrad>(gradAt, grad.Length));
        }

        /// <summary>The same with options; ZeroGrad writes to grad.</summary>
        public void StepTensor<TData, TGrad>(ParamId param, Span<TData> data, Span<TGrad> grad, StepOptions options)
            where TData : struct where TGrad : struct
        {
            fixed (byte* dataAt = MemoryMarshal.AsBytes(data), gradAt = MemoryMarshal.AsBytes(grad))
                StepTensor(param, Spans.Tensor<TData>(dataAt, data.Length), Spans.Tensor<TGrad>(gradAt, grad.Length),
                           options);
        }

        /// <summary>The same with a report.</summary>
        public void StepTensor<TData, TGrad>(ParamId param, Span<TData> data, Span<TGrad> grad, StepOptions options,
                                             out StepReport report)
            where TData : struct where TGrad : struct
        {
            fixed (byte* dataAt = MemoryMarshal.AsBytes(data), gradAt = MemoryMarshal.AsBytes(grad))
                StepTensor(param, Spans.Tensor<TData>(dataAt, data.Length), Spans.Tensor<TGrad>(gradAt, grad.Length),
                           options, out report);
        }
    }

    public sealed unsafe partial class GradSums
    {
        /// <summary>Adds a gradient, which is taken to be a whole tensor.</summary>
        public void Add<T>(ReadOnlySpan<T> grad) where T : struct
        {
            fixed (byte* at = MemoryMarshal.AsBytes(grad))
                Add(Spans.Tensor<T>(at, grad.Length));
        }
    }

    internal static unsafe class Spans
    {
        // Null would mean no array. It stands for one without elements.
        private const int Aligned = 8;

        internal static Tensor Tensor<T>(byte* at, int length) where T : struct =>
            new Tensor((IntPtr)(at == null ? (byte*)Aligned : at), length, Elements.DtypeOf<T>());
    }
}
#endif
