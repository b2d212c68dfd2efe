// Spans, where the runtime has them. SPDX: MIT OR Apache-2.0
#if NETSTANDARD2_1_OR_GREATER || NETCOREAPP2_1_OR_GREATER
using System;
using System.Linq;

namespace Radam.Tests
{
    internal static class SpanTests
    {
        [Test]
        private static void spans_step_like_arrays()
        {
            float[] data = Make.Numbers(100, 1), right = data.ToArray(), grad = Make.Numbers(100, 2);
            using (var optimizer = new Optimizer())
            {
                GroupId group = optimizer.AddGroup(Make.Release());
                ParamId one = optimizer.AddParam(group, Dtype.F32, 40), two = optimizer.AddParam(group, Dtype.F32, 40);
                float[] part = right.Skip(30).Take(40).ToArray(), gradPart = grad.Take(40).ToArray();
                optimizer.StepTensor(one, data.AsSpan(30, 40), new ReadOnlySpan<float>(grad, 0, 40));
                optimizer.StepTensor(two, part, gradPart);
                var options = new StepOptions { ZeroGrad = true };
                optimizer.StepTensor(one, data.AsSpan(30, 40), grad.AsSpan(0, 40), options, out StepReport report);
                optimizer.StepTensor(two, part, gradPart, options);
                part.CopyTo(right, 30);
                Check.SameArrays(right, data, "spans");
                Check.That(grad.Take(40).All(x => x == 0) && grad[40] != 0, "zeroed");
                Check.Same(1ul, report.ParamsStepped, "stepped");
                Check.Fails(Status.InvalidArgument, "data has 39 elements; that of parameter 0 must have 40",
                            () => optimizer.StepTensor(one, data.AsSpan(0, 39), new ReadOnlySpan<float>(grad, 0, 40)));
                Check.Fails(Status.InvalidArgument, "grad is an array of f64",
                            () => optimizer.StepTensor(one, data.AsSpan(0, 40), new ReadOnlySpan<double>(new double[40])));
                optimizer.SetData(one, data.Take(40).ToArray());
                optimizer.StepParam(one, new ReadOnlySpan<float>(grad, 50, 40));
                ParamId empty = optimizer.AddParam(group, Dtype.F32, 0);
                optimizer.StepTensor(empty, Span<float>.Empty, ReadOnlySpan<float>.Empty);
                Check.Same(1L, optimizer.GetStepCount(empty), "steps");
            }
            GradSums spans = new GradSums(), arrays = new GradSums();
            spans.Add(new ReadOnlySpan<float>(data, 10, 50));
            arrays.Add(data.Skip(10).Take(50).ToArray());
            Check.SameArrays(arrays.Words, spans.Words, "sums");
        }
    }
}
#endif
