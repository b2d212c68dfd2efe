//! How a call from C reaches its optimizer, and how its outcome gets back.

use super::call_lock::{Exclusive, Refusal};
use super::guard::{bug, catch, guard};
use super::last_error::keep_for_thread;
use super::registry::{self, Inside};
use super::{RADAM_OK, radam_optimizer, radam_status, status_of};
use crate::error::{Error, Result, Status, error};
use crate::optimizer::Optimizer;

/// A call that changes the optimizer, alone inside it.
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

/// A call that works with the optimizer, no other beside it but getters.
pub(super) fn work(
    opt: *const radam_optimizer,
    body: impl FnOnce(&Optimizer) -> Result<()>,
) -> radam_status {
    let mut body = Some(body);
    exclusively(opt, false, &mut |call| body.take().map_or(Ok(()), |body| body(call)))
}

/// A call that works with the optimizer, and then changes it by what came of that.
pub(super) fn work_and_change<T>(
    opt: *const radam_optimizer,
    work: impl FnOnce(&Optimizer) -> Result<T>,
    change: impl FnOnce(&mut Optimizer, T),
) -> radam_status {
    let mut parts = Some((work, change));
    exclusively(opt, false, &mut |call| {
        let Some((work, change)) = parts.take() else { return Ok(()) };
        let outcome = work(call)?;
        change(&mut *call.change().map_err(refused)?, outcome);
        Ok(())
    })
}

/// As `work`, where a step is open.
pub(super) fn work_in_step(
    opt: *const radam_optimizer,
    body: impl FnOnce(&Optimizer) -> Result<()>,
) -> radam_status {
    let mut body = Some(body);
    exclusively(opt, true, &mut |call| body.take().map_or(Ok(()), |body| body(call)))
}

/// A call that may overlap others of its kind on the same optimizer.
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

/// A call that reads, at any time.
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

// What follows takes trait objects: a copy for every function of the API would make the library larger
// by a third.

fn exclusively(
    opt: *const radam_optimizer,
    is_part_of_step: bool,
    body: &mut dyn FnMut(&mut Exclusive<Optimizer>) -> Result<()>,
) -> radam_status {
    with(opt, &mut |inside| {
        let mut call = inside.optimizer().exclusive().map_err(refused)?;
        if call.is_step_open() && !is_part_of_step {
            return Err(step_open());
        }
        body(&mut call)
    })
}

/// A call on whatever the handle stands for, whoever else is inside. A failure is kept for the thread and,
/// unless it is only that another call is inside, on the handle.
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
        if error.status == Status::Panic {
            inside.optimizer().set_broken();
        }
        if error.status != Status::Busy {
            inside.slot().last_error.keep(error.sentence);
        }
        status
    })
}

/// A call without an optimizer. A failure is kept for the thread.
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
    keep_for_thread(&error.sentence);
    status_of(error.status)
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Busy => error!(
            Busy,
            "opt is in use by another call; calls on one optimizer must not overlap, except for getters, and \
             for radam_step_param, radam_step_tensor and radam_step_chunk among themselves"
        ),
        Refusal::Broken => bug(),
    }
}

fn step_open() -> Error {
    error!(
        Busy,
        "opt has an open step, which radam_step_begin opened; radam_step_end must end it first, or \
         radam_step_abort while nothing has changed yet"
    )
}

fn invalid_handle(opt: *const radam_optimizer) -> Error {
    if opt.is_null() {
        error!(InvalidHandle, "opt is NULL; it must be a handle that radam_create gave")
    } else {
        error!(
            InvalidHandle,
            "opt is {opt:p}, which is not a handle or one that was freed; it must be one that \
             radam_create gave and radam_free did not free"
        )
    }
}
