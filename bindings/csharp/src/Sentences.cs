// The library's sentences. SPDX: MIT OR Apache-2.0
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;

namespace Radam
{
    /// <summary>The library's sentences name things as C does.</summary>
    internal static class Sentences
    {
        // What is quoted is the caller's own, whatever it looks like.
        private static readonly Regex names = new Regex("\"[^\"]*\"|RADAM_(DTYPE|STATE)_\\w+( \\(\\d\\))?|" +
            "->|\\b(NULL|opt|len)\\b|\\b[a-z]\\w*_\\w+|(?<=params\\[\\d+\\]\\.)\\w+");

        /// <summary>Names that differ from those of C by more than their case.</summary>
        private static readonly Dictionary<string, string> others = new Dictionary<string, string>
        {
            { "->", "." }, { "first_param", "first" }, { "NULL", "null" }, { "opt", "the optimizer" }, { "len", "Length" }, { "radam_step_begin", "BeginStep" },
            { "radam_step_wave", "NextWave" }, { "radam_step_chunk", "Chunk" }, { "radam_step_end", "End" },
            { "radam_step_abort", "Abort" }, { "RADAM_STATE_SCALE", "State.StateScale" },
        };

        internal static string InCSharp(string sentence) => names.Replace(sentence, match => InCSharp(match));

        private static string InCSharp(Match match)
        {
            string name = match.Value, other;
            if (name[0] == '"')
                return name;
            if (others.TryGetValue(name.Split(' ')[0], out other))
                return other;
            if (match.Groups[1].Success) // RADAM_STATE_EXP_AVG (1)
                return $"{Pascal(match.Groups[1].Value)}.{Pascal(name.Split(' ')[0].Substring("RADAM_DTYPE_".Length))}";
            return Pascal(name.StartsWith("radam_") ? name.Substring("radam_".Length) : name);
        }

        private static string Pascal(string name) =>
            string.Concat(name.ToLowerInvariant().Split('_').Select(word => char.ToUpperInvariant(word[0]) + word.Substring(1)));
    }
}
