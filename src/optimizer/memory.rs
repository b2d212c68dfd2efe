//! The memory that states are in: the program's, that of an allocator of the caller's, or a device's.

use super::Known;
use crate::device::Device;
use crate::error::Result;
use crate::kernel::q8::{self, Codes, Moments};
use crate::kernel::{Dtype, InstructionSet, convert_array, swap_unless_little_endian};
use crate::system::{Allocator, allocate, allocate_zeroed, release};
use std::alloc::Layout;
use std::{ptr, slice};

/// Where memory comes from, if not from the program's allocator.
#[derive(Debug)]
pub(crate) struct Memory {
    pub allocator: Option<Allocator>,
    pub device: Option<Device>,
}

/// The memory of an optimizer, as its states point at it; null: the program's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home(*const Memory);

impl Home {
    pub const PROGRAM: Self = Self(ptr::null());

    /// What holds this must be dropped before the memory is.
    pub fn new(memory: Option<&Memory>) -> Self {
        Self(memory.map_or(ptr::null(), ptr::from_ref))
    }

    fn memory(&self) -> Option<&Memory> {
        // SAFETY: it is null or the optimizer's, which keeps it for as long as it has parameters.
        unsafe { self.0.as_ref() }
    }

    fn allocator(&self) -> Option<&Allocator> {
        self.memory()?.allocator.as_ref()
    }

    fn device(&self) -> Option<&Device> {
        self.memory()?.device.as_ref()
    }

    /// Whether it is the program's own.
    pub fn is_program(&self) -> bool {
        self.0.is_null() || self.allocator().is_none() && self.device().is_none()
    }

    pub fn is_host(&self) -> bool {
        self.device().is_none()
    }

    pub fn allocate_zeroed(&self, layout: Layout) -> Result<*mut u8> {
        let Some(device) = self.device() else {
            return allocate_zeroed(self.allocator(), layout);
        };
        device.check_can_wait("allocating state")?;
        let memory = match self.allocator() {
            None => device.allocate(layout.size())?,
            Some(allocator) => {
                let memory = allocate(allocator, layout)?;
                let name = "what options.allocator.allocate returned";
                let checked =
                    device.check_array(&name, memory, layout.size(), &mut Known::default());
                self.or_release(checked, memory, layout)?;
                memory
            }
        };
        self.or_release(device.zero(memory, layout.size()), memory, layout)?;
        Ok(memory)
    }

    /// Gives memory back if something about it has failed.
    fn or_release(&self, result: Result<()>, memory: *mut u8, layout: Layout) -> Result<()> {
        if result.is_err() {
            // SAFETY: it was just allocated like this, and nothing uses it.
            unsafe { self.release(memory, layout) };
        }
        result
    }

    /// # Safety
    /// `allocate_zeroed` returned the memory for this layout, it was not released since, and nothing uses it any more but work
    /// that is enqueued on the device.
    pub unsafe fn release(&self, memory: *mut u8, layout: Layout) {
        match (self.device(), self.allocator()) {
            (Some(device), None) => device.free(memory),
            (device, allocator) => {
                if let Some(device) = device {
                    device.settle();
                }
                // SAFETY: the preconditions are the same.
                unsafe { release(allocator, memory, layout) };
            }
        }
    }

    /// Does something to memory, where it is.
    fn access(
        &self,
        on_device: impl FnOnce(&Device) -> Result<()>,
        on_host: impl FnOnce(),
    ) -> Result<()> {
        match self.device() {
            Some(device) => on_device(device),
            None => {
                on_host();
                Ok(())
            }
        }
    }

    /// Copies bytes out, into little-endian order.
    ///
    /// # Safety
    /// There are as many bytes, of elements of this size, and nobody writes them meanwhile.
    pub unsafe fn read(&self, from: *const u8, into: &mut [u8], element: usize) -> Result<()> {
        match self.device() {
            Some(device) => device.read(from, into)?,
            // SAFETY: the preconditions are the same.
            None => unsafe { ptr::copy_nonoverlapping(from, into.as_mut_ptr(), into.len()) },
        }
        swap_unless_little_endian(into, element);
        Ok(())
    }

    /// Overwrites bytes by those of little-endian elements.
    ///
    /// # Safety
    /// As for `read`, and nobody reads them either.
    pub unsafe fn write(&self, to: *mut u8, from: &[u8], element: usize) -> Result<()> {
        // Devices are of machines whose numbers begin with their low bytes.
        self.access(
            |device| device.write(to, from),
            || {
                // SAFETY: the preconditions are the same.
                let written = unsafe {
                    ptr::copy_nonoverlapping(from.as_ptr(), to, from.len());
                    slice::from_raw_parts_mut(to, from.len())
                };
                swap_unless_little_endian(written, element);
            },
        )
    }

    /// # Safety
    /// As for `write`.
    pub unsafe fn zero(&self, pointer: *mut u8, bytes: usize) -> Result<()> {
        // SAFETY: the preconditions are the same.
        self.access(
            |device| device.zero(pointer, bytes),
            || unsafe { pointer.write_bytes(0, bytes) },
        )
    }

    /// # Safety
    /// There are as many bytes at both places, which do not overlap; nobody uses them meanwhile.
    pub unsafe fn copy(&self, from: *const u8, to: *mut u8, bytes: usize) -> Result<()> {
        // SAFETY: the preconditions are the same.
        let on_host = || unsafe { ptr::copy_nonoverlapping(from, to, bytes) };
        self.access(|device| device.copy(from, to, bytes), on_host)
    }

    /// Converts elements, rounding to nearest even.
    ///
    /// # Safety
    /// As for [`convert_array`].
    pub unsafe fn convert(
        &self,
        instruction_set: InstructionSet,
        (from_dtype, from): (Dtype, *const u8),
        (to_dtype, to): (Dtype, *mut u8),
        len: usize,
    ) -> Result<()> {
        // SAFETY: the preconditions are the same.
        let on_host =
            || unsafe { convert_array(instruction_set, from_dtype, from, to_dtype, to, len) };
        self.access(|device| device.convert(from_dtype, from, to_dtype, to, len), on_host)
    }

    /// # Safety
    /// As for [`q8::encode`].
    pub unsafe fn encode(
        &self,
        moments: Moments,
        codes: Codes,
        eps: f64,
        len: usize,
    ) -> Result<()> {
        // SAFETY: the preconditions are the same.
        let on_host = || unsafe { q8::encode(moments, codes, eps, len) };
        self.access(|device| device.encode(moments, codes, eps, len), on_host)
    }

    /// # Safety
    /// As for [`q8::decode`].
    pub unsafe fn decode(
        &self,
        codes: Codes,
        moments: Moments,
        eps: f64,
        len: usize,
    ) -> Result<()> {
        // SAFETY: the preconditions are the same.
        let on_host = || unsafe { q8::decode(codes, moments, eps, len) };
        self.access(|device| device.decode(codes, moments, eps, len), on_host)
    }
}

impl Memory {
    /// Of these options; `None` is the program's.
    pub fn new(allocator: Option<Allocator>, device: Option<Device>) -> Option<Self> {
        (allocator.is_some() || device.is_some()).then_some(Self { allocator, device })
    }
}
