//! In the place of an optimizer: a number that only those may see to whom it was handed on.

use loom::cell::UnsafeCell;
use std::sync::Arc;

pub(crate) struct Optimizer(Arc<UnsafeCell<u32>>);

/// The memory that one optimizer after another is in.
pub(crate) struct Memory(Arc<UnsafeCell<u32>>);

impl Memory {
    pub fn new() -> Self {
        Self(Arc::new(UnsafeCell::new(0)))
    }

    pub fn optimizer(&self, value: u32) -> Optimizer {
        let optimizer = Optimizer(self.0.clone());
        optimizer.set(value);
        optimizer
    }
}

// SAFETY: as for an optimizer, below.
unsafe impl Send for Memory {}

impl Optimizer {
    pub fn new(value: u32) -> Self {
        Memory::new().optimizer(value)
    }

    pub fn get(&self) -> u32 {
        // SAFETY: loom panics if it could be changed meanwhile.
        self.0.with(|value| unsafe { *value })
    }

    pub fn set(&self, value: u32) {
        // SAFETY: loom panics if anyone else could have access to it.
        self.0.with_mut(|place| unsafe { *place = value });
    }
}

// SAFETY: loom panics where it is sent or shared without being handed on.
unsafe impl Send for Optimizer {}
// SAFETY: as above.
unsafe impl Sync for Optimizer {}

impl Drop for Optimizer {
    fn drop(&mut self) {
        self.set(u32::MAX); // as any other access, it must come after all that others do
    }
}
