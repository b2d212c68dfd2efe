//! The 8-bit state: how the moments of a block of elements are coded, and the update rule on them.
//!
//! Of each element there are two codes: of the *direction* u = m / (√v + ε), on a linear scale, and of the *root* r = √v,
//! on a logarithmic one. Each block has a word that says what its codes stand for. A step cannot blow up on a bad code:
//! where r decodes too small, so does m = u (r + ε). Both are rounded at random, so that averages do not stall.
//!
//! `docs/q8.md` explains the format. Within a step, m and u are in units of 1 − β̂1.

use super::rule::{Arithmetic, Coefficients, Decay, Rule};

/// Elements of a block, of the whole tensor.
pub(crate) const BLOCK: usize = 128;

/// The finest root that a base may have: 2^-63.
const LEAST_ROOT: u32 = 64 << 23;
/// The bounds of the largest direction of a block: 2^-64 and 2^127. Beyond, it counts as infinite.
const LEAST_DIRECTION: u32 = 0x1f80_0000;
const LARGEST_DIRECTION: u32 = 0x7f00_0000;
/// The code of the largest direction of a block; the other codes are for rounding up.
const DIRECTION_CODES: f32 = 126.0;
/// Codes are formed in the upper byte of a word, above the part that is rounded.
const FRACTION_BITS: u32 = 24;
const FRACTION: u32 = (1 << FRACTION_BITS) - 1;
/// The widest steps between roots: 16 codes an octave.
const WIDEST: u32 = 19;
const FINEST: u32 = 16;

/// Whether all roots and directions of a block can be coded. Only loops over registers have to know.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn are_extremes_finite(extremes: Extremes, beta1_comp: f32) -> bool {
    let [root, direction] = [extremes.root, extremes.direction].map(f32::from_bits);
    are_finite(root, direction, beta1_comp)
}

/// What the word of a block says about its codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    /// The direction of code 1.
    pub unit: f32,
    /// Root codes count steps of 2^`shift` from `base` on, in the bits of an f32.
    pub shift: u32,
    pub base: u32,
}

impl Scale {
    /// Of a word; that of a fresh block is 0.
    #[inline(always)]
    pub fn read(word: u32) -> Self {
        let low = word & 0xffff;
        let lowest_bit = low & low.wrapping_neg();
        Self {
            unit: f32::from_bits(word & 0xffff_0000) * (1.0 / DIRECTION_CODES),
            shift: if low == 0 { WIDEST } else { FINEST + low.trailing_zeros() },
            base: (low ^ lowest_bit) << 15,
        }
    }

    /// The root of a code. 0 stands for 0. What a word says that no step has made may be any number.
    #[inline(always)]
    pub fn root(self, code: u8) -> f32 {
        f32::from_bits(if code == 0 {
            0
        } else {
            self.base.wrapping_add((code as u32) << self.shift)
        })
    }

    /// The direction of a code.
    #[inline(always)]
    pub fn direction(self, code: i8) -> f32 {
        code as f32 * self.unit
    }

    /// The moments that a pair of codes stands for.
    #[inline(always)]
    pub fn moments(self, direction: i8, root: u8, eps: f32) -> (f32, f32) {
        let root = self.root(root);
        (self.direction(direction) * (root + eps), root * root)
    }
}

/// What has to be known of a block before its new codes can be chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extremes {
    /// The bits of the largest root, and of the largest direction without its sign.
    pub root: u32,
    pub direction: u32,
    /// The least old root that is not 0, or a bound below it.
    pub least: Least,
}

/// A bound below the new roots of a block, apart from those that are 0 or were.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Least {
    /// By the least of the old codes: less 1 and wrapping around, so that 255 stands for no code but 0.
    OldCode { code_less_1: u8, old: Scale },
    /// The bits of the least root itself.
    Root(u32),
}

/// Whether a root and a direction, in units of `beta1_comp`, can be coded. If not, the element starts anew.
#[inline(always)]
pub(crate) fn are_finite(root: f32, direction: f32, beta1_comp: f32) -> bool {
    root.is_finite() && direction.abs() * beta1_comp.abs() <= f32::from_bits(LARGEST_DIRECTION)
}

/// How the new codes of a block are formed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoder {
    /// The word of the block.
    pub word: u32,
    /// From a direction in units of 1 − β̂1 to its code, times 2^24.
    pub inverse: f32,
    pub shift: u32,
    pub base: u32,
}

impl Encoder {
    /// Of a block whose extremes are finite.
    #[inline(always)]
    pub fn choose(extremes: Extremes, beta1_comp: f32, root_beta2: f32) -> Self {
        let shift = extremes.shift(root_beta2);
        // Rounded up, so that the largest root has code 255 or less.
        let top = (extremes.root + ((1 << shift) - 1)) >> shift;
        let base = (top.max(255 + (LEAST_ROOT >> shift)) - 255) << shift;
        let largest = (f32::from_bits(extremes.direction) * beta1_comp.abs()).to_bits();
        let largest = (largest.clamp(LEAST_DIRECTION, LARGEST_DIRECTION) + 0xffff) & 0xffff_0000;
        const CODES: f32 = DIRECTION_CODES * (1 << FRACTION_BITS) as f32;
        Self {
            word: largest | base >> 15 | 1 << (shift - FINEST),
            inverse: beta1_comp * CODES / f32::from_bits(largest),
            shift,
            base,
        }
    }

    /// By how much roots are shifted to the left, so that their codes are above the part that is rounded.
    #[inline(always)]
    pub fn left_shift(self) -> u32 {
        FRACTION_BITS - self.shift
    }

