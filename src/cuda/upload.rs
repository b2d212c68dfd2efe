//! Bringing tables to the device while it may still work with the ones before: there are two places for them, which take
//! turns.

use super::Work;
use super::buffers::{Buffer, Pinned, Retired};
use super::capture::Relaxed;
use super::driver::{DevicePointer, Driver, Handle};
use super::layout::{DeviceTensor, Part};
use super::tables::Tables;
use crate::error::Result;
use std::ops::Range;
use std::{ptr, slice};

/// A place for the tables.
struct Slot {
    device: Buffer,
    pinned: Pinned,
    /// Recorded when the tables move to the other slot: until then, the device may read this one.
    left: Handle,
    is_left: bool,
    /// Of the tables that are here.
    shape: u64,
    /// Among these are the tensors that have changed since.
    changed: Range<usize>,
    /// Whether a graph reads this one, so that it must never change.
    captured: bool,
}

impl Slot {
    const NONE: Self = Self {
        device: Buffer::NONE,
        pinned: Pinned::NONE,
        left: ptr::null_mut(),
        is_left: false,
        shape: 0,
        changed: 0..0,
        captured: false,
    };
}

impl Slot {
    /// Goes on with other memory of so many bytes.
    fn replace(&mut self, driver: &Driver, bytes: usize) -> Result<Retired> {
        let mut device = Buffer::new(driver, bytes)?;
        let pinned = Pinned::new(driver, bytes).inspect_err(|_| device.free(driver))?;
        (self.shape, self.is_left, self.captured) = (0, false, false);
        Ok(Retired {
            device: std::mem::replace(&mut self.device, device),
            pinned: std::mem::replace(&mut self.pinned, pinned),
        })
    }
}

pub(super) struct Uploads {
    slots: [Slot; 2],
    current: usize,
    /// For uploads while the caller's stream is captured.
    stream: Handle,
    moved: Handle,
}

/// Where the tables are on the device.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    pub tensors: DevicePointer,
    tiles: DevicePointer,
    pieces: DevicePointer,
}

impl Addresses {
    pub fn tile(&self, number: u32) -> DevicePointer {
        self.tiles + (number as usize * size_of::<Part>()) as u64
    }

    pub fn piece(&self, number: u32) -> DevicePointer {
        self.pieces + (number as usize * size_of::<Part>()) as u64
    }
}

impl Uploads {
    pub const NONE: Self = Self {
        slots: [Slot::NONE; 2],
        current: 0,
        stream: ptr::null_mut(),
        moved: ptr::null_mut(),
    };

    /// Makes the events and the stream.
    pub fn open(&mut self, driver: &Driver) -> Result<()> {
        const NON_BLOCKING: u32 = 1;
        const DISABLE_TIMING: u32 = 2;
        let [first, second] = &mut self.slots;
        // SAFETY: the outputs are writable, and the device's context is current.
        unsafe {
            driver.stream_create(&mut self.stream, NON_BLOCKING)?;
            for event in [&mut first.left, &mut second.left, &mut self.moved] {
                driver.event_create(event, DISABLE_TIMING)?;
            }
        }
        Ok(())
    }

    pub fn close(&mut self, driver: &Driver) {
        let [first, second] = &mut self.slots;
        for slot in [&mut *first, &mut *second] {
            slot.device.free(driver);
            slot.pinned.free(driver);
        }
        // SAFETY: they were made by `open`, and no work is left that uses them.
        unsafe {
            for event in [first.left, second.left, self.moved] {
                if !event.is_null() {
                    let _ = driver.event_destroy(event);
                }
            }
            if !self.stream.is_null() {
                let _ = driver.stream_destroy(self.stream);
            }
        }
    }

    /// The event for moving to another stream.
    pub fn moved(&self) -> Handle {
        self.moved
    }

    /// Makes room for tables of so many bytes. Nothing that is enqueued may use the present ones, but graphs.
    pub fn reserve(
        &mut self,
        driver: &Driver,
        bytes: usize,
        captured: bool,
        retired: &mut Vec<Retired>,
    ) -> Result<()> {
        for slot in &mut self.slots {
            if bytes > slot.device.bytes {
                let old = slot.replace(driver, slot.device.grown_to(bytes))?;
                old.retire(driver, captured, retired);
            }
        }
        Ok(())
    }

