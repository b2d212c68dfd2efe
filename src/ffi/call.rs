//! How a call from C reaches its optimizer, and how its outcome gets back.

use super::guard::{bug, catch, guard};
use super::last_error::keep_for_thread;
use super::registry::{self, Inside};
use super::{RADAM_OK, radam_optimizer, radam_status, status_of};
use crate::error::{Error, Result, error};
use crate::optimizer::Optimizer;
use std::sync::TryLockError;

/// A call that no other may overlap on the same optimizer.
pub(super) fn exclusive(
    opt: *const radam_optimizer,
    body: impl FnOnce(&mut Optimizer) -> Result<()>,
) -> radam_status {
    with(opt, |inside| match inside.optimizer().try_write() {
        Ok(mut optimizer) => body(&mut optimizer),
        Err(TryLockError::WouldBlock) => Err(busy()),
        Err(TryLockError::Poisoned(_)) => Err(bug()),
    })
}

/// A call that may overlap others of its kind on the same optimizer.
pub(super) fn shared(
    opt: *const radam_optimizer,
    body: impl FnOnce(&Optimizer) -> Result<()>,
) -> radam_status {
    with(opt, |inside| match inside.optimizer().try_read() {
        Ok(optimizer) => body(&optimizer),
        Err(TryLockError::WouldBlock) => Err(busy()),
        Err(TryLockError::Poisoned(_)) => Err(bug()),
    })
}

/// A call on whatever the handle stands for, whoever else is inside. A failure is kept there.
pub(super) fn with(
    opt: *const radam_optimizer,
    body: impl FnOnce(&Inside) -> Result<()>,
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
         radam_step_param on different parameters and functions that take a const radam_optimizer"
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
