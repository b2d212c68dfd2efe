//! 8-bit state (docs/q8.md): what the library computes in `src/math/q8.rs` and its loops, written apart from it, for one
//! block after another.

use super::contents::{Array, Contents};
use std::ops::Range;

pub const BLOCK: usize = 128;

/// The arrays of the codes of a parameter, which begins with a block.
#[derive(Clone, Copy)]
pub struct Codes {
    directions: Array,
    roots: Array,
    words: Array,
}

impl Codes {
    /// Of a state, if it is coded.
    pub fn of(state: &[Option<Array>; 4]) -> Option<Self> {
        let [directions, roots, _, words] = *state;
        Some(Self { directions: directions?, roots: roots?, words: words? })
    }

    /// Elements of one block.
    pub fn read(&self, contents: &Contents, elements: Range<usize>) -> Block {
        let word = contents.bits(self.words, elements.start / BLOCK) as u32;
        let code = |index| {
            let [direction, root] =
                [self.directions, self.roots].map(|array| contents.bits(array, index));
            (direction as u8 as i8, root as u8)
        };
        Block { word, codes: elements.map(code).collect() }
    }

    pub fn write(&self, contents: &mut Contents, first: usize, block: &Block) {
        contents.set_bits(self.words, first / BLOCK, block.word.into());
        for (index, (direction, root)) in (first..).zip(&block.codes) {
            contents.set_bits(self.directions, index, *direction as u8 as u64);
            contents.set_bits(self.roots, index, (*root).into());
        }
    }
}

/// What a word says about the codes of its block.
pub struct Scale {
    /// Of the direction with the code 1.
    unit: f32,
    base: u32,
    shift: u32,
}

impl Scale {
    pub fn of(word: u32) -> Self {
        let (upper, lower) = (word & 0xffff_0000, word & 0xffff);
        let (base, shift) = match lower {
            0 => (0, 19),
            _ => ((lower & (lower - 1)) << 15, 16 + lower.trailing_zeros()),
        };
        Self { unit: f32::from_bits(upper) * (1.0 / 126.0), base, shift }
    }

    fn root(&self, code: u8) -> f32 {
        if code == 0 {
            0.0
        } else {
            f32::from_bits(self.base.wrapping_add(u32::from(code) << self.shift))
        }
    }

    /// `exp_avg` and `exp_avg_sq` of an element.
    pub fn moments(&self, (direction, root): (i8, u8), eps: f32) -> [f32; 2] {
        let root = self.root(root);
        [f32::from(direction) * self.unit * (root + eps), root * root]
    }
}

/// The codes of some elements, at most BLOCK, and their word.
#[derive(Clone, Debug)]
pub struct Block {
    pub word: u32,
    pub codes: Vec<(i8, u8)>,
}

/// The scalars of a step: of each β, the debiased one and 1 minus that.
pub struct Scalars {
    /// The second is negative to maximize.
    pub beta1: [f32; 2],
    pub beta2: [f32; 2],
    pub eps: f32,
}

/// An element after a step. `exp_avg` and `direction` are in units of 1 minus the debiased β1.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    pub exp_avg: f32,
    pub root: f32,
    pub direction: f32,
}

/// What a scale of roots has to reach down to.
struct Reach {
    /// The bits of the least root.
    low: u32,
    /// Whether there is none but 0.
    is_zero: bool,
    /// If the least root has the code 1, which may stand for less: the old shift.
    widened: Option<u32>,
}

impl Block {
    /// Makes a step and returns what the elements have moved by. `hash` is that of the block in this step.
    pub fn step(&mut self, scalars: &Scalars, grads: &[f32], hash: u32) -> Vec<Moments> {
        let Scalars { beta1: [beta1, comp1], beta2: [beta2, comp2], eps } = *scalars;
        let old = Scale::of(self.word);
        let unit = old.unit * (beta1 / comp1);
        let least = self.codes.iter().map(|(_, root)| *root).filter(|root| *root > 0).min();
        let moved = self.codes.iter().zip(grads).map(|((direction, root), grad)| {
            let root = old.root(*root);
            let exp_avg = f32::from(*direction) * unit * (root + eps) + grad;
            let root = (beta2 * (root * root) + comp2 * grad * grad).sqrt();
            Moments { exp_avg, root, direction: exp_avg / (root + eps) }
        });
        let moved: Vec<_> = moved.collect();
        let reach = Reach {
            low: (old.root(least.unwrap_or(0)) * beta2.sqrt().abs()).to_bits(),
            is_zero: least.is_none(),
            widened: (least == Some(1)).then_some(old.shift),
        };
        *self = Self::code(&moved, comp1, &reach, |index| {
            hash.wrapping_add((index as u32).wrapping_mul(0x9e37_79b1)) & 0xff_ffff
        });
        moved
    }

