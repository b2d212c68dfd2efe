//! Checks of the addresses that callers hand over.

use super::Device;
use super::driver::DevicePointer;
use crate::error::{Result, ensure};
use crate::optimizer::Known;
use std::ffi::{c_int, c_uint, c_void};
use std::fmt::Display;
use std::ptr;

/// What the driver knows of an address.
#[derive(Default)]
struct Facts {
    memory_type: c_uint,
    is_managed: c_uint,
    ordinal: c_int,
    /// The allocation that it is in, if the driver tells.
    start: DevicePointer,
    size: usize,
}

impl Facts {
    fn is_of_device(&self) -> bool {
        const DEVICE: c_uint = 2;
        self.memory_type == DEVICE || self.is_managed != 0
    }

    fn allocation(&self) -> Known {
        let start = self.start as usize;
        start..start.saturating_add(self.size)
    }
}

impl Device {
    /// Refuses an array of the caller's that is not in memory of the device. `name` is for messages; `known` becomes the
    /// allocation that the array is in.
    pub fn check_array(
        &self,
        name: &dyn Display,
        array: *const u8,
        bytes: usize,
        known: &mut Known,
    ) -> Result<()> {
        let holds = |memory: &Known| {
            memory.start <= array.addr() && array.addr().saturating_add(bytes) <= memory.end
        };
        if array.is_null() || bytes == 0 || holds(known) {
            return Ok(());
        }
        let _current = self.enter()?;
        let first = self.facts(array)?;
        ensure!(
            first.is_of_device(),
            InvalidArgument,
            "{name} is {array:p}, which is not device memory; the optimizer is on a GPU, so it must be memory of \
             cuMemAlloc, cudaMalloc or the like"
        );
        ensure!(
            first.is_managed != 0 || first.ordinal == self.ordinal,
            InvalidArgument,
            "{name} is {array:p}, which is memory of device {}; it must be of device {}, the optimizer's",
            first.ordinal,
            self.ordinal
        );
        *known = first.allocation();
        // Memory that was mapped in pieces goes on after the one that the driver tells of.
        ensure!(
            holds(known) || self.facts(array.wrapping_add(bytes - 1))?.is_of_device(),
            InvalidArgument,
            "{name} is {array:p}, but device memory ends before its {bytes} bytes do; it must point to as many elements as \
             the parameter has"
        );
        Ok(())
    }

    fn facts(&self, address: *const u8) -> Result<Facts> {
        const MEMORY_TYPE: c_int = 2;
        const IS_MANAGED: c_int = 8;
        const DEVICE_ORDINAL: c_int = 9;
        const RANGE_START: c_int = 11;
        const RANGE_SIZE: c_int = 12;
        let mut facts = Facts::default();
        let attributes = [MEMORY_TYPE, IS_MANAGED, DEVICE_ORDINAL, RANGE_START, RANGE_SIZE];
        let mut values: [*mut c_void; 5] = [
            ptr::from_mut(&mut facts.memory_type).cast(),
            ptr::from_mut(&mut facts.is_managed).cast(),
            ptr::from_mut(&mut facts.ordinal).cast(),
            ptr::from_mut(&mut facts.start).cast(),
            ptr::from_mut(&mut facts.size).cast(),
        ];
        let address = address.addr() as DevicePointer;
        // SAFETY: there is an output of the right type for each attribute. Any address may be asked for; those that the
        // driver does not know have a memory type of 0.
        unsafe {
            self.driver.pointer_get_attributes(
                attributes.len() as c_uint,
                attributes.as_ptr(),
                values.as_mut_ptr(),
                address,
            )?;
        }
        Ok(facts)
    }
}
