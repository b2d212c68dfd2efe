//! What is known of many gradients, as sums that can be added up across calls and processes.

use super::arguments::{dtype, not_null, optional_output};
use super::call::{without_handle, work};
use super::versioned::{Versioned, init, read, size_at, write};
use super::{radam_dtype, radam_optimizer, radam_status};
use crate::error::{Result, ensure, error};
use crate::math::ExactSum;
use crate::optimizer::{CallerArray, Measured, Place, measure_tensor};
use std::ffi::c_void;
use std::fmt::Display;

/// What is known of many gradients, exactly: the sum of their squares, and how many are infinite or NaN.
///
/// Of two such sums, add the words as plain 64-bit integers (with MPI: MPI_INT64_T, MPI_SUM, 72 of them): the
/// result stands for the gradients of both, and its norm has the same bits in whatever order up to 2^31 of
/// them are added. Fill it by radam_grad_sums_init first, which makes it the sum of nothing.
///
/// The squares are first added up in f64 over pieces of 16384 elements, counted from the start of the whole
/// tensor (radam_param.tensor_offset included), and these partial sums exactly. So shards that are cut at
/// multiples of 16384 elements give together the same bits as one process; other cuts may change the last place
/// of the norm.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_grad_sums {
    /// sizeof(radam_grad_sums), as radam_grad_sums_init leaves it.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// None is negative. words[0] to words[67] are the digits of the sum of squares in base 2^32, the least
    /// significant first: the sum is that of words[i] * 2^(32 i - 1074). words[68] counts the infinities among
    /// the gradients, words[69] the NaN, and words[70] the partial sums of finite gradients that overflowed.
    /// words[71] is 0.
    pub words: [i64; 72],
}

impl Versioned for radam_grad_sums {
    const NAME: &str = "radam_grad_sums";
    const EARLIER_SIZES: &[usize] = &[];

    fn defaults() -> Self {
        Self { struct_size: size_of::<Self>() as u32, reserved: 0, words: [0; 72] }
    }
}

/// Makes sums those of no gradients.
///
/// struct_size is sizeof(radam_grad_sums).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a struct_size that no version
/// had.
///
/// # Safety
/// sums is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_grad_sums_init(
    sums: *mut radam_grad_sums,
    struct_size: u32,
) -> radam_status {
    // SAFETY: the caller's promise.
    without_handle(|| unsafe { init("sums", sums, struct_size) })
}

/// Adds the gradients that radam_step would step by to sums: those of all parameters that have data and a
/// gradient and are not frozen, groups with gradient_release excepted.
///
/// Large work runs on up to num_threads threads, as in radam_step.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for sums that are
/// not as radam_grad_sums describes them; RADAM_ERROR_INVALID_STATE for a parameter that has a gradient and no
/// data; RADAM_ERROR_BUSY.
///
/// # Safety
/// All gradients that the optimizer has are valid, and nobody writes them during the call; sums is NULL or
/// points to as many writable bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_measure(
    opt: *mut radam_optimizer,
    sums: *mut radam_grad_sums,
) -> radam_status {
    // SAFETY: the caller's promise.
    work(opt, |optimizer| unsafe { add(sums, || optimizer.measure()) })
}

/// Adds the gradient of one tensor to sums, without an optimizer.
///
/// grad has len elements of grad_dtype, aligned to the size of one, and may be NULL where len is 0. Everything
/// happens on the calling thread. The tensor counts as a whole one: its pieces of 16384 elements begin at its
/// first element.
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown dtype, a length that cannot be,
/// misaligned memory, or sums that are not as radam_grad_sums describes them. The sentence is at
/// radam_last_error(NULL, ...).
///
/// Threads: may be called from any, also at once with different sums.
///
/// # Safety
/// grad is valid, and nobody writes it during the call; sums is NULL or points to as many writable bytes as its
/// struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_measure_tensor(
    grad_dtype: radam_dtype,
    grad: *const c_void,
    len: u64,
    sums: *mut radam_grad_sums,
) -> radam_status {
    without_handle(|| {
        let dtype = dtype(Place(None), "grad_dtype", grad_dtype)?;
        // SAFETY: the caller's promise.
        unsafe {
            let grad = CallerArray::new(grad.cast_mut());
            add(sums, || measure_tensor(dtype, grad, len))
        }
    })
}

/// Tells what sums come to: the L2 norm of the gradients, and how many of them are infinite or NaN.
///
/// norm and nonfinite may be NULL. The norm is NaN if a gradient is, or else infinite if one is or a partial
/// sum overflowed, and 0 of no gradients.
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for sums that are not as radam_grad_sums
/// describes them. The sentence is at radam_last_error(NULL, ...).
///
/// Threads: may be called from any.
///
/// # Safety
/// sums is NULL or points to as many bytes as its struct_size says; norm and nonfinite are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_grad_sums_value(
    sums: *const radam_grad_sums,
    norm: *mut f64,
    nonfinite: *mut u64,
) -> radam_status {
    without_handle(|| {
        not_null("sums", sums, "a struct that radam_grad_sums_init has filled")?;
        // SAFETY: the caller's promise.
        unsafe {
            let found = Measured::of(&grad_sums("sums->", sums)?);
            optional_output(norm, found.norm);
            optional_output(nonfinite, found.nonfinite);
        }
        Ok(())
    })
}

/// Adds what is measured to the caller's sums, which are checked before.
///
/// # Safety
/// `sums` is null or points to as many writable bytes as the `struct_size` there says.
unsafe fn add(
    sums: *mut radam_grad_sums,
    measure: impl FnOnce() -> Result<ExactSum>,
) -> Result<()> {
    not_null("sums", sums, "a struct that radam_grad_sums_init has filled")?;
    // SAFETY: the caller's promise; the size is one that some version had.
    unsafe {
        size_at("sums->", sums)?;
        let mut total = grad_sums("sums->", sums)?;
        total.add_sum(&measure()?);
        write(&radam_grad_sums { words: total.words(), ..radam_grad_sums::defaults() }, sums);
    }
    Ok(())
}

/// The sums in a struct of the caller's. `place` is how its fields are named.
///
/// # Safety
/// `sums` points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn grad_sums(
    place: impl Display + Copy,
    sums: *const radam_grad_sums,
) -> Result<ExactSum> {
    // SAFETY: the caller's promise.
    let radam_grad_sums { reserved, words, .. } = unsafe { read(place, sums) }?;
    ensure!(reserved == 0, InvalidArgument, "{place}reserved is {reserved}; it must be 0");
    for (index, word) in words.iter().enumerate() {
        let is_right = if index == words.len() - 1 { *word == 0 } else { *word >= 0 };
        ensure!(
            is_right,
            InvalidArgument,
            "{place}words[{index}] is {word}; no word is negative in sums of up to 2^31 others, and the last is 0"
        );
    }
    ExactSum::from_words(&words).ok_or_else(|| {
        error!(
            InvalidArgument,
            "{place}words are the digits of a sum that no gradients come to; they must be those that radam_measure or \
             radam_measure_tensor gave, added word by word"
        )
    })
}
