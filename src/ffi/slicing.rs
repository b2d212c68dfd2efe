//! Steps in slices: on an engine's own threads, or for a limited time in every frame.

use super::arguments::{not_null, optional_output};
use super::call::{concurrent, work, work_in_step};
use super::step_options::{check_report, step_options, write_report};
use super::{radam_optimizer, radam_status, radam_step_options, radam_step_report};
use std::time::Duration;

/// Opens a step that the caller runs in slices: chunk by chunk on any threads (radam_step_wave,
/// radam_step_chunk), for a limited time now and then (radam_step_for), or both.
///
/// options may be NULL for those of radam_step. Until radam_step_end, registered arrays must stay
/// where they are. The getters, radam_step_param and radam_step_tensor may be called while the step
/// is open; other calls that are not part of the step return RADAM_ERROR_BUSY. Step counts change in
/// radam_step_end. Results have the same bits as those of radam_step_with, however the step is
/// sliced.
///
/// In the first step, the operating system provides the memory of the state page by page as it is
/// touched, which takes time. To do this earlier, call radam_reset_state for all parameters.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for an option out of range or a
/// wrong struct_size; RADAM_ERROR_INVALID_STATE if a parameter has a gradient but no data;
/// RADAM_ERROR_BUSY, also if a step is already open.
///
/// # Safety
/// options is NULL or points to as many bytes as its struct_size says. All registered arrays are
/// valid and not written by anyone else until radam_step_end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_begin(
    opt: *mut radam_optimizer,
    options: *const radam_step_options,
) -> radam_status {
    work(opt, |optimizer| {
        // SAFETY: `options` is NULL or as long as its struct_size says, and so is what it points to.
        let mut options = unsafe { step_options(options) }?;
        // It is not yet known whether radam_step_end will ask for a report, so gradients are measured only on request.
        options.measure_grads = options.measure_params;
        optimizer.begin_step(options)
    })
}

/// Starts the next wave of the open step: a set of chunks that may run in any order and in parallel.
///
/// *chunks receives the number of chunks; 0 means that there are no more waves. All chunks of the
/// previous wave must have been stepped. Chunks take about the same time: they have 16384 elements,
/// or 65536 if they are only measured. With max_grad_norm, skip_nonfinite or report_norms, and
/// without grad_sums, the first wave measures the gradients. Each tensor of a group with for_each off is a wave of its own.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_NULL_POINTER; RADAM_ERROR_INVALID_STATE if no
/// step is open or chunks of the previous wave are left; RADAM_ERROR_BUSY, also while another thread
/// is inside radam_step_chunk.
///
/// # Safety
/// As for radam_step_begin; chunks is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_wave(
    opt: *mut radam_optimizer,
    chunks: *mut u64,
) -> radam_status {
    work_in_step(opt, |optimizer| {
        not_null("chunks", chunks, "the variable that receives the number of chunks")?;
        let len = optimizer.next_slices()?;
        // SAFETY: `chunks` was checked, and is writable.
        unsafe { chunks.write_unaligned(len as u64) };
        Ok(())
    })
}

/// Steps one chunk of the current wave, on the calling thread.
///
/// chunk is an index below the number that radam_step_wave gave. Each must be stepped exactly once.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT if the wave has no such chunk or
/// it has already been stepped; RADAM_ERROR_INVALID_STATE if no step is open or it has no wave;
/// RADAM_ERROR_BUSY.
///
/// Threads: may be called at the same time for different chunks.
///
/// # Safety
/// As for radam_step_begin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_chunk(opt: *mut radam_optimizer, chunk: u64) -> radam_status {
    concurrent(opt, |optimizer| optimizer.step_chunk(chunk))
}

/// Runs the open step for a limited time, on the calling thread: what is left of the current wave,
/// then the waves after it.
///
/// budget_ns is the time in nanoseconds. The call returns before a chunk that would exceed it, if
/// that chunk took as long as the slowest one of this call so far. It steps at least one chunk
/// unless budget_ns is 0, so repeated calls always finish the step. *chunks_left, if chunks_left is
/// not NULL, receives the number of chunks left in all waves; at 0, the step is ready for
/// radam_step_end.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE if no step is open;
/// RADAM_ERROR_BUSY.
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
        // SAFETY: `chunks_left` is NULL or writable.
        unsafe { optional_output(chunks_left, left as u64) };
        Ok(())
    })
}

/// Ends the open step, all of whose chunks have been stepped, and increments step counts.
///
/// If report is not NULL, it is filled in. Gradients are measured only with max_grad_norm,
/// skip_nonfinite or report_norms; otherwise, and without grad_sums, grad_norm is NaN and nonfinite
/// is 0.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_ARGUMENT for a wrong struct_size;
/// RADAM_ERROR_INVALID_STATE if no step is open or chunks are left, in this wave or a later one;
/// RADAM_ERROR_BUSY.
///
/// # Safety
/// report is NULL or points to as many writable bytes as its struct_size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn radam_step_end(
    opt: *mut radam_optimizer,
    report: *mut radam_step_report,
) -> radam_status {
    work_in_step(opt, |optimizer| {
        // SAFETY: `report` is NULL or as long as its struct_size says.
        unsafe {
            check_report(report)?;
            write_report(&optimizer.end_step()?, report)
        }
    })
}

/// Cancels the open step as if it had never begun. This is possible until the first chunk that
/// changes anything: before and during the measuring of gradients.
///
/// Errors: RADAM_ERROR_INVALID_HANDLE; RADAM_ERROR_INVALID_STATE if no step is open, or if
/// parameters have already changed: then the step must be completed; RADAM_ERROR_BUSY.
#[unsafe(no_mangle)]
pub extern "C" fn radam_step_abort(opt: *mut radam_optimizer) -> radam_status {
    work_in_step(opt, |optimizer| optimizer.abort_step())
}
