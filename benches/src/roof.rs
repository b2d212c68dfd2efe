//! The roof from memory: the streams of a step without its arithmetic.
//!
//! A step reads and writes the parameter, its state and, with Kahan summation, a compensation, and reads the gradient.
//! So does the loop here, but all that it does to an element is an XOR with the bits of the gradient, which on every
//! machine is faster than memory.

use crate::driver::tensor::Tensor;
use crate::memory::random;
use radam::ffi::RADAM_DTYPE_F32;
use std::arch::asm;
use std::ops::Range;

/// How many bytes an element takes in the arrays of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    pub param: usize,
    pub grad: usize,
    pub state: usize,
    /// 2, or 3 with Kahan summation.
    pub states: usize,
}

impl Traffic {
    pub const F32: Self = Self { param: 4, grad: 4, state: 4, states: 2 };
    pub const F32_WITH_16_BIT_GRADIENTS: Self = Self { param: 4, grad: 2, state: 4, states: 2 };
    pub const ALL_16_BIT_KAHAN: Self = Self { param: 2, grad: 2, state: 2, states: 3 };
    pub const F32_STATE: Self = Self { param: 2, grad: 2, state: 4, states: 2 };
    /// The two codes of 8-bit state, as one array of 2 bytes.
    pub const CODED: Self = Self { param: 4, grad: 4, state: 2, states: 1 };
    /// The same, and a compensation.
    pub const CODED_16_BIT: Self = Self { param: 2, grad: 2, state: 2, states: 2 };
    pub const F32_STATE_KAHAN: Self = Self { param: 2, grad: 2, state: 4, states: 3 };

    /// The bytes of an element that go from or to memory in one step.
    pub fn bytes(&self) -> usize {
        2 * (self.param + self.states * self.state) + self.grad
    }
}

/// Arrays as those of an optimizer, and the loop over them.
pub struct Roof {
    arrays: Arrays,
    pass: Pass,
    _memory: Vec<Tensor>,
}

// SAFETY: threads get at the memory through `Roof::pass` only, and what they do there is up to its callers.
unsafe impl Sync for Roof {}

struct Arrays {
    param: *mut u8,
    states: [*mut u8; 3],
    grad: *const u8,
}

/// Goes over some of the elements once.
///
/// # Safety
/// The machine has the instruction set. The elements, whole blocks of them, are in the arrays, and
/// no other thread touches them meanwhile.
type Pass = unsafe fn(&Arrays, Range<usize>);

/// Elements that are worked on together: a cache line of 16-bit ones, or two of f32.
pub const BLOCK: usize = 32;

impl Roof {
    pub fn new(traffic: Traffic, elements: usize) -> Self {
        let array = |bytes| random(0, RADAM_DTYPE_F32, elements * bytes / 4, 1.0, 0);
        let mut memory = vec![array(traffic.param), array(traffic.grad)];
        memory.extend((0..traffic.states).map(|_| array(traffic.state)));
        let pointer = |index| {
            memory
                .get(index)
                .map_or(std::ptr::null_mut(), |tensor: &Tensor| tensor.pointer().cast())
        };
        let arrays = Arrays {
            param: pointer(0),
            states: [pointer(2), pointer(3), pointer(4)],
            grad: pointer(1),
        };
        Self { arrays, pass: choose(traffic), _memory: memory }
    }

    /// Goes over some of the elements once.
    ///
    /// # Safety
    /// They are whole blocks of those that the roof was made with, and no other thread touches them
    /// meanwhile.
    pub unsafe fn pass(&self, elements: Range<usize>) {
        // SAFETY: the caller's promise; `best` found that the machine has the instruction set.
        unsafe { (self.pass)(&self.arrays, elements) }
    }
}