    /// Codes averages, rounded to nearest.
    pub fn of_moments(moments: &[[f32; 2]], eps: f32) -> Self {
        let moments = moments.iter().map(|[exp_avg, exp_avg_sq]| {
            let root = exp_avg_sq.sqrt().abs();
            Moments { exp_avg: *exp_avg, root, direction: exp_avg / (root + eps) }
        });
        let moments: Vec<_> = moments.collect();
        let roots =
            moments.iter().filter(|moments| moments.is_finite(1.0)).map(|moments| moments.root);
        let low = roots.map(f32::to_bits).filter(|root| *root > 0).min();
        let reach = Reach { low: low.unwrap_or(0), is_zero: false, widened: None };
        Self::code(&moments, 1.0, &reach, |_| 1 << 23)
    }

    /// Codes elements whose directions are in units of `comp1`. `noise` is in units of 2^-24 of a code.
    fn code(moments: &[Moments], comp1: f32, reach: &Reach, noise: impl Fn(usize) -> u32) -> Self {
        let finite = moments.iter().map(|moments| match moments.is_finite(comp1) {
            true => (moments.direction, moments.root.to_bits()),
            false => (0.0, 0), // it starts anew
        });
        let finite: Vec<_> = finite.collect();
        let largest = finite.iter().map(|(direction, _)| direction.abs()).fold(0.0, f32::max);
        let top_root = finite.iter().map(|(_, root)| *root).max().unwrap_or(0);

        let range = top_root.saturating_sub(reach.low);
        let mut shift = 24 - ((range + (range >> 6)) | 1 << 23).leading_zeros();
        if let Some(old) = reach.widened {
            shift = shift.max(old + 1);
        }
        if reach.is_zero || shift > 19 {
            shift = 19;
        }
        let top = top_root.div_ceil(1 << shift).max(255 + (64 << 23 >> shift));
        let base = (top - 255) << shift;

        let upper = (largest * comp1.abs()).to_bits().clamp(0x1f80_0000, 0x7f00_0000);
        let upper = (upper + 0xffff) & 0xffff_0000;
        let inverse = comp1 * (126.0 * 16_777_216.0) / f32::from_bits(upper);
        let code = |(index, (direction, root)): (usize, &(f32, u32))| {
            let noise = i64::from(noise(index));
            let direction = ((direction * inverse).trunc() as i64 + noise) >> 24;
            let above = i64::from(root.saturating_sub(base)) << (24 - shift);
            let root = (above + noise) >> 24;
            (direction as i8, root.max((direction != 0).into()) as u8)
        };
        let codes = finite.iter().enumerate().map(code).collect();
        Self { word: upper | base >> 15 | 1 << (shift - 16), codes }
    }
}

impl Moments {
    /// Whether it can be coded: directions end at 2^127.
    fn is_finite(&self, comp1: f32) -> bool {
        self.root.is_finite() && self.direction.abs() * comp1.abs() <= f32::from_bits(0x7f00_0000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_coded_is_decoded_within_half_a_code() {
        let moments: Vec<_> =
            (1..=BLOCK).map(|i| [i as f32 * 1e-3 - 0.05, i as f32 * 1e-4]).collect();
        let block = Block::of_moments(&moments, 1e-6);
        let scale = Scale::of(block.word);
        for ([exp_avg, exp_avg_sq], codes) in moments.iter().zip(&block.codes) {
            let [m, v] = scale.moments(*codes, 1e-6);
            let root = exp_avg_sq.sqrt();
            assert!((v.sqrt() / root - 1.0).abs() < 1.0 / 128.0, "{v} {exp_avg_sq}");
            let [direction, expected] = [m / (v.sqrt() + 1e-6), exp_avg / (root + 1e-6)];
            assert!((direction - expected).abs() <= scale.unit * 0.501, "{direction} {expected}");
        }
        assert_eq!(Block::of_moments(&[[0.0, 0.0]; 3], 1e-6).codes, [(0, 0); 3]);
    }
}
