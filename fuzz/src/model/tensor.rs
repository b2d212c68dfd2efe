//! A step of the arrays of one tensor.

use super::contents::{Array, Contents};
use super::element::{Clip, Element, Rule};
use super::exact::{Sums, sum_of_squares};
use super::number::Dtype;
use super::options::{Compensation, Kind};
use super::q8::{self, Codes};
use super::rounding::{Noise, halves, master};
use radam::ffi::*;
use std::ops::Range;

/// Elements of the pieces that are measured one by one, and of the blocks in which updates are.
const PIECE: u64 = 16384;
const BLOCK: usize = 1024;

/// The sums of squares of the changes and of the new values.
#[derive(Default)]
pub struct Norms {
    pub updates: Sums,
    pub params: Sums,
}

/// The elements of the pieces of a slice, which end at multiples of PIECE in the whole tensor.
pub fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let end = len.min(start + (PIECE - (offset + start as u64) % PIECE) as usize);
        let piece = start..end;
        start = end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// A tensor with all that a step of it needs.
pub struct Tensor<'a> {
    pub data: Array,
    pub grad: Array,
    pub state: [Option<Array>; 4],
    pub kind: Kind,
    pub copy: Option<Array>,
    pub offset: u64,
    pub name: &'a str,
}

/// What the elements of a tensor have in common in a step.
struct OfTensor {
    rule: Rule,
    noise: Noise,
    stochastic: bool,
}

impl Tensor<'_> {
    pub fn step(
        &self,
        contents: &mut Contents,
        options: &radam_group_options,
        t: u64,
        accumulates: bool,
        clip: Clip,
        mut norms: Option<&mut Norms>,
    ) {
        let stochastic = options.stochastic_rounding == RADAM_ON;
        let in_f32 = stochastic || self.kind.compensation == Compensation::Remainder;
        let rounded_to = if in_f32 { Dtype::F32 } else { self.data.dtype };
        let rule = Rule::new(options, (rounded_to, self.kind.dtype), t, accumulates, clip);
        let noise = Noise::new(options.seed, self.name, t);
        let step = OfTensor { rule, noise, stochastic };
        for piece in pieces(self.offset, self.data.len) {
            let before: Vec<_> = contents.numbers(self.data, piece.clone()).collect();
            if self.kind.coded {
                for first in piece.clone().step_by(q8::BLOCK) {
                    self.step_block(contents, &step, first..piece.end.min(first + q8::BLOCK));
                }
            } else {
                piece.clone().for_each(|index| self.step_element(contents, &step, index));
            }
            if let Some(norms) = &mut norms {
                norms.add(contents, self.data, piece, &before);
            }
        }
    }

    fn step_element(&self, contents: &mut Contents, step: &OfTensor, index: usize) {
        let [Some(exp_avg), Some(exp_avg_sq), ..] = self.state else { return };
        let element = Element {
            exp_avg: contents.get(exp_avg, index),
            exp_avg_sq: contents.get(exp_avg_sq, index),
            ..self.element(contents, index)
        };
        let new = step.rule.step(element, contents.get(self.grad, index));
        contents.set(exp_avg, index, new.exp_avg);
        contents.set(exp_avg_sq, index, new.exp_avg_sq);
        self.move_to(contents, step, index, new);
    }

    /// Steps elements of 8-bit state that have a word in common.
    fn step_block(&self, contents: &mut Contents, step: &OfTensor, elements: Range<usize>) {
        let Some(codes) = Codes::of(&self.state) else { return };
        let mut block = codes.read(contents, elements.clone());
        let before: Vec<_> = elements.clone().map(|index| self.element(contents, index)).collect();
        let grads: Vec<_> = (elements.clone().zip(&before))
            .map(|(index, element)| {
                step.rule.grad(element.param, contents.get(self.grad, index)) as f32
            })
            .collect();
        let hash = step.noise.of_block((self.offset + elements.start as u64) / q8::BLOCK as u64);
        let moments = block.step(&step.rule.of_codes(), &grads, hash);
        codes.write(contents, elements.start, &block);
        for ((index, element), moments) in elements.zip(before).zip(&moments) {
            let new = step.rule.lower(element, step.rule.lowered_by_codes(moments));
            self.move_to(contents, step, index, new);
        }
    }

    /// The parameter, or its master, and what compensates for its rounding.
    fn element(&self, contents: &Contents, index: usize) -> Element {
        let [_, _, third, _] = self.state;
        let kahan_comp = third.filter(|_| self.kind.compensation == Compensation::Kahan);
        Element {
            param: match self.remainder() {
                None => contents.get(self.data, index),
                Some(remainder) => {
                    master(contents.bits(self.data, index), contents.bits(remainder, index))
                }
            },
            exp_avg: 0.0,
            exp_avg_sq: 0.0,
            kahan_comp: kahan_comp.map(|array| contents.get(array, index)),
        }
    }

    fn remainder(&self) -> Option<Array> {
        self.state[2].filter(|_| self.kind.compensation == Compensation::Remainder)
    }

    /// Writes what the step has made of an element, but for the averages.
    fn move_to(&self, contents: &mut Contents, step: &OfTensor, index: usize, new: Element) {
        if !step.rule.moves() {
            return;
        }
        if let (Some(array), Some(comp)) = (self.state[2], new.kahan_comp) {
            contents.set(array, index, comp);
        }
        match self.remainder() {
            Some(remainder) => {
                let (upper, lower) = halves(new.param);
                contents.set_bits(self.data, index, upper);
                contents.set_bits(remainder, index, lower);
            }
            None if step.stochastic => {
                let bits = step.noise.round(new.param, self.offset + index as u64);
                contents.set_bits(self.data, index, bits);
            }
            None => contents.set(self.data, index, new.param),
        }
        if let Some(copy) = self.copy {
            contents.set(copy, index, new.param);
        }
    }

    /// The step of `radam_update` and `radam_update_q8`.
    pub fn update(&self, contents: &mut Contents, options: &radam_group_options, t: u64) {
        self.step(contents, options, t, false, (1.0, f64::INFINITY), None);
    }
}

impl Norms {
    /// Adds a piece, in blocks.
    fn add(&mut self, contents: &Contents, data: Array, piece: Range<usize>, before: &[f64]) {
        let after: Vec<_> = contents.numbers(data, piece).collect();
        let (mut updates, mut params) = (0.0, 0.0);
        for (after, before) in after.chunks(BLOCK).zip(before.chunks(BLOCK)) {
            let changes = after.iter().zip(before).map(|(a, b)| a - b);
            updates += sum_of_squares(changes);
            params += sum_of_squares(after.iter().copied());
        }
        self.updates.add(updates);
        self.params.add(params);
    }
}
