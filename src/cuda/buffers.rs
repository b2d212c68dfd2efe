//! Memory of the device, and memory of the host that the device can copy from and to on its own.

use super::driver::{DevicePointer, Driver, Handle};
use crate::error::Result;
use std::ffi::c_void;
use std::{ptr, slice};

/// Device memory. It is given back by hand, because that takes the driver, and may have to wait.
#[derive(Debug)]
pub(super) struct Buffer {
    pub pointer: DevicePointer,
    pub bytes: usize,
}

impl Buffer {
    pub const NONE: Self = Self { pointer: 0, bytes: 0 };

    /// How many bytes there should be in its place if it has too few.
    pub fn grown_to(&self, bytes: usize) -> usize {
        bytes.max(self.bytes + self.bytes / 2)
    }

    /// With room for at least so many bytes, whose contents are undefined.
    pub fn new(driver: &Driver, bytes: usize) -> Result<Self> {
        let mut pointer = 0;
        // SAFETY: `pointer` is writable, and the device's context is current.
        unsafe { driver.memory_allocate(&mut pointer, bytes.max(1)) }?;
        Ok(Self { pointer, bytes })
    }

    /// Gives the memory back, when the device does not use it any more. A device that is lost has no memory to give.
    pub fn free(&mut self, driver: &Driver) {
        if self.pointer != 0 {
            // SAFETY: it was allocated by `new` and is forgotten here.
            let _ = unsafe { driver.memory_free(self.pointer) };
        }
        *self = Self::NONE;
    }
}

/// Page-locked host memory.
#[derive(Debug)]
pub(super) struct Pinned {
    pointer: *mut u8,
    bytes: usize,
}

// SAFETY: it is memory that its owner alone uses.
unsafe impl Send for Pinned {}

impl Pinned {
    pub const NONE: Self = Self { pointer: ptr::null_mut(), bytes: 0 };

    /// Zeros.
    pub fn new(driver: &Driver, bytes: usize) -> Result<Self> {
        let mut pointer: *mut c_void = ptr::null_mut();
        // SAFETY: `pointer` is writable, and the device's context is current. The memory is as large as it is said to be.
        unsafe {
            driver.pinned_allocate(&mut pointer, bytes.max(1), 0)?;
            pointer.cast::<u8>().write_bytes(0, bytes);
        }
        Ok(Self { pointer: pointer.cast(), bytes })
    }

    /// Gives the memory back, when the device does not copy from or to it any more.
    pub fn free(&mut self, driver: &Driver) {
        if !self.pointer.is_null() {
            // SAFETY: it was allocated by `new` and is forgotten here.
            let _ = unsafe { driver.pinned_free(self.pointer.cast()) };
        }
        *self = Self::NONE;
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        if self.pointer.is_null() {
            return &mut [];
        }
        // SAFETY: the memory is as large, was initialized, and only its owner uses it; copies to and from the device are
        // waited for before it is used again.
        unsafe { slice::from_raw_parts_mut(self.pointer, self.bytes) }
    }
}

/// An array on the device that grows and keeps its contents.
#[derive(Debug)]
pub(super) struct Growing {
    pub buffer: Buffer,
    element: usize,
}

impl Growing {
    pub const fn new(element: usize) -> Self {
        Self { buffer: Buffer::NONE, element }
    }

    /// The address of an element.
    pub fn at(&self, index: u32) -> DevicePointer {
        self.buffer.pointer + index as u64 * self.element as u64
    }

    pub fn is_too_small(&self, count: usize) -> bool {
        count * self.element > self.buffer.bytes
    }

    /// Makes room for so many elements in all, new ones being 0. Returns the memory that is not needed any more, once all
    /// work on the stream is done.
    pub fn reserve(&mut self, driver: &Driver, stream: Handle, count: usize) -> Result<Buffer> {
        let bytes = count * self.element;
        if bytes <= self.buffer.bytes {
            return Ok(Buffer::NONE);
        }
        let mut new = Buffer::new(driver, self.buffer.grown_to(bytes))?;
        let old = self.buffer.bytes;
        // SAFETY: both buffers are as large, and are kept until the work on the stream is done.
        let filled = unsafe {
            let fresh = new.pointer + old as u64;
            driver.set_bytes(fresh, 0, new.bytes - old, stream).and_then(|()| match old {
                0 => Ok(()),
                _ => driver.copy_on_device(new.pointer, self.buffer.pointer, old, stream),
            })
        };
        if let Err(error) = filled {
            new.free(driver);
            return Err(error);
        }
        Ok(std::mem::replace(&mut self.buffer, new))
    }
}

/// Memory that is not used any more, but perhaps by graphs that have its address.
#[derive(Debug)]
pub(super) struct Retired {
    pub device: Buffer,
    pub pinned: Pinned,
}

impl Retired {
    /// Frees the memory, or keeps it if graphs may have its address.
    pub fn retire(mut self, driver: &Driver, captured: bool, retired: &mut Vec<Self>) {
        if captured { self.keep(retired) } else { self.free(driver) }
    }

    /// Keeps the memory until the optimizer is freed; without memory to note that, for good.
    pub fn keep(self, retired: &mut Vec<Self>) {
        if self.device.pointer != 0 && retired.try_reserve(1).is_ok() {
            retired.push(self);
        }
    }

    pub fn free(&mut self, driver: &Driver) {
        self.device.free(driver);
        self.pinned.free(driver);
    }
}

impl From<Buffer> for Retired {
    fn from(device: Buffer) -> Self {
        Self { device, pinned: Pinned::NONE }
    }
}
