//! Exact sums of gradients, which can be combined across calls and processes.

use super::{Array, Error, in_default_mode};
use crate::math::ExactSum;
use crate::optimizer::{CallerSlice, Measured, measure_tensor, sum_of_words};
use std::ops::AddAssign;

/// The exact sum of squares of any number of gradient elements, and how many of them are infinite or NaN.
///
/// Sums are combined with `+=`, or, across processes, by adding their [`words`](Self::words) as plain 64-bit integers
/// (with MPI, `MPI_INT64_T` and `MPI_SUM`). The norm has the same bits in whatever order up to 2³¹ sums are added.
///
/// Squares are first added up in f64 over pieces of 16384 elements, counted from the start of the whole tensor; these
/// partial sums are then added exactly. Shards that are cut at multiples of 16384 elements therefore give the same bits
/// as one process with the whole tensor.
///
/// ```
/// use radam::GradSums;
///
/// let mut sums = GradSums::new();
/// sums += &GradSums::measure(&[3.0f32, 0.0])?;
/// sums += &GradSums::measure(&[4.0f64])?;
/// assert_eq!(sums.norm(), 5.0);
/// assert_eq!(GradSums::from_words(&sums.words())?, sums);
/// # Ok::<(), radam::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GradSums(pub(super) ExactSum);

impl GradSums {
    /// The sums of no gradients.
    pub fn new() -> Self {
        Self::default()
    }

    /// Measures the gradient of a whole tensor, on the calling thread.
    /// [`Optimizer::measure`](crate::Optimizer::measure) measures those of many tensors, and of shards.
    ///
    /// # Errors
    /// Only if the environment variable `RADAM_ISA`, which is for tests, names an instruction set that this machine
    /// lacks.
    pub fn measure(grad: &(impl Array + ?Sized)) -> Result<Self, Error> {
        // SAFETY: the slice is borrowed until this returns.
        let grad = unsafe { CallerSlice::of(grad.elements()) };
        in_default_mode(|| Ok(Self(measure_tensor(grad.dtype, grad.array, grad.len as u64)?)))
    }

    /// The sums as integers. Words 0 to 67 are the digits of the sum of squares in base 2³², least significant first:
    /// word i counts multiples of 2^(32 i - 1074). Word 68 is the number of infinite elements, word 69 that of NaN
    /// elements, and word 70 that of partial sums of finite elements that overflowed. Word 71 is 0.
    pub fn words(&self) -> [i64; 72] {
        self.0.words()
    }

    /// The sums that have these words, or word-wise sums of the words of several.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if a word is negative, the last one is not 0, or the sum is too large to be one of
    /// gradients.
    pub fn from_words(words: &[i64; 72]) -> Result<Self, Error> {
        Ok(Self(sum_of_words("", words)?))
    }

    /// The L2 norm: NaN if any element is NaN; otherwise infinite if any element is infinite or a partial sum
    /// overflowed; and 0 for no gradients.
    pub fn norm(&self) -> f64 {
        in_default_mode(|| Measured::of(&self.0).norm)
    }

    /// How many elements are infinite or NaN.
    pub fn nonfinite(&self) -> u64 {
        self.0.nonfinite()
    }
}

impl AddAssign<&GradSums> for GradSums {
    fn add_assign(&mut self, other: &GradSums) {
        self.0.add_sum(&other.0);
    }
}
