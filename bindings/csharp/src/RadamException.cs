// Errors. SPDX: MIT OR Apache-2.0
using System;

namespace Radam
{
    /// <summary>A call that failed, and changed nothing: why, as a status and as a sentence.</summary>
    [Serializable]
    public sealed unsafe class RadamException : Exception
    {
        // The library keeps this much of a thread's last sentence, the NUL included.
        private const int ThreadCapacity = 2048;

        /// <summary>What kind of failure it is.</summary>
        public Status Status { get; }

        internal RadamException(Status status, string sentence) : base(sentence)
        {
            Status = status;
        }

        private RadamException(System.Runtime.Serialization.SerializationInfo info,
                               System.Runtime.Serialization.StreamingContext context) : base(info, context)
        {
            Status = (Status)info.GetInt32(nameof(Status));
        }

        /// <summary>For exceptions that cross from one AppDomain to another.</summary>
        public override void GetObjectData(System.Runtime.Serialization.SerializationInfo info,
                                           System.Runtime.Serialization.StreamingContext context)
        {
            base.GetObjectData(info, context);
            info.AddValue(nameof(Status), (int)Status);
        }

        /// <summary>The name of the status and the sentence.</summary>
        public override string ToString() => $"{Texts.At(Native.radam_status_string(Status))}: {base.ToString()}";

        /// <summary>Throws unless a call, which must be the last one on this thread, has succeeded.</summary>
        internal static void Check(Status status)
        {
            if (status != Status.Ok)
                throw new RadamException(status, LastError(IntPtr.Zero));
        }

        /// <summary>The same for a call on an optimizer, whose sentence is kept whole. A thread's own is that of this call
        /// even if other threads call the optimizer too.</summary>
        internal static void Check(Status status, OptimizerHandle opt)
        {
            if (status == Status.Ok)
                return;
            string sentence = LastError(IntPtr.Zero);
            if (System.Text.Encoding.UTF8.GetByteCount(sentence) >= ThreadCapacity - 4)
                sentence = WholeSentence(sentence, opt);
            throw new RadamException(status, sentence);
        }

        private static string WholeSentence(string beginning, OptimizerHandle opt)
        {
            bool isHeld = false;
            try
            {
                opt.DangerousAddRef(ref isHeld);
                string whole = LastError(opt.DangerousGetHandle());
                return whole.StartsWith(beginning, StringComparison.Ordinal) ? whole : beginning;
            }
            finally
            {
                if (isHeld)
                    opt.DangerousRelease();
            }
        }

        private static string LastError(IntPtr opt) =>
            Texts.Copied((buffer, capacity) => Native.radam_last_error(opt, buffer, capacity));
    }
}
