//! From a C call to its optimizer, and from its result to a status and a kept error message.

use super::call_lock::{Exclusive, Refusal};
use super::guard::{bug, catch, guard};
use super::last_error::{copy, keep_for_thread};
use super::registry;
use super::slot::Inside;
use super::{RADAM_OK, radam_optimizer, radam_status, status_of};
use crate::error::{Error, Result, Status, ensure, error};
use crate::optimizer::Optimizer;

/// An exclusive call that changes the optimizer; not even getters overlap it.
pub(super) fn change(
    opt: *const radam_optimizer,
    body: impl FnOnce(&mut Optimizer) -> Result<()>,
) -> radam_status {
    let mut body = Some(body);
    exclusively(opt, false, &mut |call| {
        let mut optimizer = call.change().map_err(refused)?;
        body.take().map_or(Ok(()), |body| body(&mut optimizer))
    })
}

/// An exclusive call that leaves what getters read alone, so getters may overlap it.
pub(super) fn work(
    opt: *const radam_optimizer,
    body: impl FnOnce(&Optimizer) -> Result<()>,
) -> radam_status {
    let mut body = Some(body);
    exclusively(opt, false, &mut |call| body.take().map_or(Ok(()), |body| body(call)))
}

/// An exclusive call that does its work as [`work`] does, and applies the outcome as [`change`] does.
pub(super) fn work_and_change<T>(
    opt: *const radam_optimizer,
    work: impl FnOnce(&Optimizer) -> Result<T>,
    change: impl FnOnce(&mut Optimizer, T),
) -> radam_status {
    let mut parts = Some((work, change));
    exclusively(opt, false, &mut |call| {
        let Some((work, change)) = parts.take() else { return Ok(()) };
        // Refused before anything is done, if a getter that a fork has left behind is inside.
        drop(call.change().map_err(refused)?);
        let outcome = work(call)?;
        change(&mut *call.change().map_err(refused)?, outcome);
        Ok(())
    })
}

/// As [`work`], for the calls that belong to an open step.
pub(super) fn work_in_step(
    opt: *const radam_optimizer,
    body: impl FnOnce(&Optimizer) -> Result<()>,
) -> radam_status {
    let mut body = Some(body);
    exclusively(opt, true, &mut |call| body.take().map_or(Ok(()), |body| body(call)))
}

/// A concurrent call, which may overlap others of its kind.
pub(super) fn concurrent(
    opt: *const radam_optimizer,
    body: impl FnOnce(&Optimizer) -> Result<()>,
) -> radam_status {
    let mut body = Some(body);
    with(opt, &mut |inside| {
        let optimizer = inside.optimizer().concurrent().map_err(refused)?;
        body.take().map_or(Ok(()), |body| body(&optimizer))
    })
}

/// A getter.
pub(super) fn get(
    opt: *const radam_optimizer,
    body: impl FnOnce(&Optimizer) -> Result<()>,
) -> radam_status {
    let mut body = Some(body);
    with(opt, &mut |inside| {
        let optimizer = inside.optimizer().getter().map_err(refused)?;
        body.take().map_or(Ok(()), |body| body(&optimizer))
    })
}

/// A getter of a text, which is copied to `buffer`; an empty one if it fails. Returns the size of the whole text.
pub(super) fn get_text(
    opt: *const radam_optimizer,
    buffer: &mut [u8],
    text: impl FnOnce(&Optimizer) -> Result<String>,
) -> u64 {
    let mut needed = None;
    get(opt, |optimizer| {
        needed = Some(copy(text(optimizer)?.as_bytes(), buffer));
        Ok(())
    });
    needed.unwrap_or_else(|| copy(b"", buffer))
}

// The functions below take trait objects: a copy of them for each function of the API would make the library a
// third larger.

fn exclusively(
    opt: *const radam_optimizer,
    is_part_of_step: bool,
    body: &mut dyn FnMut(&mut Exclusive<Optimizer>) -> Result<()>,
) -> radam_status {
    with(opt, &mut |inside| {
        let mut call = inside.optimizer().exclusive().map_err(refused)?;
        ensure!(
            is_part_of_step || !call.is_step_open(),
            Busy,
            "opt has an open step, which radam_step_begin opened; end it first with radam_step_end, or with \
             radam_step_abort if nothing has changed yet"
        );
        body(&mut call)
    })
}

/// A call on the slot of a handle, whatever other calls are inside. The error message is kept for the thread and,
/// unless it is BUSY, on the handle.
pub(super) fn with(
    opt: *const radam_optimizer,
    body: &mut dyn FnMut(&Inside) -> Result<()>,
) -> radam_status {
    guard(|| {
        let Some(inside) = registry::enter(opt) else {
            return kept_for_thread(&invalid_handle(opt));
        };
        let Err(error) = catch(|| body(&inside)) else { return RADAM_OK };
        let status = kept_for_thread(&error);
        if error.status != Status::Busy {
            inside.last_error().keep(error.message);
        }
        status
    })
}

/// A call without an optimizer. The error message is kept for the thread.
pub(super) fn without_handle(body: impl FnOnce() -> Result<()>) -> radam_status {
    let mut body = Some(body);
    without(&mut || body.take().map_or(Ok(()), |body| body()))
}

fn without(body: &mut dyn FnMut() -> Result<()>) -> radam_status {
    guard(|| match catch(body) {
        Ok(()) => RADAM_OK,
        Err(error) => kept_for_thread(&error),
    })
}

fn kept_for_thread(error: &Error) -> radam_status {
    keep_for_thread(&error.message);
    status_of(error.status)
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Busy => error!(
            Busy,
            "opt is in use by another call; on one optimizer, only getters may overlap other calls, and \
             radam_step_param, radam_step_tensor and radam_step_chunk one another"
        ),
        Refusal::Broken => bug(),
    }
}

fn invalid_handle(opt: *const radam_optimizer) -> Error {
    if opt.is_null() {
        error!(InvalidHandle, "opt is NULL; it must be a handle from radam_create")
    } else {
        error!(
            InvalidHandle,
            "opt is {opt:p}, which is not a handle, or one that has been freed; it must be a handle from \
             radam_create that has not been passed to radam_free"
        )
    }
}
