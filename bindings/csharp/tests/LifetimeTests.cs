// What ends when. SPDX: MIT OR Apache-2.0
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace Radam.Tests
{
    internal static class LifetimeTests
    {
        internal const int Large = 1 << 21;

        /// <summary>How many threads the library runs in this process; it names them.</summary>
        private static int LibraryThreads()
        {
            int count = 0;
            foreach (string thread in Directory.GetDirectories("/proc/self/task"))
            {
                try
                {
                    count += File.ReadAllText(thread + "/comm").Trim() == "radam" ? 1 : 0;
                }
                catch (IOException) // it has ended meanwhile
                {
                }
            }
            return count;
        }

        /// <summary>A thread names itself when it has started, and may be listed for a moment when it has ended.</summary>
        internal static void ExpectThreads(int right, string when)
        {
            for (int wait = 0; wait < 2000 && LibraryThreads() != right; wait++)
                Thread.Sleep(1);
            Check.Same(right, LibraryThreads(), $"threads {when}");
        }

        internal static long ResidentMegabytes()
        {
            string line = File.ReadLines("/proc/self/status").First(text => text.StartsWith("VmRSS:"));
            return long.Parse(line.Split(new[] { ' ', '\t' }, StringSplitOptions.RemoveEmptyEntries)[1]) / 1024;
        }

        /// <summary>Runs code on a thread of its own, so that nothing of it stays on the stack, and collects.</summary>
        private static void RunAndCollect(Action action)
        {
            var thread = new Thread(() => action());
            thread.Start();
            thread.Join();
            for (int i = 0; i < 3; i++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }

        internal static Optimizer WithThreads(OptimizerOptions options = null)
        {
            var optimizer = new Optimizer(options ?? new OptimizerOptions { NumThreads = 3 });
            optimizer.AddParam(optimizer.AddGroup(Make.Options()), new float[Large], new float[Large]);
            optimizer.Step();
            return optimizer;
        }

        [Test]
        private static void Dispose_ends_the_threads()
        {
            ExpectThreads(0, "before");
            using (WithThreads())
                ExpectThreads(2, "of an optimizer");
            ExpectThreads(0, "after it");
        }

        [Test]
        private static void a_forgotten_optimizer_is_freed()
        {
            RunAndCollect(() =>
            {
                Optimizer forgotten = WithThreads();
                ExpectThreads(2, "of an optimizer");
                GC.KeepAlive(forgotten);
            });
            ExpectThreads(0, "after it");
        }

        /// <summary>Many arrays, of which the stack can keep alive at most a few by chance.</summary>
        private static int Alive(List<WeakReference> arrays) => arrays.Count(array => array.IsAlive);

        [Test]
        private static void a_forgotten_optimizer_unpins_its_arrays_even_with_an_executor()
        {
            var arrays = new List<WeakReference>();
            RunAndCollect(() =>
            {
                for (int i = 0; i < 50; i++)
                {
                    Optimizer self = null;
                    self = new Optimizer(new OptimizerOptions { Executor = (count, body) => GC.KeepAlive(self) });
                    var data = new float[1000];
                    self.AddParam(self.AddGroup(Make.Options()), data, new float[1000]);
                    arrays.Add(new WeakReference(data));
                }
            });
            Check.That(Alive(arrays) < 5, $"{Alive(arrays)} of 50 arrays are left");
        }

        [Test]
        private static void arrays_are_pinned_as_long_as_they_are_registered()
        {
            List<WeakReference> replaced = new List<WeakReference>(), kept = new List<WeakReference>(),
                                refused = new List<WeakReference>(), removed = new List<WeakReference>();
            using (var optimizer = new Optimizer())
            {
                RunAndCollect(() =>
                {
                    Func<List<WeakReference>, int, float[]> array = (list, length) =>
                    {
                        var made = new float[length];
                        list.Add(new WeakReference(made));
                        return made;
                    };
                    GroupId group = optimizer.AddGroup(Make.Options());
                    for (int i = 0; i < 50; i++)
                    {
                        ParamId param = optimizer.AddParam(group, array(kept, 10), array(replaced, 10));
                        optimizer.SetGrad(param, array(replaced, 10));
                        optimizer.SetTensors(param, null, new Tensor[] { array(kept, 10) });
                        optimizer.RemoveParam(optimizer.AddParam(group, array(removed, 10), array(removed, 10)));
                        Check.Throws<RadamException>(() => optimizer.AddParam(group, array(refused, 10), array(refused, 9)));
                        Check.Throws<RadamException>(() => optimizer.AddParam(group, array(refused, 10), Tensor.None, "param.0"));
                    }
                });
                Check.Same(100, Alive(kept), "registered arrays");
                foreach (List<WeakReference> gone in new[] { replaced, refused, removed })
                    Check.That(Alive(gone) < 10, $"{Alive(gone)} of {gone.Count} arrays are left");
            }
            RunAndCollect(() => { });
            Check.That(Alive(kept) < 10, $"{Alive(kept)} of 100 arrays are left after Dispose");
        }
    }

#if !NETCOREAPP2_1_OR_GREATER
    /// <summary>What Unity's editor does when scripts change: the AppDomain is unloaded, with all that is in it, and no
    /// Dispose.</summary>
    internal sealed class DomainReloadTests : MarshalByRefObject
    {
        private static readonly List<object> forgotten = new List<object>();

        [Test]
        private static void an_unloaded_domain_leaves_nothing()
        {
            float[] data = Make.Numbers(1000, 1), right = Make.Numbers(1000, 1), grad = Make.Numbers(1000, 2);
            using (Optimizer optimizer = Make.OneParam(data, grad), still = Make.OneParam(right, grad.ToArray()))
            {
                long before = LifetimeTests.ResidentMegabytes();
                for (int reload = 0; reload < 10; reload++)
                {
                    AppDomain domain = AppDomain.CreateDomain($"reload {reload}");
                    var inside = (DomainReloadTests)domain.CreateInstanceAndUnwrap(
                        typeof(DomainReloadTests).Assembly.FullName, typeof(DomainReloadTests).FullName);
                    inside.Play();
                    LifetimeTests.ExpectThreads(4, "of two optimizers");
                    AppDomain.Unload(domain);
                    LifetimeTests.ExpectThreads(0, "after unloading");
                    optimizer.Step();
                    still.Step();
                }
                Check.SameArrays(right, data, "an optimizer of the outer domain");
                // State and arrays take 100 MB in each domain.
                long grown = LifetimeTests.ResidentMegabytes() - before;
                Check.That(grown < 500, $"{grown} MB are left after ten domains");
            }
        }

        private void Play()
        {
            forgotten.Add(LifetimeTests.WithThreads());
            Optimizer open = LifetimeTests.WithThreads();
            SlicedStep step = open.BeginStep();
            step.Chunk(step.NextWave() - 1);
            forgotten.Add(step);
            forgotten.Add(LifetimeTests.WithThreads(new OptimizerOptions
            {
                Executor = (count, body) => Parallel.For(0, count, body), ParallelFrom = 1000,
            }));
        }

        [Test]
        private static void an_exception_crosses_domains()
        {
            AppDomain domain = AppDomain.CreateDomain("with an error");
            var inside = (DomainReloadTests)domain.CreateInstanceAndUnwrap(
                typeof(DomainReloadTests).Assembly.FullName, typeof(DomainReloadTests).FullName);
            Check.Fails(Status.InvalidArgument, "lr is NaN", inside.Fail);
            AppDomain.Unload(domain);
        }

        private void Fail() => new Optimizer().AddGroup(new GroupOptions());
    }
#endif
}
