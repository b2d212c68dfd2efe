//! How a call from C reaches its optimizer, and how its outcome gets back.

use super::guard::{bug, catch, guard};
use super::last_error::keep_for_thread;
use super::registry::{self, Inside};
use super::{RADAM_OK, radam_optimizer, radam_status, status_of};
use crate::error::{Error, Result, error};
use crate::optimizer::Optimizer;
use std::sync::TryLockError;

/// A call that no other may overlap on the same optimizer, nor a step that is open.
pub(super) fn exclusive(
    opt: *const radam_optimizer,
    body: impl FnOnce(&mut Optimizer) -> Result<()>,
) -> radam_status {
    exclusively(opt, false, &mut once(body))
}

/// A call that no other may overlap on the same optimizer, but that may be part of an open step.
pub(super) fn in_step(
    opt: *const radam_optimizer,
    body: impl FnOnce(&mut Optimizer) -> Result<()>,
) -> radam_status {
    exclusively(opt, true, &mut once(body))
}

/// A call that may overlap others of its kind on the same optimizer.
pub(super) fn shared(
    opt: *const radam_optimizer,
    body: impl FnOnce(&Optimizer) -> Result<()>,
) -> radam_status {
    let mut body = Some(body);
    with(opt, &mut |inside| match inside.optimizer().try_read() {
        Ok(optimizer) => body.take().map_or(Ok(()), |body| body(&optimizer)),
        Err(TryLockError::WouldBlock) => Err(busy()),
        Err(TryLockError::Poisoned(_)) => Err(bug()),
    })
}

// What follows takes trait objects: a copy for every function of the API would make the library larger
// by a third.

/// A function that is called once, as one that may be called again.
fn once(
    body: impl FnOnce(&mut Optimizer) -> Result<()>,
) -> impl FnMut(&mut Optimizer) -> Result<()> {
    let mut body = Some(body);
    move |optimizer| body.take().map_or(Ok(()), |body| body(optimizer))
}

fn exclusively(
    opt: *const radam_optimizer,
    is_part_of_step: bool,
    body: &mut dyn FnMut(&mut Optimizer) -> Result<()>,
) -> radam_status {
    with(opt, &mut |inside| match inside.optimizer().try_write() {
        Ok(optimizer) if optimizer.is_step_open() && !is_part_of_step => Err(step_open()),
        Ok(mut optimizer) => body(&mut optimizer),
        Err(TryLockError::WouldBlock) => Err(busy()),
        Err(TryLockError::Poisoned(_)) => Err(bug()),
    })
}

/// A call on whatever the handle stands for, whoever else is inside. A failure is kept there.
pub(super) fn with(
    opt: *const radam_optimizer,
    body: &mut dyn FnMut(&Inside) -> Result<()>,
) -> radam_status {
    guard(|| {
        let Some(inside) = registry::enter(opt) else {
            return kept_for_thread(invalid_handle(opt));
        };
        match catch(|| body(&inside)) {
            Ok(()) => RADAM_OK,
            Err(error) => {
                inside.slot().last_error.keep(error.sentence);
                status_of(error.status)
            }
        }
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
        Err(error) => kept_for_thread(error),
    })
}

fn kept_for_thread(error: Error) -> radam_status {
    keep_for_thread(&error.sentence);
    status_of(error.status)
}

fn busy() -> Error {
    error!(
        Busy,
        "opt is in use by another thread; calls on one optimizer must not overlap, except for \
         radam_step_param on different parameters, radam_step_chunk and functions that take a const \
         radam_optimizer"
    )
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
