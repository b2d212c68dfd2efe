// Arrays, as they are passed to calls. SPDX: MIT OR Apache-2.0
using System;
using System.Runtime.InteropServices;

namespace Radam
{
    /// <summary>A flat array of float, double, Float16 or BFloat16: managed, or at an address. Arrays convert to it. The
    /// default is no array. A managed array is pinned while the library may use it; one at an address must stay where it
    /// is as long as that.</summary>
    public readonly unsafe partial struct Tensor
    {
        internal readonly Array Array;
        internal readonly long Start;
        private readonly void* address;

        /// <summary>No array.</summary>
        public static Tensor None => default(Tensor);
        /// <summary>The type of the elements; Default if there is no array, and for the integers of state.</summary>
        public Dtype Dtype => Element < 0 ? Dtype.Default : Element;
        /// <summary>The same, with integers as Elements has them.</summary>
        internal Dtype Element { get; }
        /// <summary>The number of elements.</summary>
        public long Length { get; }
        /// <summary>Where the elements are; zero for a managed array.</summary>
        public IntPtr Address => (IntPtr)address;
        /// <summary>Whether there is no array.</summary>
        public bool IsNone => Array == null && address == null;

        private Tensor(Array array, long start, long length, Dtype element)
        {
            Array = array;
            Start = start;
            Length = length;
            Element = element;
            address = null;
        }

        /// <summary>An array outside of managed memory.</summary>
        public Tensor(IntPtr address, long length, Dtype dtype)
        {
            if (length < 0)
                throw new RadamException(Status.InvalidArgument, $"length is {length}; it must not be negative");
            if (dtype == Dtype.Q8)
                throw new RadamException(Status.InvalidArgument, "dtype is " + Elements.OnlyOfState);
            Array = null;
            Start = 0;
            Length = length;
            Element = dtype;
            this.address = (void*)address;
        }

        /// <summary>length floats at data.</summary>
        public Tensor(float* data, long length) : this((IntPtr)data, length, Dtype.F32) { }
        /// <summary>length doubles at data.</summary>
        public Tensor(double* data, long length) : this((IntPtr)data, length, Dtype.F64) { }
        /// <summary>length elements at data.</summary>
        public Tensor(Float16* data, long length) : this((IntPtr)data, length, Dtype.F16) { }
        /// <summary>length elements at data.</summary>
        public Tensor(BFloat16* data, long length) : this((IntPtr)data, length, Dtype.Bf16) { }

        /// <summary>A managed array of one of the four types, of System.Half, or of what state may be of besides: short
        /// (MasterRemainder); and sbyte, byte and uint (Dtype.Q8). null is no array.</summary>
        public static Tensor Of<T>(T[] array) where T : struct =>
            array == null ? None : new Tensor(array, 0, array.LongLength, Elements.DtypeOf<T>());

        /// <summary>A part of a managed array.</summary>
        public static Tensor Of<T>(ArraySegment<T> part) where T : struct =>
            part.Array == null ? None : new Tensor(part.Array, part.Offset, part.Count, Elements.DtypeOf<T>());

        /// <summary>The array.</summary>
        public static implicit operator Tensor(float[] array) => Of(array);
        /// <summary>The array.</summary>
        public static implicit operator Tensor(double[] array) => Of(array);
        /// <summary>The array.</summary>
        public static implicit operator Tensor(Float16[] array) => Of(array);
        /// <summary>The array.</summary>
        public static implicit operator Tensor(BFloat16[] array) => Of(array);

        internal Pinned Pin() => new Pinned(this, address);
    }

    /// <summary>A tensor that stays where it is until Free.</summary>
    internal unsafe struct Pinned
    {
        private GCHandle pin;
        internal readonly void* Address;

        internal Pinned(in Tensor tensor, void* address)
        {
            pin = default(GCHandle);
            Address = address;
            if (tensor.Array == null)
                return;
            pin = GCHandle.Alloc(tensor.Array, GCHandleType.Pinned);
            Address = (byte*)pin.AddrOfPinnedObject() + tensor.Start * Elements.Size(tensor.Element);
        }

        internal void Free()
        {
            if (pin.IsAllocated)
                pin.Free();
        }
    }

    internal static class Elements
    {
        // What state of 8 bits is made of, for which the C API has no dtypes.
        internal const Dtype SByte = (Dtype)(-1), Byte = (Dtype)(-2), UInt = (Dtype)(-3);

        internal const string OnlyOfState = "Q8, which is for StateDtype only; it must be F32, F64, F16 or Bf16";

        internal static Dtype DtypeOf<T>() where T : struct
        {
            Type type = typeof(T);
            if (type == typeof(float))
                return Dtype.F32;
            if (type == typeof(double))
                return Dtype.F64;
            if (type == typeof(Float16))
                return Dtype.F16;
            if (type == typeof(BFloat16))
                return Dtype.Bf16;
            if (type == typeof(short))
                return Dtype.Default; // the C API has no dtype for remainders
            if (type == typeof(sbyte))
                return SByte;
            if (type == typeof(byte))
                return Byte;
            if (type == typeof(uint))
                return UInt;
#if NET5_0_OR_GREATER
            if (type == typeof(Half))
                return Dtype.F16;
#endif
            throw new RadamException(Status.InvalidArgument,
                $"the elements are of type {type}; they must be of type float, double, Float16 or BFloat16");
        }

        internal static int Size(Dtype element)
        {
            switch (element)
            {
                case Dtype.F64:
                    return 8;
                case Dtype.F32:
                case UInt:
                    return 4;
                case SByte:
                case Byte:
                    return 1;
                default:
                    return 2;
            }
        }

        internal static string Name(Dtype element)
        {
            switch (element)
            {
                case Dtype.Default:
                    return "short";
                case SByte:
                    return "sbyte";
                case Byte:
                    return "byte";
                case UInt:
                    return "uint";
                default:
                    return element.ToString().ToLowerInvariant();
            }
        }

        /// <summary>What an array of state is made of which the library says is of this dtype.</summary>
        internal static Dtype OfState(State which, Dtype dtype)
        {
            if (which == State.StateScale)
                return UInt;
            if (dtype == Dtype.Q8)
                return which == State.ExpAvg ? SByte : Byte;
            return dtype;
        }

        /// <summary>How many of them there are, for a parameter of this length.</summary>
        internal static long LengthOfState(State which, long length) =>
            which == State.StateScale ? (length + 127) / 128 : length;
    }
}
