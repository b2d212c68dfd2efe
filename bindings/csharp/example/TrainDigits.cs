// Trains a network with one hidden layer on images of handwritten digits: TrainDigits.exe examples/data/digits.csv
//
// SPDX: MIT OR Apache-2.0
using System;
using System.Globalization;
using System.IO;
using System.Linq;
using Radam;

internal struct Image
{
    public float[] Pixels; // in [0, 1]
    public int Digit;
}

/// <summary>Every output is a weighted sum of the inputs; the last weight of a row is the bias.</summary>
internal sealed class Layer
{
    public readonly float[] Weight, Grad;
    private readonly int inputs, outputs;

    public Layer(int inputs, int outputs, Random random)
    {
        this.inputs = inputs;
        this.outputs = outputs;
        double limit = Math.Sqrt(6.0 / inputs); // He initialization
        Weight = new float[outputs * (inputs + 1)];
        Grad = new float[Weight.Length];
        for (int i = 0; i < Weight.Length; i++)
            Weight[i] = (float)(limit * (2 * random.NextDouble() - 1));
    }

    public float[] Forward(float[] input)
    {
        var output = new float[outputs];
        for (int row = 0, at = 0; row < outputs; row++)
        {
            float sum = 0;
            for (int i = 0; i < inputs; i++)
                sum += input[i] * Weight[at++];
            output[row] = sum + Weight[at++];
        }
        return output;
    }

    /// <summary>Adds to the gradient of the weights, and returns that of the input.</summary>
    public float[] Backward(float[] input, float[] outputGrad)
    {
        var inputGrad = new float[inputs];
        for (int row = 0, at = 0; row < outputs; row++)
        {
            for (int i = 0; i < inputs; i++, at++)
            {
                Grad[at] += outputGrad[row] * input[i];
                inputGrad[i] += outputGrad[row] * Weight[at];
            }
            Grad[at++] += outputGrad[row];
        }
        return inputGrad;
    }
}

internal sealed class Network
{
    public readonly Layer First, Second;

    public Network(Random random)
    {
        First = new Layer(TrainDigits.Pixels, TrainDigits.Hidden, random);
        Second = new Layer(TrainDigits.Hidden, TrainDigits.Digits, random);
    }

    private float[] HiddenOf(Image image) => First.Forward(image.Pixels).Select(x => Math.Max(x, 0)).ToArray();

    /// <summary>Adds to the gradients of the mean loss of a batch, and returns the loss of this image.</summary>
    public double Backward(Image image)
    {
        float[] hidden = HiddenOf(image), scores = Second.Forward(hidden);
        float highest = scores.Max();
        double sum = scores.Sum(score => Math.Exp(score - highest));
        float[] grad = scores.Select(score => (float)(Math.Exp(score - highest) / sum)).ToArray();
        double loss = -Math.Log(grad[image.Digit]);
        grad[image.Digit] -= 1;
        float[] hiddenGrad = Second.Backward(hidden, grad.Select(g => g / TrainDigits.Batch).ToArray());
        for (int i = 0; i < hidden.Length; i++)
            hiddenGrad[i] = hidden[i] > 0 ? hiddenGrad[i] : 0;
        First.Backward(image.Pixels, hiddenGrad);
        return loss;
    }

    public bool IsRight(Image image)
    {
        float[] scores = Second.Forward(HiddenOf(image));
        return Array.IndexOf(scores, scores.Max()) == image.Digit;
    }
}

internal static class TrainDigits
{
    public const int Pixels = 64, Hidden = 64, Digits = 10, Batch = 32;
    private const int Epochs = 20;
    private const double Lr = 0.01;

    private static Image Parse(string row)
    {
        int[] numbers = row.Split(',').Select(int.Parse).ToArray();
        return new Image { Pixels = numbers.Take(Pixels).Select(x => x / 16f).ToArray(), Digit = numbers[Pixels] };
    }

    private static void Shuffle(Image[] images, Random random)
    {
        for (int last = images.Length - 1; last > 0; last--)
        {
            int other = random.Next(last + 1);
            Image image = images[last];
            images[last] = images[other];
            images[other] = image;
        }
    }

    private static void Main(string[] arguments)
    {
        var random = new Random(1);
        Image[] images = File.ReadLines(arguments[0]).Select(Parse).ToArray();
        Shuffle(images, random);
        Image[] test = images.Take(images.Length / 5).ToArray(), training = images.Skip(test.Length).ToArray();
        var network = new Network(random);

        using (var optimizer = new Optimizer())
        {
            GroupId group = optimizer.AddGroup(new GroupOptions { Lr = Lr, WeightDecay = 0.1, DecoupleWd = true });
            optimizer.AddParam(group, network.First.Weight, network.First.Grad, "first.weight");
            optimizer.AddParam(group, network.Second.Weight, network.Second.Grad, "second.weight");
            var options = new StepOptions { MaxGradNorm = 1, ZeroGrad = true };
            for (int epoch = 0; epoch < Epochs; epoch++)
            {
                optimizer.SetLr(group, Lr * 0.5 * (1 + Math.Cos(Math.PI * epoch / Epochs)));
                Shuffle(training, random);
                double loss = 0;
                for (int first = 0; first + Batch <= training.Length; first += Batch)
                {
                    for (int i = first; i < first + Batch; i++)
                        loss += network.Backward(training[i]);
                    optimizer.Step(options);
                }
                Print($"epoch {epoch + 1,2}  loss {loss / training.Length:F4}");
            }
        }
        Print($"test accuracy {100.0 * test.Count(network.IsRight) / test.Length:F2} %");
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
