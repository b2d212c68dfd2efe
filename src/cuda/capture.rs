//! Streams that are captured into CUDA graphs: what may not be done meanwhile, and what is different afterwards.

use super::Work;
use super::driver::{Driver, Handle};
use crate::error::{Result, ensure};
use std::ffi::c_int;

impl Work {
    /// Whether what is enqueued is captured into a graph, which then has addresses of buffers. It can be launched between any two
    /// steps from then on, so that no step is prepared ahead any more, nor does the graph prepare one, from tables that may change.
    pub fn note_capture(&mut self, driver: &Driver) -> Result<bool> {
        let is_capturing = is_capturing(driver, self.stream)?;
        if is_capturing {
            self.captured = true;
            self.constants.ahead = None;
        }
        Ok(is_capturing)
    }
}

/// Waits for all work on a stream. `what` cannot be had before it is done.
pub(super) fn wait(driver: &Driver, stream: Handle, what: &str) -> Result<()> {
    check_can_wait(driver, stream, what)?;
    // SAFETY: the stream is the caller's.
    unsafe { driver.stream_synchronize(stream) }
}

/// Refuses what has to wait while the stream is captured. The driver would refuse it too, and end the capture.
pub(super) fn check_can_wait(driver: &Driver, stream: Handle, what: &str) -> Result<()> {
    ensure!(
        !is_capturing(driver, stream)?,
        InvalidState,
        "the optimizer's stream is being captured into a graph, and {what} has to wait for work on it, which a graph \
         cannot do; call it before or after the capture"
    );
    Ok(())
}

pub(super) fn is_capturing(driver: &Driver, stream: Handle) -> Result<bool> {
    const ACTIVE: c_int = 1;
    let mut status = 0;
    // SAFETY: the output is writable, and the stream is the caller's.
    unsafe { driver.stream_is_capturing(stream, &mut status) }?;
    Ok(status == ACTIVE)
}

/// Allows calls that the capture of a stream, by whatever thread, otherwise forbids.
pub(super) struct Relaxed<'a>(&'a Driver, c_int);

impl<'a> Relaxed<'a> {
    pub fn new(driver: &'a Driver) -> Result<Self> {
        let mut mode: c_int = 2;
        // SAFETY: the mode is writable.
        unsafe { driver.exchange_capture_mode(&mut mode) }?;
        Ok(Self(driver, mode))
    }
}

impl Drop for Relaxed<'_> {
    fn drop(&mut self) {
        // SAFETY: the mode is writable.
        let _ = unsafe { self.0.exchange_capture_mode(&mut self.1) };
    }
}
