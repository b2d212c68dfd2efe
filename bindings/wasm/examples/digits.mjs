// Trains a network with one hidden layer on images of handwritten digits, in ordinary arrays and then in tensors:
//
//     node digits.mjs digits.csv
//
// SPDX: MIT OR Apache-2.0

import { readFileSync } from "node:fs";
import { GradSums, Optimizer, Tensor } from "radam";

const [PIXELS, HIDDEN, DIGITS] = [64, 32, 10];
const [BATCH, EPOCHS, LR] = [32, 15, 0.01];
const TEST = 359; // the last images, after a shuffle: the file has them by who wrote them

/** Numbers in [0, 1), the same in every run. */
function* randomNumbers(seed) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

function readImages(path) {
  return readFileSync(path, "utf8").trim().split("\n").map((row) => {
    const numbers = row.split(",").map(Number);
    return { pixels: Float32Array.from(numbers.slice(0, PIXELS), (value) => value / 16), digit: numbers[PIXELS] };
  });
}

function shuffle(array, random) {
  for (let last = array.length - 1; last > 0; last--) {
    const other = Math.floor(random.next().value * (last + 1));
    [array[last], array[other]] = [array[other], array[last]];
  }
}

/** A layer: every output is a weighted sum of the inputs; the last weight of a row is the bias. */
function forward(weight, input, outputs) {
  const row = input.length + 1;
  return Float32Array.from({ length: outputs }, (_, o) => {
    let sum = weight[o * row + input.length];
    for (let i = 0; i < input.length; i++) sum += weight[o * row + i] * input[i];
    return sum;
  });
}

/** Adds to the gradient of the weights, and returns that of the input. */
function backward(weight, grad, input, outputGrad) {
  const row = input.length + 1;
  const inputGrad = new Float32Array(input.length);
  outputGrad.forEach((g, o) => {
    for (let i = 0; i < input.length; i++) {
      grad[o * row + i] += g * input[i];
      inputGrad[i] += g * weight[o * row + i];
    }
    grad[o * row + input.length] += g;
  });
  return inputGrad;
}

/** The network, whose weights and gradients are arrays of some kind. */
function scores(weights, pixels) {
  const hidden = forward(weights[0], pixels, HIDDEN).map((x) => Math.max(x, 0));
  return { hidden, scores: forward(weights[1], hidden, DIGITS) };
}

/** Adds to the gradients of the mean loss of a batch, and returns the loss of this image. */
function train(weights, grads, { pixels, digit }) {
  const { hidden, scores: outputs } = scores(weights, pixels);
  const highest = Math.max(...outputs);
  const exps = outputs.map((score) => Math.exp(score - highest));
  const sum = exps.reduce((a, b) => a + b);
  const outputGrad = exps.map((exp, d) => (exp / sum - (d === digit ? 1 : 0)) / BATCH);
  const hiddenGrad = backward(weights[1], grads[1], hidden, outputGrad);
  backward(weights[0], grads[0], pixels, hiddenGrad.map((g, i) => (hidden[i] > 0 ? g : 0)));
  return -Math.log(exps[digit] / sum);
}

/** Trains, with what there is to do after a batch, and returns the accuracy in percent. */
function run(images, optimizer, group, layers, step) {
  const random = randomNumbers(1);
  const training = images.slice(0, -TEST);
  for (const { weight, inputs } of layers) {
    const limit = Math.sqrt(6 / inputs); // He initialization
    weight().forEach((_, i, array) => (array[i] = limit * (2 * random.next().value - 1)));
  }
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    optimizer.setLr(group, LR * 0.5 * (1 + Math.cos((Math.PI * epoch) / EPOCHS)));
    shuffle(training, random);
    let loss = 0;
    for (let first = 0; first + BATCH <= training.length; first += BATCH) {
      const [weights, grads] = [layers.map(({ weight }) => weight()), layers.map(({ grad }) => grad())];
      for (const image of training.slice(first, first + BATCH)) loss += train(weights, grads, image);
      step();
    }
    if ((epoch + 1) % 5 === 0) console.log(`epoch ${epoch + 1}  loss ${(loss / training.length).toFixed(4)}`);
  }
  const weights = layers.map(({ weight }) => weight());
  const right = images.slice(-TEST).filter(({ pixels, digit }) => {
    const outputs = scores(weights, pixels).scores;
    return outputs.indexOf(Math.max(...outputs)) === digit;
  });
  return (100 * right.length) / TEST;
}

const SHAPES = [
  { name: "first.weight", inputs: PIXELS, length: HIDDEN * (PIXELS + 1) },
  { name: "second.weight", inputs: HIDDEN, length: DIGITS * (HIDDEN + 1) },
];
const OPTIONS = { lr: LR, weightDecay: 0.1, decoupleWd: true };

/** In arrays that JavaScript owns: every step copies them to the library and back. */
function inArrays(images) {
  const optimizer = new Optimizer();
  const group = optimizer.addGroup({ ...OPTIONS, gradientRelease: true });
  const layers = SHAPES.map(({ name, inputs, length }) => {
    const [weight, grad] = [new Float32Array(length), new Float32Array(length)];
    const id = optimizer.addParam(group, { dtype: "f32", length, name });
    return { id, inputs, weight: () => weight, grad: () => grad };
  });
  const gradSums = new GradSums();
  return run(images, optimizer, group, layers, () => {
    gradSums.clear();
    for (const { grad } of layers) gradSums.add("f32", grad());
    const options = { gradSums, maxGradNorm: 1, zeroGrad: true };
    for (const { id, weight, grad } of layers) optimizer.stepTensor(id, weight(), grad(), options);
  });
}

/** In the library's memory: nothing is copied. */
function inTensors(images) {
  const optimizer = new Optimizer();
  const group = optimizer.addGroup(OPTIONS);
  const layers = SHAPES.map(({ name, inputs, length }) => {
    const [data, grad] = [new Tensor("f32", length), new Tensor("f32", length)];
    optimizer.addParam(group, { data, grad, name });
    return { inputs, weight: () => data.array, grad: () => grad.array };
  });
  return run(images, optimizer, group, layers, () => optimizer.step({ maxGradNorm: 1, zeroGrad: true }));
}

const images = readImages(process.argv[2] ?? "digits.csv");
shuffle(images, randomNumbers(3));
console.log(`arrays: test accuracy ${inArrays(images).toFixed(2)} %`);
console.log(`tensors: test accuracy ${inTensors(images).toFixed(2)} %`);
