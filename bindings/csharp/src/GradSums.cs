// What is known of many gradients. SPDX: MIT OR Apache-2.0
using System;
using static Radam.RadamException;

namespace Radam
{
    /// <summary>The exact sum of squares of any number of gradients: of several tensors that are stepped one by one, or of
    /// several processes, which add up the words as 64-bit integers. Not for several threads at the same time.</summary>
    public sealed unsafe partial class GradSums
    {
        internal const int WordCount = 72;
        internal radam_grad_sums Raw;

        /// <summary>The sum of nothing.</summary>
        public GradSums()
        {
            Library.Check();
            Clear();
        }

        /// <summary>Makes it the sum of nothing again.</summary>
        public void Clear()
        {
            fixed (radam_grad_sums* raw = &Raw)
                Check(Native.radam_grad_sums_init(raw, (uint)sizeof(radam_grad_sums)));
        }

        /// <summary>Adds a gradient, which is taken to be a whole tensor.</summary>
        public void Add(Tensor grad)
        {
            if (grad.IsNone)
                throw new RadamException(Status.NullPointer, "grad is none; it must be an array");
            Pinned pinned = grad.Pin();
            try
            {
                fixed (radam_grad_sums* raw = &Raw)
                    Check(
                        Native.radam_measure_tensor(grad.Dtype, pinned.Address, (ulong)grad.Length, raw));
            }
            finally
            {
                pinned.Free();
            }
        }

        /// <summary>Adds what another has summed.</summary>
        public void Add(GradSums other)
        {
            CheckNotNull(other, nameof(other));
            long[] ours = Words, theirs = other.Words;
            for (int i = 0; i < WordCount; i++)
                ours[i] = unchecked(ours[i] + theirs[i]);
            Words = ours;
        }

        /// <summary>A copy of the 72 words. Processes add theirs up word by word, and set the result.</summary>
        public long[] Words
        {
            get
            {
                var words = new long[WordCount];
                fixed (radam_grad_sums* raw = &Raw)
                {
                    for (int i = 0; i < WordCount; i++)
                        words[i] = raw->words[i];
                }
                return words;
            }
            set
            {
                CheckNotNull(value, nameof(value));
                if (value.Length != WordCount)
                    throw new RadamException(Status.InvalidArgument,
                        $"Words is set to {value.Length} words; there must be {WordCount}");
                fixed (radam_grad_sums* raw = &Raw)
                {
                    for (int i = 0; i < WordCount; i++)
                        raw->words[i] = value[i];
                }
            }
        }

        /// <summary>The L2 norm; NaN if an element is NaN.</summary>
        public double Norm
        {
            get
            {
                double norm;
                fixed (radam_grad_sums* raw = &Raw)
                    Check(Native.radam_grad_sums_value(raw, &norm, null));
                return norm;
            }
        }

        /// <summary>How many elements are infinite or NaN.</summary>
        public long Nonfinite
        {
            get
            {
                ulong nonfinite;
                fixed (radam_grad_sums* raw = &Raw)
                    Check(Native.radam_grad_sums_value(raw, null, &nonfinite));
                return (long)nonfinite;
            }
        }
    }
}
