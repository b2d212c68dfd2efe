//! The two other ways to round bf16 parameters: f32 masters in two halves, and at random. The random numbers.

use super::number::Dtype;

/// The f32 whose bits are those of a bf16, shifted left, plus a remainder.
pub fn master(param: u64, remainder: u64) -> f64 {
    let remainder = i32::from(remainder as u16 as i16);
    f32::from_bits(((param as u32) << 16).wrapping_add_signed(remainder)).into()
}

/// The nearest bf16, ties away from zero, and what is left of the bits.
pub fn halves(master: f64) -> (u64, u64) {
    if master.is_nan() {
        return (Dtype::Bf16.encode(master), 0);
    }
    let bits = (master as f32).to_bits();
    let param = (u64::from(bits) + 0x8000) >> 16 & 0xffff;
    (param, u64::from(bits as u16))
}

/// The random numbers of the elements of a parameter in one step.
pub struct Noise {
    key: u64,
}

impl Noise {
    pub fn new(seed: u64, name: &str, t: u64) -> Self {
        let name = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self { key: mix_64(mix_64(mix_64(seed) ^ name) ^ t) }
    }

    /// A f32 rounded to one of the two bf16 around it. `place` is the element's in the whole tensor.
    pub fn round(&self, number: f64, place: u64) -> u64 {
        if number.is_nan() {
            return Dtype::Bf16.encode(number);
        }
        let key = mix_64(self.key ^ place >> 32);
        let random = mix_32(mix_32((place as u32).wrapping_add(key as u32)) ^ (key >> 32) as u32);
        u64::from(((number as f32).to_bits() + (random >> 16)) >> 16)
    }

    /// By which the codes of a block of 8-bit state are rounded. `block` is its number in the whole tensor.
    pub fn of_block(&self, block: u64) -> u32 {
        (mix_64(self.key ^ 0x7138_5f73_7461_7465 ^ block) >> 32) as u32
    }
}

fn mix_64(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn mix_32(number: u32) -> u32 {
    let mut x = (number ^ number >> 16).wrapping_mul(0x7feb_352d);
    x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}
