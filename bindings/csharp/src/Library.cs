// The shared library, and texts that it gives. SPDX: MIT OR Apache-2.0
using System;
using System.Text;

namespace Radam
{
    internal static unsafe partial class Native
    {
#if (UNITY_IOS || UNITY_WEBGL) && !UNITY_EDITOR
        internal const string Library = "__Internal"; // linked into the player
#else
        internal const string Library = "radam"; // libradam.so, libradam.dylib, radam.dll
#endif
    }

    /// <summary>The library that is loaded.</summary>
    public static unsafe class Library
    {
        private static volatile bool isChecked;

        /// <summary>Its version, such as "1.2.3".</summary>
        public static string Version => Texts.At(Native.radam_version_string());

        /// <summary>Throws unless the library and the runtime lay out structs as this code does.</summary>
        internal static void Check()
        {
            if (isChecked)
                return;
            uint version = LoadedVersion();
            uint major = version / 1000000, minor = version / 1000 % 1000;
            if (major != Native.Major || minor != Native.Minor)
                throw new RadamException(Status.Mismatch,
                    $"the loaded radam library has version {Version}; this binding is for {Native.Major}.{Native.Minor}");
            if (IntPtr.Size != 8)
                throw new RadamException(Status.Mismatch,
                    $"pointers of this process have {IntPtr.Size} bytes; this binding is for 64-bit processes");
            Layouts.Check();
            isChecked = true;
        }

        /// <summary>The first call of the library, which loads it.</summary>
        private static uint LoadedVersion()
        {
            try
            {
                return Native.radam_version();
            }
            catch (DllNotFoundException exception)
            {
                throw new DllNotFoundException("the radam library was not found: libradam.so, libradam.dylib or radam.dll " +
                    "must be beside the program, or where the system looks (on Linux, LD_LIBRARY_PATH names more folders)",
                    exception);
            }
        }
    }

    /// <summary>Text is UTF-8 in C.</summary>
    internal static unsafe class Texts
    {
        /// <summary>A function that copies a text to a buffer and returns its size, the NUL included.</summary>
        internal delegate ulong Copier(byte* buffer, ulong capacity);

        internal static string At(byte* text)
        {
            int length = 0;
            while (text[length] != 0)
                length++;
            return Encoding.UTF8.GetString(text, length);
        }

        /// <summary>The whole text, which may change while it is copied.</summary>
        internal static string Copied(Copier copy)
        {
            var buffer = new byte[256];
            while (true)
            {
                fixed (byte* at = buffer)
                {
                    ulong size = copy(at, (ulong)buffer.Length);
                    if (size <= (ulong)buffer.Length)
                        return At(at);
                    buffer = new byte[size];
                }
            }
        }

        /// <summary>The bytes of a string that must not be null.</summary>
        internal static byte[] Required(string text, string argument)
        {
            RadamException.CheckNotNull(text, argument);
            return Bytes(text, argument);
        }

        /// <summary>The bytes of a string with a NUL at the end; null for null.</summary>
        internal static byte[] Bytes(string text, string argument)
        {
            if (text == null)
                return null;
            if (text.IndexOf('\0') >= 0)
                throw new RadamException(Status.InvalidArgument,
                    $"{argument} has a NUL character at index {text.IndexOf('\0')}; C strings cannot contain one");
            return Encoding.UTF8.GetBytes(text + '\0');
        }
    }

    internal static class Toggles
    {
        internal static bool? Get(Toggle toggle) => toggle == Toggle.Auto ? (bool?)null : toggle == Toggle.On;

        internal static Toggle Set(bool? value) =>
            value == null ? Toggle.Auto : value.Value ? Toggle.On : Toggle.Off;
    }
}
