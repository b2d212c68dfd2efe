//! Takes radam's place in the recipe for its static library, to see that a panic is caught in what this makes.

use std::panic::{catch_unwind, resume_unwind, set_hook};

struct Dropped<'a>(&'a mut u32);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        *self.0 += 1;
    }
}

/// Panics five times, on two threads. Returns how many were caught, plus how many values were dropped on the way.
#[unsafe(no_mangle)]
pub extern "C" fn radam_panics() -> u32 {
    set_hook(Box::new(|_| {}));
    let (mut caught, mut dropped) = (0, 0);
    for _ in 0..4 {
        let result = catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _dropped = Dropped(&mut dropped);
            resume_unwind(std::thread::spawn(|| panic!("on purpose")).join().unwrap_err())
        }));
        caught += u32::from(result.is_err());
    }
    caught + dropped
}
