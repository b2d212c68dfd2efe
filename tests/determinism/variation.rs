//! What must not matter to the results, and the calls that it makes a difference to.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use radam::ffi::*;

use crate::driver::optimizer::Optimizer;
use crate::driver::{call, filled};

/// What must not matter.
#[derive(Clone, Debug)]
pub struct Variation {
    pub num_threads: u32,
    pub for_each: bool,
    /// In elements, from the beginning of a cache line.
    pub data_offset: usize,
    pub grad_offset: usize,
    /// How many parameters each tensor is registered as.
    pub pieces: usize,
    /// Whether the last tensor is registered first.
    pub reversed: bool,
    pub slicing: Slicing,
    /// Whether threads of the test's do the work.
    pub executor: bool,
    /// Whether tensors that need no optimizer have one each.
    pub optimizers_of_loose: bool,
    /// Whether anything depends on norms. It does matter to the results; but without, tensors may be in
    /// pieces, which a sum of squares tells from a whole in its last bit.
    pub norms: bool,
}

/// How steps are cut into slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slicing {
    /// They are not.
    None,
    /// Into chunks, which so many threads take from the last to the first.
    Chunks(usize),
    /// By a time that is over at once.
    Time,
    /// The first chunk of each wave by its number, the others by time.
    Both,
}

impl Variation {
    pub const PLAIN: Variation = Variation {
        num_threads: 1,
        for_each: true,
        data_offset: 0,
        grad_offset: 0,
        pieces: 1,
        reversed: false,
        slicing: Slicing::None,
        executor: false,
        optimizers_of_loose: false,
        norms: true,
    };

    pub fn create(&self) -> Optimizer {
        let executor = radam_executor {
            parallel_for: if self.executor { Some(parallel_for) } else { None },
            user: ptr::null_mut(),
        };
        let mut options = filled(radam_options_init);
        options.num_threads = self.num_threads;
        options.executor = executor;
        Optimizer::create(Some(&options)).unwrap()
    }

    pub fn for_each(&self) -> radam_toggle {
        if self.for_each { RADAM_AUTO } else { RADAM_OFF }
    }

    /// Makes a step, sliced as it may be.
    pub fn step(
        &self,
        optimizer: &mut Optimizer,
        options: *const radam_step_options,
        report: *mut radam_step_report,
    ) {
        let opt = optimizer.handle;
        if self.slicing == Slicing::None {
            call!(radam_step_with(opt, options, report));
            return;
        }
        call!(radam_step_begin(opt, options));
        match self.slicing {
            Slicing::None => {}
            Slicing::Time => step_by_time(opt),
            Slicing::Chunks(threads) => {
                while let chunks @ 1.. = next_wave(opt) {
                    step_chunks(opt, chunks, threads);
                }
            }
            Slicing::Both => {
                while next_wave(opt) > 0 {
                    call!(radam_step_chunk(opt, 0));
                    step_by_time(opt);
                }
            }
        }
        call!(radam_step_end(opt, report));
    }
}

fn next_wave(opt: *mut radam_optimizer) -> u64 {
    let mut chunks = 0;
    call!(radam_step_wave(opt, &mut chunks));
    chunks
}

fn step_chunks(opt: *mut radam_optimizer, chunks: u64, threads: usize) {
    let (opt, left) = (Shared(opt), AtomicU64::new(chunks));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let take = |left: u64| left.checked_sub(1);
                while let Ok(left) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
                    call!(radam_step_chunk(opt.get(), left - 1));
                }
            });
        }
    });
}

fn step_by_time(opt: *mut radam_optimizer) {
    let mut left = u64::MAX;
    while left > 0 {
        let before = left;
        call!(radam_step_for(opt, 1, &mut left));
        assert!(left < before || left == 0, "{left} chunks left, after {before}");
    }
}

/// A pointer that threads may share.
struct Shared<T>(*mut T);

// SAFETY: what these point to is made for calls from several threads.
unsafe impl<T> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

/// How many loops the executor has run.
pub static LOOPS: AtomicU64 = AtomicU64::new(0);

/// On three threads.
unsafe extern "C" fn parallel_for(
    count: u64,
    body: unsafe extern "C" fn(index: u64, body_data: *mut c_void),
    body_data: *mut c_void,
    _user: *mut c_void,
) {
    LOOPS.fetch_add(1, Ordering::Relaxed);
    let body_data = &Shared(body_data);
    thread::scope(|scope| {
        for first in 0..3 {
            scope.spawn(move || {
                for index in (first..count).step_by(3) {
                    // SAFETY: the library's function, with what it wants to be called with.
                    unsafe { body(index, body_data.get()) };
                }
            });
        }
    });
}

/// The numbers of the elements in each of so many pieces.
pub fn cut(len: usize, pieces: usize) -> impl Iterator<Item = Range<usize>> {
    (0..pieces).map(move |piece| len * piece / pieces..len * (piece + 1) / pieces)
}
