//! Trains a network with one hidden layer on images of handwritten digits, in f32:
//!
//!     cargo run --release --example train_digits
//!
//! SPDX: MIT OR Apache-2.0

use radam::{AsTensor, GroupOptions, Optimizer, ParamId, StepOptions, Tensor};
use std::{error::Error, f64::consts::PI, fs};

const PIXELS: usize = 64;
const HIDDEN: usize = 32;
const DIGITS: usize = 10;
const BATCH: usize = 32;
const EPOCHS: usize = 15;
const LR: f64 = 0.01;

struct Image {
    pixels: [f32; PIXELS],
    digit: usize,
}

/// Every output is a weighted sum of the inputs; the last weight of a row is the bias.
struct Layer {
    id: ParamId,
    weight: Vec<f32>,
    grad: Vec<f32>,
    inputs: usize,
}

/// What the optimizer asks a layer for in every step.
impl AsTensor for Layer {
    fn as_tensor(&mut self) -> Tensor<'_> {
        Tensor::with_mut_grad(self.id, &mut self.weight, &mut self.grad)
    }
}

impl Layer {
    fn new(id: ParamId, inputs: usize, outputs: usize, random: &mut impl FnMut() -> f32) -> Self {
        let len = outputs * (inputs + 1);
        let limit = (6.0 / inputs as f32).sqrt(); // He initialization
        let weight = (0..len).map(|_| limit * (2.0 * random() - 1.0)).collect();
        Self { id, weight, grad: vec![0.0; len], inputs }
    }

    fn forward(&self, input: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks(self.inputs + 1);
        rows.map(|row| row[self.inputs] + input.iter().zip(row).map(|(x, w)| x * w).sum::<f32>())
            .collect()
    }

    /// Adds to the gradient of the weights, and returns that of the input.
    fn backward(&mut self, input: &[f32], output_grad: &[f32]) -> Vec<f32> {
        let mut input_grad = vec![0.0; self.inputs];
        let rows = self.weight.chunks(self.inputs + 1).zip(self.grad.chunks_mut(self.inputs + 1));
        for ((row, row_grad), g) in rows.zip(output_grad) {
            for (i, x) in input.iter().enumerate() {
                row_grad[i] += g * x;
                input_grad[i] += g * row[i];
            }
            row_grad[self.inputs] += g;
        }
        input_grad
    }
}

fn hidden(layers: &[Layer; 2], image: &Image) -> Vec<f32> {
    layers[0].forward(&image.pixels).into_iter().map(|x| x.max(0.0)).collect()
}

/// Adds to the gradients of the mean loss of a batch, and returns the loss of this image.
fn backward(layers: &mut [Layer; 2], image: &Image) -> f32 {
    let hidden = hidden(layers, image);
    let scores = layers[1].forward(&hidden);
    let highest = scores.iter().copied().fold(f32::MIN, f32::max);
    let sum: f32 = scores.iter().map(|score| (score - highest).exp()).sum();
    let mut grad: Vec<f32> = scores.iter().map(|score| (score - highest).exp() / sum).collect();
    let loss = -grad[image.digit].ln();
    grad[image.digit] -= 1.0;
    grad.iter_mut().for_each(|g| *g /= BATCH as f32);
    let mut hidden_grad = layers[1].backward(&hidden, &grad);
    hidden_grad.iter_mut().zip(&hidden).filter(|(_, x)| **x == 0.0).for_each(|(g, _)| *g = 0.0);
    layers[0].backward(&image.pixels, &hidden_grad);
    loss
}

fn is_right(layers: &[Layer; 2], image: &Image) -> bool {
    let scores = layers[1].forward(&hidden(layers, image));
    (0..DIGITS).max_by(|a, b| scores[*a].total_cmp(&scores[*b])) == Some(image.digit)
}

fn read() -> Result<Vec<Image>, Box<dyn Error>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits.csv");
    let image = |line: &str| {
        let numbers = line.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>()?;
        let pixels = std::array::from_fn(|i| f32::from(numbers[i]) / 16.0);
        Ok(Image { pixels, digit: numbers[PIXELS].into() })
    };
    fs::read_to_string(file)?.lines().map(image).collect()
}

fn shuffle(images: &mut [Image], random: &mut impl FnMut() -> f32) {
    for last in (1..images.len()).rev() {
        images.swap(last, (random() * (last + 1) as f32) as usize);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut seed = 1u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1 << 24) as f32
    };
    let mut images = read()?;
    shuffle(&mut images, &mut random);
    let test = images.split_off(images.len() * 4 / 5);

    let mut opt = Optimizer::new()?;
    let group = opt.add_group(GroupOptions {
        weight_decay: 0.1,
        decouple_wd: true,
        ..GroupOptions::new(LR)
    })?;
    let first = opt.add_param::<f32>(group, HIDDEN * (PIXELS + 1), "first.weight")?;
    let second = opt.add_param::<f32>(group, DIGITS * (HIDDEN + 1), "second.weight")?;
    let mut layers = [
        Layer::new(first, PIXELS, HIDDEN, &mut random),
        Layer::new(second, HIDDEN, DIGITS, &mut random),
    ];

    let options = StepOptions { max_grad_norm: 1.0, zero_grad: true, ..StepOptions::default() };
    for epoch in 0..EPOCHS {
        opt.set_lr(group, LR * 0.5 * (1.0 + (PI * epoch as f64 / EPOCHS as f64).cos()))?;
        shuffle(&mut images, &mut random);
        let mut loss = 0.0;
        for batch in images.chunks_exact(BATCH) {
            loss += batch.iter().map(|image| backward(&mut layers, image)).sum::<f32>();
            opt.step_with(&options, &mut layers)?;
        }
        println!("epoch {:2}  loss {:.4}", epoch + 1, loss / images.len() as f32);
    }
    let right = test.iter().filter(|image| is_right(&layers, image)).count();
    println!("test accuracy {:.2} %", 100.0 * right as f64 / test.len() as f64);
    Ok(())
}