    pub fn is_too_small(&self, bytes: usize) -> bool {
        self.slots.iter().any(|slot| bytes > slot.device.bytes)
    }

    pub fn addresses(&self, tables: &Tables) -> Addresses {
        let tensors = self.slots[self.current].device.pointer;
        let tiles = tensors + size_of_val(&tables.tensors[..]) as u64;
        Addresses { tensors, tiles, pieces: tiles + size_of_val(&tables.tiles[..]) as u64 }
    }

    /// Notes that a tensor is described anew.
    pub fn changed(&mut self, tensor: usize) {
        for slot in &mut self.slots {
            let Range { start, end } = slot.changed;
            let is_first = start == end;
            slot.changed =
                if is_first { tensor..tensor + 1 } else { start.min(tensor)..end.max(tensor + 1) };
        }
    }

    /// Notes that the tables are in a graph now.
    pub fn capture(&mut self) {
        self.slots[self.current].captured = true;
    }
}

impl Work {
    /// Brings the tables to the device.
    pub fn upload(&mut self, driver: &Driver, is_capturing: bool) -> Result<()> {
        let _relaxed = Relaxed::new(driver)?;
        self.leave_slot(driver, is_capturing)?;
        let Self { uploads, tables, stream, .. } = self;
        let slot = &mut uploads.slots[uploads.current];
        let Tables { tensors, tiles, pieces, .. } = tables;
        let (bytes, parts) = if slot.shape == tables.shape {
            let Range { start, end } = slot.changed.clone();
            let first = size_of_val(&tensors[..start]);
            (first..size_of_val(&tensors[..end]), [bytes_of(&tensors[start..end]), &[], &[]])
        } else {
            let parts = [bytes_of(tensors), bytes_of(tiles), bytes_of(pieces)];
            (0..parts.iter().map(|part| part.len()).sum(), parts)
        };
        slot.shape = 0; // until they are here
        let pinned = &mut slot.pinned.bytes()[bytes.clone()];
        let mut to = &mut *pinned;
        for part in parts {
            let (here, rest) = to.split_at_mut(part.len());
            here.copy_from_slice(part);
            to = rest;
        }
        let (from, to) = (pinned.as_ptr().cast(), slot.device.pointer + bytes.start as u64);
        // What is captured would copy what is in the pinned memory whenever the graph is launched.
        let stream = if is_capturing { uploads.stream } else { *stream };
        // SAFETY: both have room for the tables, and the pinned memory does not change before the copy is done.
        unsafe {
            driver.copy_to_device(to, from, bytes.len(), stream)?;
            if is_capturing {
                driver.stream_synchronize(stream)?;
            }
        }
        (slot.shape, slot.changed) = (tables.shape, 0..0);
        Ok(())
    }

    /// Goes on to the other slot, once the device does not read it any more.
    fn leave_slot(&mut self, driver: &Driver, is_capturing: bool) -> Result<()> {
        let Self { uploads, stream, retired, .. } = self;
        let current = &mut uploads.slots[uploads.current];
        if is_capturing {
            // Work from before the capture may still read it, and nothing tells when it is done.
            current.captured |= current.shape != 0;
        } else {
            // SAFETY: the event is the library's, and the stream the caller's.
            unsafe { driver.event_record(current.left, *stream) }?;
            current.is_left = true;
        }
        uploads.current = 1 - uploads.current;
        let slot = &mut uploads.slots[uploads.current];
        if slot.captured {
            let old = slot.replace(driver, slot.device.bytes)?;
            old.retire(driver, true, retired);
        } else if slot.is_left {
            // SAFETY: the event was recorded.
            unsafe { driver.event_synchronize(slot.left) }?;
        }
        slot.is_left = false;
        Ok(())
    }
}

/// The bytes of table rows, which have no padding.
fn bytes_of<T: Row>(rows: &[T]) -> &[u8] {
    // SAFETY: rows are plain numbers without padding.
    unsafe { slice::from_raw_parts(rows.as_ptr().cast(), size_of_val(rows)) }
}

/// Structs of plain numbers, without padding.
trait Row {}
impl Row for DeviceTensor {}
impl Row for Part {}