fn choose(traffic: Traffic) -> Pass {
    match traffic {
        Traffic::F32 => best::<4, 4, 4, 2>(),
        Traffic::F32_WITH_16_BIT_GRADIENTS => best::<4, 2, 4, 2>(),
        Traffic::ALL_16_BIT_KAHAN => best::<2, 2, 2, 3>(),
        Traffic::F32_STATE => best::<2, 2, 4, 2>(),
        Traffic::F32_STATE_KAHAN => best::<2, 2, 4, 3>(),
        Traffic::CODED => best::<4, 4, 2, 1>(),
        Traffic::CODED_16_BIT => best::<2, 2, 2, 2>(),
        _ => panic!("no benchmark has this traffic"),
    }
}

/// The loop in the widest registers of the machine.
fn best<const PARAM: usize, const GRAD: usize, const STATE: usize, const STATES: usize>() -> Pass {
    #[cfg(target_arch = "x86_64")]
    match crate::machine::instruction_set() {
        "avx512" => return avx512::<PARAM, GRAD, STATE, STATES>,
        "avx2" => return avx2::<PARAM, GRAD, STATE, STATES>,
        _ => {}
    }
    portable::<PARAM, GRAD, STATE, STATES>
}

macro_rules! compiled {
    ($name:ident $(, $target_feature:meta)?) => {
        /// # Safety
        /// As for [`Pass`].
        $(#[$target_feature])?
        unsafe fn $name<
            const PARAM: usize,
            const GRAD: usize,
            const STATE: usize,
            const STATES: usize,
        >(
            arrays: &Arrays,
            elements: Range<usize>,
        ) {
            // SAFETY: the caller's promise.
            unsafe { pass::<PARAM, GRAD, STATE, STATES>(arrays, elements) }
        }
    };
}

compiled!(portable);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, target_feature(enable = "avx2"));
#[cfg(target_arch = "x86_64")]
compiled!(avx512, target_feature(enable = "avx512f,avx512vl"));

/// # Safety
/// As for [`Pass`].
#[inline(always)]
unsafe fn pass<const PARAM: usize, const GRAD: usize, const STATE: usize, const STATES: usize>(
    arrays: &Arrays,
    elements: Range<usize>,
) {
    for first in elements.step_by(BLOCK) {
        // SAFETY: the caller's promise.
        unsafe {
            // All loads come before all stores: a processor may take a load for one of what it has
            // just stored at the same place of another page, and wait.
            let bits = load::<GRAD>(arrays.grad, first);
            let param = load::<PARAM>(arrays.param, first);
            let mut states = [param; 3];
            for (state, array) in states.iter_mut().zip(&arrays.states[..STATES]) {
                *state = load::<STATE>(*array, first);
            }
            store::<PARAM>(arrays.param, first, param, bits);
            for (state, array) in states.into_iter().zip(&arrays.states[..STATES]) {
                store::<STATE>(*array, first, state, bits);
            }
            // Nothing, which the compiler must leave between blocks: else it works on several at
            // once, gathers what is a block apart, and is slower than memory.
            asm!("", options(nomem, nostack, preserves_flags));
        }
    }
}

/// 64 bytes, which the compiler keeps in registers of whatever size there are.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u64; 8]);

/// A block of an array whose elements have `BYTES` bytes; one line of it, twice, where they have 2.
///
/// # Safety
/// The block is in the array, whose lines are aligned.
#[inline(always)]
unsafe fn load<const BYTES: usize>(array: *const u8, first: usize) -> [Line; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        let block = array.add(first * BYTES).cast::<Line>();
        [block.read(), block.add(BYTES / 2 - 1).read()]
    }
}

/// Stores a block again, after XOR with the bits of the gradient.
///
/// # Safety
/// As for [`load`].
#[inline(always)]
unsafe fn store<const BYTES: usize>(array: *mut u8, first: usize, old: [Line; 2], bits: [Line; 2]) {
    for (part, (old, bits)) in old.into_iter().zip(bits).take(BYTES / 2).enumerate() {
        let new = Line(std::array::from_fn(|word| old.0[word] ^ bits.0[word]));
        // SAFETY: the caller's promise.
        unsafe { array.add(first * BYTES).cast::<Line>().add(part).write(new) };
    }
}
