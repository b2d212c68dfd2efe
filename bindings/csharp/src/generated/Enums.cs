// Generated from include/radam.h: `make bindings` writes it anew. SPDX: MIT OR Apache-2.0

namespace Radam
{
    /// <summary>The outcome of a call. A later version may add constants; treat an unknown one as a failure.</summary>
    public enum Status
    {
        /// <summary>The call succeeded.</summary>
        Ok = 0,
        /// <summary>A required pointer argument is null.</summary>
        NullPointer = 1,
        /// <summary>The optimizer handle is null, has been freed, or did not come from the constructor.</summary>
        InvalidHandle = 2,
        /// <summary>An argument has a value that is not allowed.</summary>
        InvalidArgument = 3,
        /// <summary>Another call is using the optimizer or the parameter, or a step is open; try again later.</summary>
        Busy = 4,
        /// <summary>The call does not apply to the optimizer in its present state.</summary>
        InvalidState = 5,
        /// <summary>There is not enough memory.</summary>
        OutOfMemory = 6,
        /// <summary>A file could not be read or written, or a progress callback cancelled the call.</summary>
        Io = 7,
        /// <summary>The checkpoint is damaged, or the file is not a checkpoint.</summary>
        Corrupt = 8,
        /// <summary>The checkpoint does not fit the optimizer, or has a format of a later version.</summary>
        Mismatch = 9,
        /// <summary>There is a bug in the library. From now on, the optimizer can only be freed.</summary>
        Panic = 10,
        /// <summary>There is no GPU or no driver, or the driver reported a failure, perhaps of an earlier call.</summary>
        Device = 11,
    }

    /// <summary>The type of the elements of an array, or 0 for the default of the field or argument. A later version
    /// may add constants.</summary>
    public enum Dtype
    {
        /// <summary>The default of the field or argument.</summary>
        Default = 0,
        /// <summary>IEEE 754 single precision: float.</summary>
        F32 = 1,
        /// <summary>IEEE 754 double precision: double.</summary>
        F64 = 2,
        /// <summary>IEEE 754 half precision.</summary>
        F16 = 3,
        /// <summary>bfloat16: the upper 16 bits of a float.</summary>
        Bf16 = 4,
        /// <summary>For StateDtype only: ExpAvg and ExpAvgSq in 8 bits each.</summary>
        Q8 = 5,
    }

    internal enum Toggle
    {
        /// <summary>Off.</summary>
        Off = 0,
        /// <summary>On.</summary>
        On = 1,
        /// <summary>The default, which the description of each option states.</summary>
        Auto = 2,
    }

    /// <summary>Where an optimizer and its arrays are. A later version may add constants.</summary>
    public enum Device
    {
        /// <summary>Memory of the process, stepped by its processors.</summary>
        Cpu = 0,
        /// <summary>Memory of an NVIDIA GPU, stepped there.</summary>
        Cuda = 1,
    }

    /// <summary>An array of a parameter's state. A later version may add constants.</summary>
    public enum State
    {
        /// <summary>The exponential moving average of gradients, debiased; in the dtype of the state. With 8-bit state
        /// (Dtype.Q8), sbyte codes.</summary>
        ExpAvg = 1,
        /// <summary>The exponential moving average of squared gradients, debiased; in the dtype of the state. With 8-bit
        /// state, byte codes.</summary>
        ExpAvgSq = 2,
        /// <summary>The compensation of Kahan summation (KahanSum); in the dtype of the state. With 8-bit state, in the
        /// dtype of the parameter.</summary>
        KahanComp = 3,
        /// <summary>The lower parts of the master weights (MasterRemainder); short, for which there is no Dtype.</summary>
        MasterRemainder = 4,
        /// <summary>What the codes of 8-bit state stand for: a uint for each block of 128 elements; docs/q8.md describes
        /// it. There is no Dtype for it.</summary>
        StateScale = 5,
    }
}
