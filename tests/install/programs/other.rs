//! Another Rust library in a program that has radam, with a standard library, threads and an unwinder of its own.

use std::collections::HashMap;
use std::thread;

/// Adds up 1 to 1000 in four threads. Returns 0 if anything is wrong.
#[unsafe(no_mangle)]
pub extern "C" fn other_sum() -> u32 {
    let threads = (0..4).map(|first| {
        thread::spawn(move || (1..=1000).filter(|i| i % 4 == first).map(|i| (i, i)).collect::<HashMap<u32, u32>>())
    });
    threads.map(|thread| thread.join().map_or(0, |map| map.values().sum::<u32>())).sum()
}

/// Whether a panic is caught, if this library unwinds at all.
#[unsafe(no_mangle)]
pub extern "C" fn other_catches() -> bool {
    std::panic::set_hook(Box::new(|_| {}));
    cfg!(panic = "abort") || std::panic::catch_unwind(|| panic!("on purpose")).is_err()
}
