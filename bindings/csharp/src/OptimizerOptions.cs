// Options that are not those of a group or a step. SPDX: MIT OR Apache-2.0
using System;
using System.Threading;

namespace Radam
{
    /// <summary>Options of an optimizer.</summary>
    public sealed class OptimizerOptions
    {
        /// <summary>The maximum number of threads that work on a step, the calling one included. 0, the default: one per
        /// core. 1: the library never starts a thread.</summary>
        public int NumThreads { get; set; }

        /// <summary>Runs parallel work on the caller's threads; then the library never starts one. If it throws, the
        /// library does the rest of the step, and then the call throws the same. Default: the library's own
        /// threads.</summary>
        public Executor Executor { get; set; }

        /// <summary>The number of elements from which a step runs on several threads. 0, the default: the library's
        /// choice.</summary>
        public long ParallelFrom { get; set; }
    }

    /// <summary>Options of saving.</summary>
    public class SaveOptions
    {
        /// <summary>Called with the bytes done and the total, after about every MiB, on the calling thread. If it throws,
        /// the call is cancelled and throws the same. It must not call the optimizer.</summary>
        public Action<long, long> Progress { get; set; }

        /// <summary>Cancels the call, which then throws OperationCanceledException.</summary>
        public CancellationToken Cancellation { get; set; }

        internal bool HasProgress => Progress != null || Cancellation.CanBeCanceled;
    }

    /// <summary>Options of loading. Progress counts the bytes that have been read and verified. A call that is cancelled
    /// changes nothing.</summary>
    public sealed class LoadOptions : SaveOptions
    {
        /// <summary>Whether the checkpoint must have exactly the parameters of the optimizer. null: true.</summary>
        public bool? Strict { get; set; }

        /// <summary>Whether options of groups, frozen parameters and accumulation are restored too. null: true.</summary>
        public bool? Hyperparameters { get; set; }

        /// <summary>Whether state is converted that the optimizer has in another StateDtype, such as Dtype.Q8. null:
        /// false.</summary>
        public bool? ConvertState { get; set; }
    }

    public sealed unsafe partial class StepOptions
    {
        /// <summary>What is known of all gradients, before GradScale: MaxGradNorm and SkipNonfinite use these sums, and the
        /// step measures nothing. null, the default: the step measures its own gradients if it needs to.</summary>
        public GradSums GradSums { get; set; }
    }

    /// <summary>The number of a group in its optimizer: 0, 1, 2, ... in the order of adding.</summary>
    public readonly struct GroupId : IEquatable<GroupId>
    {
        internal readonly uint Value;

        /// <summary>The group of this number.</summary>
        public GroupId(int value)
        {
            Value = (uint)value;
        }

        internal GroupId(uint value)
        {
            Value = value;
        }

        /// <summary>The number.</summary>
        public static explicit operator int(GroupId id) => (int)id.Value;
        /// <summary>Whether they are the same group.</summary>
        public bool Equals(GroupId other) => Value == other.Value;
        /// <summary>Whether they are the same group.</summary>
        public override bool Equals(object other) => other is GroupId && Equals((GroupId)other);
        /// <summary>Of the number.</summary>
        public override int GetHashCode() => (int)Value;
        /// <summary>The number.</summary>
        public override string ToString() => Value.ToString();
    }

    /// <summary>The number of a parameter in its optimizer: 0, 1, 2, ... in the order of adding, across groups.</summary>
    public readonly struct ParamId : IEquatable<ParamId>
    {
        internal readonly uint Value;

        /// <summary>The parameter of this number.</summary>
        public ParamId(int value)
        {
            Value = (uint)value;
        }

        internal ParamId(uint value)
        {
            Value = value;
        }

        /// <summary>The number.</summary>
        public static explicit operator int(ParamId id) => (int)id.Value;
        /// <summary>Whether they are the same parameter.</summary>
        public bool Equals(ParamId other) => Value == other.Value;
        /// <summary>Whether they are the same parameter.</summary>
        public override bool Equals(object other) => other is ParamId && Equals((ParamId)other);
        /// <summary>Of the number.</summary>
        public override int GetHashCode() => (int)Value;
        /// <summary>The number.</summary>
        public override string ToString() => Value.ToString();
    }
}
