// The tests: a program that fails if a test does. SPDX: MIT OR Apache-2.0
using System;
using System.Diagnostics;
using System.Linq;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Radam.Tests
{
    /// <summary>A method that is a test.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class TestAttribute : Attribute { }

    internal static class Program
    {
        private static int Main(string[] words)
        {
            int failed = 0, passed = 0;
            var tests = from type in typeof(Program).Assembly.GetTypes()
                        from method in type.GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)
                        where method.GetCustomAttributes(typeof(TestAttribute), false).Any()
                        where words.Length == 0 || words.Any(word => $"{type.Name}.{method.Name}".Contains(word))
                        select method;
            foreach (MethodInfo test in tests)
            {
                var watch = Stopwatch.StartNew();
                try
                {
                    ((Action)Delegate.CreateDelegate(typeof(Action), test))();
                    passed++;
                    Console.WriteLine($"ok    {test.DeclaringType.Name}.{test.Name} ({watch.ElapsedMilliseconds} ms)");
                }
                catch (Exception exception)
                {
                    failed++;
                    Console.WriteLine($"FAIL  {test.DeclaringType.Name}.{test.Name}: {exception}");
                }
            }
            Console.WriteLine($"{passed} passed, {failed} failed");
            return failed == 0 && passed > 0 ? 0 : 1;
        }
    }

    internal static class Check
    {
        internal static void That(bool holds, string what)
        {
            if (!holds)
                throw new Exception(what);
        }

        internal static void Same<T>(T right, T found, string what = "")
        {
            if (!Equals(right, found))
                throw new Exception($"{what}: {found} instead of {right}");
        }

        internal static void SameArrays<T>(T[] right, T[] found, string what = "")
        {
            Same(right.Length, found.Length, what);
            for (int i = 0; i < right.Length; i++)
            {
                if (!right[i].Equals(found[i]))
                    Same(right[i], found[i], $"{what}[{i}]");
            }
        }

        internal static void Near(double right, double found, double tolerance, string what = "")
        {
            That(Math.Abs(found - right) <= tolerance, $"{what}: {found:R} instead of {right:R}");
        }

        internal static T Throws<T>(Action call) where T : Exception
        {
            try
            {
                call();
            }
            catch (T exception)
            {
                return exception;
            }
            throw new Exception($"no {typeof(T).Name} was thrown");
        }

        /// <summary>That a call fails with this status, and a sentence that has these words and, apart from quotes, no names
        /// of C.</summary>
        internal static void Fails(Status status, string words, Action call)
        {
            RadamException thrown = Throws<RadamException>(call);
            Same(status, thrown.Status, thrown.Message);
            That(thrown.Message.Contains(words), $"no \"{words}\" in: {thrown.Message}");
            string unquoted = Regex.Replace(thrown.Message, "\"[^\"]*\"", "");
            That(!Regex.IsMatch(unquoted, @"\w_\w|NULL|->|FirstParam|\bopt\b|\blen\b"), $"names of C in: {thrown.Message}");
        }
    }

    internal static class Make
    {
        /// <summary>Numbers between -1 and 1, the same in every run.</summary>
        internal static float[] Numbers(int count, int seed)
        {
            var random = new Random(seed);
            var numbers = new float[count];
            for (int i = 0; i < count; i++)
                numbers[i] = (float)(2 * random.NextDouble() - 1);
            return numbers;
        }

        internal static GroupOptions Options(double lr = 0.01) => new GroupOptions { Lr = lr };

        internal static GroupOptions Release(double lr = 0.01) => new GroupOptions { Lr = lr, GradientRelease = true };

        /// <summary>An optimizer on the calling thread with one registered parameter.</summary>
        internal static Optimizer OneParam(float[] data, float[] grad, string name = "weight")
        {
            var optimizer = new Optimizer(new OptimizerOptions { NumThreads = 1 });
            optimizer.AddParam(optimizer.AddGroup(Options()), data, grad, name);
            return optimizer;
        }
    }
}