    /// The codes of an element. `fraction`, of 24 bits, decides how they are rounded.
    #[inline(always)]
    pub fn encode(self, direction: f32, root: f32, fraction: u32) -> (i8, u8) {
        debug_assert!(fraction <= FRACTION && (direction * self.inverse).abs() < 2_130_706_432.0);
        // SAFETY: the largest direction of the block comes to less than 127 * 2^24.
        let scaled: i32 = unsafe { (direction * self.inverse).to_int_unchecked() };
        let direction = (scaled + fraction as i32) >> FRACTION_BITS;
        let above = (root.to_bits().wrapping_sub(self.base) as i32).max(0) as u32;
        let root = ((above << self.left_shift()) + fraction) >> FRACTION_BITS;
        // The root of an element that moves never becomes 0.
        (direction as i8, (root as u8).max(u8::from(direction != 0)))
    }
}

impl Extremes {
    /// The finest steps whose codes reach from the least root to the largest.
    #[inline(always)]
    fn shift(self, root_beta2: f32) -> u32 {
        let (least, at_least) = match self.least {
            Least::Root(bits) => (bits, 0),
            // No old root has become smaller than by this factor. One at code 1 may have stood for less, which wider
            // steps, step by step, will reach.
            Least::OldCode { code_less_1, old } => {
                let bits = old.base.wrapping_add((code_less_1 as u32 + 1) << old.shift);
                let at_least = match code_less_1 {
                    0 => old.shift + 1,
                    255 => WIDEST,
                    _ => 0,
                };
                ((f32::from_bits(bits) * root_beta2).to_bits(), at_least)
            }
        };
        let range = self.root.saturating_sub(least);
        // 254 codes are a little less than 2^8, hence a 64th more.
        let steps = FRACTION_BITS - ((range + (range >> 6)) | 1 << 23).leading_zeros();
        steps.max(at_least).min(WIDEST)
    }
}

/// The random numbers of a block, by the number of the block in the whole tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fractions(pub u32);

impl Fractions {
    /// Rounds to nearest.
    const HALF: u32 = 1 << (FRACTION_BITS - 1);
    /// 2^32 divided by the golden ratio: multiples of it are spread evenly.
    pub const WEYL: u32 = 0x9e37_79b1;
    pub const MASK: u32 = FRACTION;

    /// Of an element of the block.
    #[inline(always)]
    pub fn of(self, index: usize) -> u32 {
        self.0.wrapping_add((index as u32).wrapping_mul(Self::WEYL)) & Self::MASK
    }
}

/// The constants of a step on 8-bit state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Q8Coefficients<R> {
    pub plain: Coefficients<R>,
    /// What an old direction counts in units of 1 − β̂1.
    pub keep: R,
    /// γr (1 − β̂1).
    pub step_size: R,
}

impl<R: Arithmetic> Q8Coefficients<R> {
    #[inline(always)]
    pub fn of(coefficients: &Coefficients<f64>) -> Self {
        let plain = coefficients.round::<R>();
        Self {
            plain,
            keep: plain.beta1_hat / plain.beta1_comp,
            step_size: plain.step_size * plain.beta1_comp,
        }
    }

    /// The gradient as the moments take it.
    #[inline(always)]
    pub fn grad(&self, clips: bool, decay: Decay, param: R, grad: R) -> R {
        let grad = if clips { self.plain.clipped(grad) } else { grad };
        if decay == Decay::L2 { grad + self.plain.l2 * param } else { grad }
    }

    /// The new m, and the new v. `unit` is that of the old directions times `keep`.
    #[inline(always)]
    pub fn moments(&self, direction: R, unit: R, root: R, grad: R) -> (R, R) {
        let Coefficients { beta2_hat, beta2_comp, eps, .. } = self.plain;
        let exp_avg = direction * unit * (root + eps) + grad;
        (exp_avg, beta2_hat * (root * root) + beta2_comp * grad * grad)
    }

    /// The new u.
    #[inline(always)]
    pub fn direction(&self, exp_avg: R, root: R) -> R {
        exp_avg / (root + self.plain.eps)
    }

    /// What is to be subtracted from θ, decoupled decay included.
    #[inline(always)]
    pub fn lowered(&self, rule: Rule, decay: Decay, param: R, exp_avg: R, direction: R) -> R {
        let step = self.step_size * if rule == Rule::Rectified { direction } else { exp_avg };
        if decay == Decay::Decoupled { self.plain.decay * param + step } else { step }
    }
}

/// Codes the moments of a block, rounded to nearest. Elements whose direction or root is not finite start anew.
pub(crate) fn encode_moments(
    exp_avg: &[f32],
    exp_avg_sq: &[f32],
    eps: f32,
    directions: &mut [i8],
    roots: &mut [u8],
) -> u32 {
    let element = |i: usize| {
        let root = exp_avg_sq[i].sqrt().abs(); // of -0, it is 0
        let direction = exp_avg[i] / (root + eps);
        if are_finite(root, direction, 1.0) { (direction, root) } else { (0.0, 0.0) }
    };
    let mut extremes = Extremes { root: 0, direction: 0, least: Least::Root(0) };
    let mut least = u32::MAX;
    for i in 0..exp_avg.len() {
        let (direction, root) = element(i);
        extremes.root = extremes.root.max(root.to_bits());
        extremes.direction = extremes.direction.max(direction.abs().to_bits());
        if root > 0.0 {
            least = least.min(root.to_bits());
        }
    }
    extremes.least = Least::Root(if least == u32::MAX { 0 } else { least });
    let encoder = Encoder::choose(extremes, 1.0, 1.0);
    for i in 0..exp_avg.len() {
        let (direction, root) = element(i);
        (directions[i], roots[i]) = encoder.encode(direction, root, Fractions::HALF);
    }
    encoder.word
}

#[cfg(test)]
mod tests;
