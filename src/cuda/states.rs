//! The memory of states, and what is done to it besides steps.

use super::buffers::{Buffer, Retired};
use super::layout::{ConvertArgs, RecodeArgs, THREADS, number_of};
use super::{Device, Kernel, STAGING, address, check_can_wait, wait};
use crate::error::Result;
use crate::kernel::Dtype;
use crate::kernel::q8::{Codes, Moments};
use crate::math::q8::BLOCK;
use std::ptr;

impl Device {
    /// Refuses what has to wait while the stream is captured.
    pub fn check_can_wait(&self, what: &str) -> Result<()> {
        let (_current, work) = (self.enter()?, self.work());
        check_can_wait(&self.driver, work.stream, what)
    }

    /// Allocates memory on the device.
    pub fn allocate(&self, bytes: usize) -> Result<*mut u8> {
        let _current = self.enter()?;
        let buffer = Buffer::new(&self.driver, bytes)?;
        Ok(ptr::without_provenance_mut(buffer.pointer as usize))
    }

    /// Gives memory back that `allocate` has returned, once nothing enqueued uses it any more.
    pub fn free(&self, pointer: *mut u8) {
        let (current, mut work) = (self.enter(), self.work());
        let mut buffer = Buffer { pointer: address(pointer), bytes: 0 };
        // The driver waits by itself, but does not say so for every way of allocating.
        match current
            .and_then(|current| wait(&self.driver, work.stream, "freeing memory").map(|()| current))
        {
            Ok(_current) => buffer.free(&self.driver),
            Err(_) => Retired::from(buffer).keep(&mut work.retired),
        }
    }

    /// Waits until nothing enqueued uses memory any more that is about to be given back.
    pub fn settle(&self) {
        if let Ok(_current) = self.enter() {
            let _ = wait(&self.driver, self.work().stream, "freeing memory");
        }
    }

    pub fn zero(&self, pointer: *mut u8, bytes: usize) -> Result<()> {
        let (_current, work) = (self.enter()?, self.work());
        // SAFETY: the memory is a state's, and as large.
        unsafe { self.driver.set_bytes(address(pointer), 0, bytes, work.stream) }
    }

    /// Copies bytes out of device memory.
    pub fn read(&self, from: *const u8, into: &mut [u8]) -> Result<()> {
        let (_current, mut work) = (self.enter()?, self.work());
        wait(&self.driver, work.stream, "reading state")?;
        let mut from = address(from);
        for part in into.chunks_mut(STAGING) {
            self.copy_out(&mut work, from, part.len())?;
            part.copy_from_slice(&work.staging.bytes()[..part.len()]);
            from += part.len() as u64;
        }
        Ok(())
    }

    /// Copies bytes into device memory.
    pub fn write(&self, to: *mut u8, from: &[u8]) -> Result<()> {
        let (_current, mut work) = (self.enter()?, self.work());
        wait(&self.driver, work.stream, "writing state")?;
        let mut to = address(to);
        for part in from.chunks(STAGING) {
            let staging = &mut work.staging.bytes()[..part.len()];
            staging.copy_from_slice(part);
            let staging = staging.as_ptr().cast();
            // SAFETY: both are as large, and the staging memory is not used before the copy is done.
            unsafe {
                self.driver.copy_to_device(to, staging, part.len(), work.stream)?;
                self.driver.stream_synchronize(work.stream)?;
            }
            to += part.len() as u64;
        }
        Ok(())
    }

    pub fn copy(&self, from: *const u8, to: *mut u8, bytes: usize) -> Result<()> {
        let (_current, work) = (self.enter()?, self.work());
        // SAFETY: both are memory of states, and as large.
        unsafe { self.driver.copy_on_device(address(to), address(from), bytes, work.stream) }
    }

    /// Converts elements, rounding to nearest even.
    pub fn convert(
        &self,
        from_dtype: Dtype,
        from: *const u8,
        to_dtype: Dtype,
        to: *mut u8,
        len: usize,
    ) -> Result<()> {
        if from_dtype == to_dtype {
            return self.copy(from, to, len * from_dtype.size());
        }
        let (_current, work) = (self.enter()?, self.work());
        let arguments = ConvertArgs {
            from: address(from),
            to: address(to),
            len: len as u64,
            from_dtype: number_of(from_dtype).into(),
            to_dtype: number_of(to_dtype).into(),
        };
        let kernel = self.kernel(Kernel::Convert);
        self.launch(work.stream, kernel, len.div_ceil(THREADS), THREADS, arguments)
    }

    /// Codes moments in 8 bits.
    pub fn encode(&self, moments: Moments, codes: Codes, eps: f64, len: usize) -> Result<()> {
        let (_current, work) = (self.enter()?, self.work());
        let arguments = recode_args(moments, codes, eps, len);
        let (kernel, blocks) = (self.kernel(Kernel::Encode), len.div_ceil(BLOCK * THREADS / 32));
        self.launch(work.stream, kernel, blocks, THREADS, arguments)
    }

    /// The moments that codes stand for.
    pub fn decode(&self, codes: Codes, moments: Moments, eps: f64, len: usize) -> Result<()> {
        let (_current, work) = (self.enter()?, self.work());
        let arguments = recode_args(moments, codes, eps, len);
        let kernel = self.kernel(Kernel::Decode);
        self.launch(work.stream, kernel, len.div_ceil(THREADS), THREADS, arguments)
    }
}

fn recode_args(moments: Moments, codes: Codes, eps: f64, len: usize) -> RecodeArgs {
    RecodeArgs {
        exp_avg: address(moments.exp_avg),
        exp_avg_sq: address(moments.exp_avg_sq),
        directions: address(codes.exp_avg.cast()),
        roots: address(codes.exp_avg_sq),
        state_scale: address(codes.state_scale.cast()),
        len: len as u64,
        eps: eps as f32,
        dtype: number_of(moments.dtype).into(),
    }
}
