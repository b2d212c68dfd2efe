// The 16-bit elements. SPDX: MIT OR Apache-2.0
using System;
using System.Runtime.InteropServices;

namespace Radam
{
    /// <summary>IEEE 754 half precision. (System.Half has the same bits, but not every runtime has it.)</summary>
    [Serializable]
    [StructLayout(LayoutKind.Sequential)]
    public readonly struct Float16 : IEquatable<Float16>
    {
        /// <summary>Sign, 5 bits of exponent, 10 of fraction.</summary>
        public readonly ushort Bits;

        private Float16(ushort bits)
        {
            Bits = bits;
        }

        /// <summary>The number that has these bits.</summary>
        public static Float16 FromBits(ushort bits) => new Float16(bits);

        /// <summary>Rounds to nearest, ties to even.</summary>
        public static explicit operator Float16(float value)
        {
            uint bits = Floats.Bits(value);
            uint sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
            if (magnitude > 0x7F800000)
                return new Float16((ushort)(sign | 0x7E00)); // NaN
            if (magnitude >= 0x47800000)
                return new Float16((ushort)(sign | 0x7C00)); // 2^16 and more: infinite
            if (magnitude < 0x38800000)
            {
                // Below 2^-14, half precision counts multiples of 2^-24. Adding 0.5 rounds a float to such a multiple.
                float rounded = Floats.FromBits(magnitude) + 0.5f;
                return new Float16((ushort)(sign | (Floats.Bits(rounded) - Floats.Bits(0.5f))));
            }
            uint odd = magnitude >> 13 & 1;
            uint half = magnitude - (112u << 23) + 0xFFF + odd >> 13; // a carry goes to the exponent, up to infinity
            return new Float16((ushort)(sign | half));
        }

        /// <summary>Exact.</summary>
        public static implicit operator float(Float16 value)
        {
            uint sign = (uint)(value.Bits & 0x8000) << 16, magnitude = (uint)(value.Bits & 0x7FFF);
            if (magnitude >= 0x7C00)
                return Floats.FromBits(sign | 0x7F800000 | (magnitude & 0x3FF) << 13);
            if (magnitude < 0x400)
                return (sign == 0 ? 1 : -1) * (magnitude / 16777216f);
            return Floats.FromBits(sign | (magnitude << 13) + (112u << 23));
        }

        /// <summary>Whether the bits are the same.</summary>
        public bool Equals(Float16 other) => Bits == other.Bits;
        /// <summary>Whether the bits are the same.</summary>
        public override bool Equals(object other) => other is Float16 && Equals((Float16)other);
        /// <summary>Of the bits.</summary>
        public override int GetHashCode() => Bits;
        /// <summary>As a float.</summary>
        public override string ToString() => ((float)this).ToString();
    }

    /// <summary>bfloat16: the upper 16 bits of a float.</summary>
    [Serializable]
    [StructLayout(LayoutKind.Sequential)]
    public readonly struct BFloat16 : IEquatable<BFloat16>
    {
        /// <summary>Sign, 8 bits of exponent, 7 of fraction.</summary>
        public readonly ushort Bits;

        private BFloat16(ushort bits)
        {
            Bits = bits;
        }

        /// <summary>The number that has these bits.</summary>
        public static BFloat16 FromBits(ushort bits) => new BFloat16(bits);

        /// <summary>Rounds to nearest, ties to even.</summary>
        public static explicit operator BFloat16(float value)
        {
            uint bits = Floats.Bits(value);
            if (float.IsNaN(value))
                return new BFloat16((ushort)(bits >> 16 | 0x40)); // rounding could make NaN infinite
            return new BFloat16((ushort)(bits + 0x7FFF + (bits >> 16 & 1) >> 16));
        }

        /// <summary>Exact.</summary>
        public static implicit operator float(BFloat16 value) => Floats.FromBits((uint)value.Bits << 16);

        /// <summary>Whether the bits are the same.</summary>
        public bool Equals(BFloat16 other) => Bits == other.Bits;
        /// <summary>Whether the bits are the same.</summary>
        public override bool Equals(object other) => other is BFloat16 && Equals((BFloat16)other);
        /// <summary>Of the bits.</summary>
        public override int GetHashCode() => Bits;
        /// <summary>As a float.</summary>
        public override string ToString() => ((float)this).ToString();
    }

    internal static unsafe class Floats
    {
        internal static uint Bits(float value) => *(uint*)&value;

        internal static float FromBits(uint bits) => *(float*)&bits;
    }
}
