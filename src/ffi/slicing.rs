//! The step in slices: for an engine's own threads, or a little in every frame.

use super::arguments::{not_null, optional_output};
use super::call::{concurrent, work, work_in_step};
use super::step_options::{check_report, step_options, write_report};
use super::{radam_optimizer, radam_status, radam_step_options, radam_step_report};
use std::time::Duration;

/// Opens a step that the caller then works on in slices: chunk by chunk on any threads
/// (radam_step_wave, radam_step_chunk), or for some time now and then (radam_step_for), or both.
///
/// The first step touches the memory of the state for the first time, and the system takes its time to
/// give it; where a frame has no time for that, radam_reset_state for all parameters does it before.
///
/// options may be NULL, for those of radam_step. Until radam_step_end, gradients and parameters must
/// stay where they are; and the calls that change the optimizer, radam_step and radam_step_with give
/// RADAM_ERROR_BUSY. Getters may be called, and so may radam_step_param and radam_step_tensor, whose groups
/// take no part. Step counts change in radam_step_end. The results are the same bits as those of radam_step_with, however
/// the step is sliced.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an option out of its range;
/// RADAM_ERROR_INVALID_STATE for a parameter that has a gradient and no data; RADAM_ERROR_BUSY, also where a
/// step is open.
///
/// # Safety
/// options is NULL or points to as many bytes as its struct_size says. All parameters and gradients that
/// the optimizer has are valid, and nobody else writes them until radam_step_end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_begin(
    opt: *mut radam_optimizer,
    options: *const radam_step_options,
) -> radam_status {
    work(opt, |optimizer| {
        // SAFETY: the caller's promise.
        let mut options = unsafe { step_options(options) }?;
        // Whether radam_step_end gets a report is not known yet; what costs is only done on request.
        options.measure_grads = options.measure_params;
        optimizer.begin_step(options)
    })
}

/// Goes on to the next wave of the open step: chunks that may be stepped in any order and at once.
///
/// *chunks is how many there are; 0: none, and no more waves. All chunks of the wave before must have
/// been stepped. Chunks take about as long as one another: some 16K elements each, or 64K where they are
/// only measured. With max_grad_norm, skip_nonfinite or report_norms, the first wave measures the
/// gradients. A tensor of a group with for_each off has a wave of its own.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_STATE where no step
/// is open or chunks of the wave before are left; RADAM_ERROR_BUSY, also while another thread is inside
/// radam_step_chunk.
///
/// # Safety
/// As for radam_step_begin; chunks is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_wave(
    opt: *mut radam_optimizer,
    chunks: *mut u64,
) -> radam_status {
    work_in_step(opt, |optimizer| {
        not_null("chunks", chunks, "where the number of chunks is to be written")?;
        let len = optimizer.next_slices()?;
        // SAFETY: the caller's promise.
        unsafe { chunks.write_unaligned(len as u64) };
        Ok(())
    })
}

/// Steps one chunk of the present wave of the open step, on the calling thread.
///
/// chunk is below what radam_step_wave gave; each must be stepped once.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for a chunk that the wave does not
/// have or that was stepped already; RADAM_ERROR_INVALID_STATE where no step is open or it has no wave;
/// RADAM_ERROR_BUSY.
///
/// Threads: may be called at once for different chunks, from any threads.
///
/// # Safety
/// As for radam_step_begin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_chunk(opt: *mut radam_optimizer, chunk: u64) -> radam_status {
    concurrent(opt, |optimizer| optimizer.step_chunk(chunk))
}

/// Works on the open step for some time, on the calling thread: on what is left of the present wave,
/// and then on the waves after it.
///
/// budget_ns is in nanoseconds. The call returns when the next chunk would end after that, going by the
/// longest one of the call so far; but unless budget_ns is 0, it steps at least one chunk, so that the
/// step comes to its end. *chunks_left, where not NULL, is how many chunks are left in all waves: 0 if
/// the step is ready for radam_step_end.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE where no step is open; RADAM_ERROR_BUSY.
///
/// # Safety
/// As for radam_step_begin; chunks_left is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_for(
    opt: *mut radam_optimizer,
    budget_ns: u64,
    chunks_left: *mut u64,
) -> radam_status {
    work_in_step(opt, |optimizer| {
        let left = optimizer.step_for(Duration::from_nanos(budget_ns))?;
        // SAFETY: the caller's promise.
        unsafe { optional_output(chunks_left, left as u64) };
        Ok(())
    })
}

/// Ends the open step, all of whose chunks have been stepped, and counts it.
///
/// report, which may be NULL, receives what became of it. The gradients were measured only with
/// max_grad_norm, skip_nonfinite or report_norms; without, grad_norm is NaN and nonfinite is 0.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for a report of a struct_size that no
/// version had; RADAM_ERROR_INVALID_STATE where no step is open or chunks are left, in this wave or
/// another; RADAM_ERROR_BUSY.
///
/// # Safety
/// report is NULL or points to as many writable bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_end(
    opt: *mut radam_optimizer,
    report: *mut radam_step_report,
) -> radam_status {
    work_in_step(opt, |optimizer| {
        // SAFETY: the caller's promise.
        unsafe { check_report(report) }?;
        let found = optimizer.end_step()?;
        // SAFETY: the caller's promise; the report was checked.
        unsafe { write_report(&found, report) };
        Ok(())
    })
}

/// Gives up the open step, as if it had not begun. It is possible until the first chunk that changes
/// anything, which is until the gradients are measured.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE where no step is open, or parameters have
/// changed: then the step must be gone through; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_step_abort(opt: *mut radam_optimizer) -> radam_status {
    work_in_step(opt, |optimizer| optimizer.abort_step())
}
