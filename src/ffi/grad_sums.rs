//! Exact sums of gradients, which can be combined across calls and processes.

use super::arguments::{dtype, not_null, optional_output};
use super::call::{without_handle, work};
use super::versioned::{Versioned, init, read, write};
use super::{radam_dtype, radam_optimizer, radam_status};
use crate::error::{Result, ensure};
use crate::math::ExactSum;
use crate::optimizer::{CallerArray, Measured, Place, measure_tensor, sum_of_words};
use std::ffi::c_void;
use std::fmt::Display;

/// The exact sum of squares of any number of gradient elements, and how many of them are infinite or
/// NaN. Call radam_grad_sums_init first, which makes it the sum of nothing.
///
/// To combine two of these, add their words as plain 64-bit integers; with MPI, all-reduce the 72
/// words with MPI_INT64_T and MPI_SUM. The result describes the gradients of both, and its norm has
/// the same bits in whatever order up to 2^31 sums are added.
///
/// Squares are first added up in f64 over pieces of 16384 elements, counted from the start of the
/// whole tensor (radam_param.tensor_offset included); these partial sums are then added exactly.
/// Shards that are cut at multiples of 16384 elements therefore give the same bits as one process
/// with the whole tensor. With other cuts, the norm may differ in its last place.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct radam_grad_sums {
    /// sizeof(radam_grad_sums); set by radam_grad_sums_init.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// None is negative. Words 0 to 67 are the digits of the sum of squares in base 2^32, least
    /// significant first: word i counts multiples of 2^(32 * i - 1074). Word 68 is the number of
    /// infinite elements, word 69 that of NaN elements, and word 70 that of partial sums of finite
    /// elements that overflowed. Word 71 is 0.
    pub words: [i64; 72],
}

impl Versioned for radam_grad_sums {
    const NAME: &str = "radam_grad_sums";
    const DEFAULTS: Self =
        Self { struct_size: size_of::<Self>() as u32, reserved: 0, words: [0; 72] };
}

/// Sets sums to the sum of no gradients.
///
/// struct_size is sizeof(radam_grad_sums).
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size.
///
/// # Safety
/// sums is NULL or points to struct_size writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_grad_sums_init(
    sums: *mut radam_grad_sums,
    struct_size: u32,
) -> radam_status {
    // SAFETY: `sums` is NULL or has `struct_size` writable bytes.
    without_handle(|| unsafe { init("sums", sums, struct_size) })
}

/// Adds to sums the gradients that radam_step would use: those of all parameters with data and a
/// gradient that are not frozen, except in groups with gradient_release.
///
/// Large work runs on several threads, as in radam_step.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT if
/// sums is not as radam_grad_sums describes it; RADAM_ERROR_INVALID_STATE if a parameter has a
/// gradient but no data; RADAM_ERROR_BUSY.
///
/// # Safety
/// All registered gradients are valid and not written to during the call; sums is NULL or points to
/// as many writable bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_measure(
    opt: *mut radam_optimizer,
    sums: *mut radam_grad_sums,
) -> radam_status {
    // SAFETY: `sums` is NULL or begins with its size; the gradients are those of the registered pointers.
    work(opt, |optimizer| unsafe { add(sums, || optimizer.measure()) })
}

/// Adds to sums the gradient of one tensor, without an optimizer.
///
/// grad is an array of len elements of grad_dtype, aligned to the element size; it may be NULL if
/// len is 0. It is taken to be a whole tensor: its pieces of 16384 elements begin at its first
/// element. All work runs on the calling thread.
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT for an unknown grad_dtype, a len
/// beyond the address space, a misaligned grad, or if sums is not as radam_grad_sums describes it.
///
/// Threads: may be called at any time, also at the same time with different sums.
///
/// # Safety
/// grad is valid and not written to during the call; sums is NULL or points to as many writable
/// bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_measure_tensor(
    grad_dtype: radam_dtype,
    grad: *const c_void,
    len: u64,
    sums: *mut radam_grad_sums,
) -> radam_status {
    without_handle(|| {
        let dtype = dtype(Place(None), "grad_dtype", grad_dtype)?;
        // SAFETY: `grad` is NULL or has `len` elements; `sums` is NULL or begins with its size.
        unsafe {
            let grad = CallerArray::new(grad.cast_mut());
            add(sums, || measure_tensor(dtype, grad, len))
        }
    })
}

/// Gets the L2 norm of the gradients in sums, and how many elements are infinite or NaN.
///
/// norm and nonfinite may be NULL. The norm is NaN if any element is NaN; otherwise infinite if any
/// element is infinite or a partial sum overflowed; and 0 for no gradients.
///
/// Errors: RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_ARGUMENT if sums is not as radam_grad_sums
/// describes it.
///
/// Threads: may be called at any time.
///
/// # Safety
/// sums is NULL or points to as many bytes as its struct_size says; norm and nonfinite are NULL or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_grad_sums_value(
    sums: *const radam_grad_sums,
    norm: *mut f64,
    nonfinite: *mut u64,
) -> radam_status {
    without_handle(|| {
        // SAFETY: `sums` is NULL or begins with its size; the outputs are NULL or writable.
        unsafe {
            let found = Measured::of(&grad_sums("sums->", sums)?);
            optional_output(norm, found.norm);
            optional_output(nonfinite, found.nonfinite);
        }
        Ok(())
    })
}

/// Checks the caller's sums, and adds what `measure` returns.
///
/// # Safety
/// `sums` is null or points to as many writable bytes as the `struct_size` there says.
unsafe fn add(
    sums: *mut radam_grad_sums,
    measure: impl FnOnce() -> Result<ExactSum>,
) -> Result<()> {
    // SAFETY: `sums` is NULL or as long as its struct_size says.
    unsafe {
        let mut total = grad_sums("sums->", sums)?;
        total.add_sum(&measure()?);
        let total = radam_grad_sums { words: total.words(), ..radam_grad_sums::DEFAULTS };
        write("sums->", &total, sums)
    }
}

/// The sums in the caller's struct. `place` comes before the names of fields in messages.
///
/// # Safety
/// `sums` is null or points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn grad_sums(
    place: impl Display + Copy,
    sums: *const radam_grad_sums,
) -> Result<ExactSum> {
    not_null("sums", sums, "a struct that radam_grad_sums_init has filled")?;
    // SAFETY: `sums` is as long as its struct_size says.
    let radam_grad_sums { reserved, words, .. } = unsafe { read(place, sums) }?;
    ensure!(reserved == 0, InvalidArgument, "{place}reserved is {reserved}; it must be 0");
    sum_of_words(place, &words)
}
