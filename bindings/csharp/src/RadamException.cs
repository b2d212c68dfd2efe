// Errors. SPDX: MIT OR Apache-2.0
using System;

namespace Radam
{
    /// <summary>A call that failed, and changed nothing: why, as a status and as a sentence.</summary>
    [Serializable]
    public sealed unsafe class RadamException : Exception
    {
        /// <summary>What kind of failure it is.</summary>
        public Status Status { get; }

        internal RadamException(Status status, string sentence) : base(sentence)
        {
            Status = status;
        }

#if !NETCOREAPP2_1_OR_GREATER // which has one AppDomain only
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
#endif

        /// <summary>The name of the status and the sentence.</summary>
        public override string ToString() => $"{Texts.At(Native.radam_status_string(Status))}: {base.ToString()}";

        /// <summary>Throws unless a call, which must be the last one on this thread, has succeeded: what a callback has
        /// thrown, or the library's sentence.</summary>
        internal static void Check(Status status)
        {
            Thrown.Rethrow();
            if (status != Status.Ok)
                throw new RadamException(status, Sentences.InCSharp(LastError()));
        }

        /// <summary>Throws for null, from which Mono would copy a struct at a wrong address.</summary>
        internal static void CheckNotNull<T>(T argument, string name) where T : class
        {
            if (argument == null)
                throw new ArgumentNullException(name, $"{name} is null; it must be of type {typeof(T).Name}");
        }

        // The thread's last sentence is that of this call, even if other threads call the same optimizer.
        private static string LastError() =>
            Texts.Copied((buffer, capacity) => Native.radam_last_error(IntPtr.Zero, buffer, capacity));
    }
}
