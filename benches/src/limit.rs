//! The limit in cache: a step takes one square root and one division per element, and the divider of a core has a fixed
//! throughput.

use std::hint::black_box;

/// Elements of a block: three arrays of them fit into the first-level cache.
const BLOCK: usize = 2048;

/// Nothing but a square root and a division for each element, in the widest registers of the
/// machine.
pub struct SquareRootAndDivision {
    block: Box<Block>,
    elements: usize,
    run: unsafe fn(&mut Block, usize),
}

#[repr(align(64))]
struct Block {
    dividend: [f32; BLOCK],
    radicand: [f32; BLOCK],
    quotient: [f32; BLOCK],
}

impl SquareRootAndDivision {
    pub fn new(elements: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(0);
        let mut ordinary = || std::array::from_fn(|_| 0.5 + random.f32());
        Self {
            block: Box::new(Block {
                dividend: ordinary(),
                radicand: ordinary(),
                quotient: [0.0; BLOCK],
            }),
            elements,
            run: best(),
        }
    }

    pub fn run(&mut self) {
        // SAFETY: `best` found that the machine has the instruction set.
        unsafe { (self.run)(&mut self.block, self.elements) };
    }
}

/// The blocks come one after another, and no element depends on another, so that the divider always
/// has work and no latency shows.
#[inline(always)]
fn square_roots_and_divisions(block: &mut Block, elements: usize) {
    for start in (0..elements).step_by(BLOCK) {
        let len = BLOCK.min(elements - start);
        let operands = block.dividend[..len].iter().zip(&block.radicand[..len]);
        for (quotient, (dividend, radicand)) in block.quotient[..len].iter_mut().zip(operands) {
            *quotient = dividend / radicand.sqrt();
        }
        black_box(&mut *block); // each block is new to the compiler
    }
}

unsafe fn portable(block: &mut Block, elements: usize) {
    square_roots_and_divisions(block, elements);
}

/// # Safety
/// The machine has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(block: &mut Block, elements: usize) {
    square_roots_and_divisions(block, elements);
}

/// # Safety
/// The machine has AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn avx512(block: &mut Block, elements: usize) {
    square_roots_and_divisions(block, elements);
}

fn best() -> unsafe fn(&mut Block, usize) {
    #[cfg(target_arch = "x86_64")]
    match crate::machine::instruction_set() {
        "avx512" => return avx512,
        "avx2" => return avx2,
        _ => {}
    }
    portable
}

/// A cycle of the core for each element.
pub struct Cycles(pub usize);

impl Cycles {
    pub fn run(&self) {
        // On all processors of the last ten years a multiplication takes 3 cycles and a rotation 1, and each here needs the
        // result of the one before.
        let factor = black_box(0x9e37_79b9_7f4a_7c15_u64);
        let product = (0..self.0 / 4).fold(1, |x: u64, _| x.wrapping_mul(factor).rotate_left(1));
        black_box(product);
    }
}
