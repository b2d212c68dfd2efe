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
        /// <summary>The type of the elements; Default if there is no array, and for short.</summary>
        public Dtype Dtype { get; }
        /// <summary>The number of elements.</summary>
        public long Length { get; }
        /// <summary>Where the elements are; zero for a managed array.</summary>
        public IntPtr Address => (IntPtr)address;
        /// <summary>Whether there is no array.</summary>
        public bool IsNone => Array == null && address == null;

        private Tensor(Array array, long start, long length, Dtype dtype)
        {
            Array = array;
            Start = start;
            Length = length;
            Dtype = dtype;
            address = null;
        }

        /// <summary>An array outside of managed memory.</summary>
        public Tensor(IntPtr address, long length, Dtype dtype)
        {
            if (length < 0)
                throw new RadamException(Status.InvalidArgument, $"length is {length}; it must not be negative");
            Array = null;
            Start = 0;
            Length = length;
            Dtype = dtype;
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

        /// <summary>A managed array of one of the four types, of System.Half, or of short for the state of MasterRemainder;
        /// null is no array.</summary>
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
            Address = (byte*)pin.AddrOfPinnedObject() + tensor.Start * Elements.Size(tensor.Dtype);
        }

        internal void Free()
        {
            if (pin.IsAllocated)
                pin.Free();
        }
    }

    internal static class Elements
    {
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
#if NET5_0_OR_GREATER
            if (type == typeof(Half))
                return Dtype.F16;
#endif
            throw new RadamException(Status.InvalidArgument,
                $"the elements are of type {type}; they must be of type float, double, Float16 or BFloat16");
        }

        internal static int Size(Dtype dtype) => dtype == Dtype.F64 ? 8 : dtype == Dtype.F32 ? 4 : 2;

        internal static string Name(Dtype dtype) => dtype == Dtype.Default ? "short" : dtype.ToString().ToLowerInvariant();
    }
}
