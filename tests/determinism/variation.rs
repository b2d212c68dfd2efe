//! What must not matter to the results, and the calls that it makes a difference to.

use std::env;
use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use radam::ffi::*;

macro_rules! call {
    ($function:ident($($argument:expr),*)) => {{
        #[allow(unused_unsafe)] // some functions are safe
        // SAFETY: all tensors live as long as the optimizer, and are as long as it is told.
        let status = unsafe { $function($($argument),*) };
        assert_eq!(status, RADAM_OK, "{} failed", stringify!($function));
    }};
}
pub(crate) use call;

/// What must not matter.
#[derive(Clone, Debug)]
pub struct Variation {
    /// `None`: the one that the library chooses.
    pub instruction_set: Option<String>,
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
        instruction_set: None,
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

    pub fn create(&self) -> *mut radam_optimizer {
        let executor = radam_executor {
            parallel_for: if self.executor { Some(parallel_for) } else { None },
            user: ptr::null_mut(),
        };
        let (status, opt) = create(self.instruction_set.as_deref(), self.num_threads, executor);
        assert_eq!(status, RADAM_OK, "no optimizer for {self:?}");
        opt
    }

    /// Makes a step, sliced as it may be.
    pub fn step(
        &self,
        opt: *mut radam_optimizer,
        options: *const radam_step_options,
        report: *mut radam_step_report,
    ) {
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

/// Only one thread at a time changes or reads the environment.
fn create(
    instruction_set: Option<&str>,
    num_threads: u32,
    executor: radam_executor,
) -> (radam_status, *mut radam_optimizer) {
    static ENVIRONMENT: Mutex<()> = Mutex::new(());
    let _alone = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    choose_for_update();
    let mut opt = ptr::null_mut();
    // SAFETY: nothing else in this program looks at the environment while it changes.
    unsafe {
        let mut options: radam_options = mem::zeroed();
        assert_eq!(radam_options_init(&mut options, size_of::<radam_options>() as u32), RADAM_OK);
        options.num_threads = num_threads;
        options.executor = executor;
        instruction_set.inspect(|name| env::set_var("RADAM_ISA", name));
        let status = radam_create(&options, &mut opt);
        instruction_set.inspect(|_| env::remove_var("RADAM_ISA"));
        (status, opt)
    }
}

/// Lets radam_update choose its instruction set, which it does once in a program, by the environment
/// that the program was started with.
fn choose_for_update() {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(|| {
        // SAFETY: the struct is made of numbers, so it may be zeros.
        let mut options: radam_group_options = unsafe { mem::zeroed() };
        call!(radam_group_options_init(&mut options, size_of::<radam_group_options>() as u32));
        options.lr = 0.0;
        let (none, nothing) = (ptr::null_mut(), ptr::null());
        let dtype = RADAM_DTYPE_F32;
        call!(radam_update(dtype, dtype, dtype, none, nothing, none, none, none, 0, &options, 1));
    });
}

/// All that the machine has, as the library names them where it refuses another.
pub fn instruction_sets() -> Vec<String> {
    let mut sentence = [0u8; 512];
    let (status, _) = create(
        Some("none of these"),
        1,
        radam_executor { parallel_for: None, user: ptr::null_mut() },
    );
    assert_eq!(status, RADAM_ERROR_INVALID_ARGUMENT);
    // SAFETY: it writes no more than the buffer holds.
    unsafe { radam_last_error(ptr::null(), sentence.as_mut_ptr().cast(), sentence.len() as u64) };
    let sentence = String::from_utf8_lossy(&sentence);
    let names = sentence.split_once("must be one of ").unwrap().1.split_once(", or").unwrap().0;
    names.split(", ").map(str::to_owned).collect()
}
