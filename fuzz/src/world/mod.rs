//! The library and the model side by side: every call is made on both, and everything is compared after it.

pub mod environment;
pub mod memory;
mod observe;
mod thread_state;

use crate::draw::{Draw, Random};
use crate::model::checkpoint::Saved;
use crate::model::register::{Addresses, DATA, GRAD};
use crate::model::{Array, Contents, Dtype, Optimizer, Report, Status, Sums};
use crate::scarce::with_memory_for;
use environment::Environment;
use memory::Memory;
use radam::ffi::*;
use std::ffi::CStr;
use thread_state::keeping;

pub struct World {
    pub memory: Memory,
    pub subjects: Vec<Subject>,
    /// Handles that have been freed.
    pub stale: Vec<*mut radam_optimizer>,
    /// Checkpoints, and what the model has in them.
    pub saved: Vec<Saved>,
    /// Sums that are added to from time to time.
    pub sums: (radam_grad_sums, Sums),
    /// The calls so far, as text.
    pub trace: Vec<String>,
    pub calls: u64,
}

/// An optimizer of the library's and its model.
pub struct Subject {
    pub handle: *mut radam_optimizer,
    pub model: Optimizer,
    pub environment: Box<Environment>,
    pub options: radam_options,
    pub open: Option<Open>,
}

/// A step that is open, and what it will have done.
pub struct Open {
    pub after: Contents,
    pub report: Report,
    pub stepped: Vec<usize>,
    /// Whether its first wave measures, and how many waves have begun.
    pub measures: bool,
    pub waves: usize,
    /// Chunks of the present wave, and which of them are done.
    pub chunks: Vec<bool>,
    /// Whether there is nothing to do, whether all is done, and whether any chunk that changes something was stepped.
    pub is_empty: bool,
    pub is_over: bool,
    pub has_changed: bool,
    /// Whether chunks are known: `radam_step_for` does not say which it has stepped.
    pub is_known: bool,
}

impl World {
    pub fn new() -> Self {
        let words = [0; 72];
        let struct_size = size_of::<radam_grad_sums>() as u32;
        Self {
            memory: Memory::default(),
            subjects: Vec::new(),
            stale: Vec::new(),
            saved: Vec::new(),
            sums: (radam_grad_sums { struct_size, reserved: 0, words }, Sums::default()),
            trace: Vec::new(),
            calls: 0,
        }
    }

    /// Makes a call, with memory for so many allocations, and checks what every call leaves alone.
    fn call<R>(&mut self, allocations: Option<u32>, body: impl FnOnce() -> R) -> (R, bool) {
        self.calls += 1;
        let number = self.calls;
        let ((result, problem), failed) = with_memory_for(allocations, || keeping(number, body));
        if let Some(problem) = problem {
            self.fail(&problem);
        }
        (result, failed)
    }

    /// A call that is not expected to fail for want of memory.
    pub fn quietly<R>(&mut self, body: impl FnOnce() -> R) -> R {
        self.call(None, body).0
    }

    /// A call without an optimizer, which must have this status.
    pub fn plain(
        &mut self,
        what: String,
        expected: Result<(), Status>,
        body: impl FnOnce() -> radam_status,
    ) -> bool {
        let status = self.quietly(body);
        self.note(&what, status);
        self.check_status(status, expected.err().unwrap_or(RADAM_OK), None);
        status == RADAM_OK
    }

    /// A call on an optimizer. `apply` does the same in the model, or says with which status it fails; then nothing
    /// changes. Returns what it has returned, if the call succeeded.
    pub fn attempt<T>(
        &mut self,
        subject: usize,
        text: (&mut Draw, String),
        apply: impl FnOnce(&mut Optimizer, &mut Contents) -> Result<T, Status>,
        body: impl FnOnce(*mut radam_optimizer) -> radam_status,
    ) -> Option<T> {
        let is_open = self.subjects[subject].open.is_some();
        let apply = |model: &mut Optimizer, contents: &mut Contents| {
            if is_open { Err(RADAM_ERROR_BUSY) } else { apply(model, contents) }
        };
        self.attempt_in_step(subject, text, apply, body)
    }

    /// The same for a call that may be made while a step is open.
    pub fn attempt_in_step<T>(
        &mut self,
        subject: usize,
        (draw, what): (&mut Draw, String),
        apply: impl FnOnce(&mut Optimizer, &mut Contents) -> Result<T, Status>,
        body: impl FnOnce(*mut radam_optimizer) -> radam_status,
    ) -> Option<T> {
        let handle = self.subjects[subject].handle;
        let (mut model, mut contents) =
            (self.subjects[subject].model.clone(), self.memory.contents.clone());
        let expected = apply(&mut model, &mut contents);
        let scarcity = self.make_scarce(subject, draw);
        let (status, failed) = self.call(scarcity, || body(handle));
        let environment = &self.subjects[subject].environment;
        let (refused, misaligned) =
            (environment.allocation_failed.take(), environment.misaligned.take());
        environment.allocations_left.set(None);
        self.note(&what, status);
        if failed || refused {
            self.trace.push("  # some memory was refused".to_owned());
        }
        let excuse = match () {
            () if failed || refused => Some(RADAM_ERROR_OUT_OF_MEMORY),
            () if misaligned => Some(RADAM_ERROR_INVALID_ARGUMENT),
            () => None,
        };
        self.check_status(status, expected.as_ref().err().copied().unwrap_or(RADAM_OK), excuse);
        self.check_message(status, handle, failed);
        if status != RADAM_OK {
            return None;
        }
        let outcome = expected.ok();
        if outcome.is_some() {
            self.subjects[subject].model = model;
            self.memory.contents = contents;
            let arrays: Vec<_> = self.subjects[subject]
                .model
                .living()
                .flat_map(|(_, param)| param.arrays())
                .collect();
            self.memory.know_library_blocks(arrays.into_iter());
        }
        outcome
    }

    /// Sometimes lets memory run out, where the library does not leave allocating to others.
    fn make_scarce(&mut self, subject: usize, draw: &mut Draw) -> Option<u32> {
        let subject = &self.subjects[subject];
        match draw.below(24) {
            23 if subject.options.num_threads == 1 => Some(draw.below(12) as u32),
            22 => {
                subject.environment.allocations_left.set(Some(draw.below(6) as u8));
                None
            }
            21 => {
                subject.environment.misaligned.set(subject.options.allocator.allocate.is_some());
                None
            }
            _ => None,
        }
    }

    pub fn note(&mut self, what: &str, status: radam_status) {
        // SAFETY: the string is static.
        let name = unsafe { CStr::from_ptr(radam_status_string(status)) };
        self.trace.push(format!("{what} = {}", name.to_string_lossy()));
    }

    fn check_status(
        &mut self,
        status: radam_status,
        expected: radam_status,
        excuse: Option<Status>,
    ) {
        if status != expected && Some(status) != excuse {
            self.fail(&format!("the status is {status}; the model has {expected}"));
        }
    }

    /// A failed call has a sentence; without memory it may be cut.
    fn check_message(
        &mut self,
        status: radam_status,
        handle: *mut radam_optimizer,
        no_memory: bool,
    ) {
        if status == RADAM_OK || no_memory {
            return;
        }
        let mut text = [0u8; 2048];
        let place = if status == RADAM_ERROR_BUSY { std::ptr::null_mut() } else { handle };
        // SAFETY: the buffer has as many bytes.
        let size =
            self.quietly(|| unsafe { radam_last_error(place, text.as_mut_ptr().cast(), 2048) });
        let message = CStr::from_bytes_until_nul(&text).unwrap().to_string_lossy().into_owned();
        if size < 20 {
            self.fail(&format!("the message is {message:?}"));
        }
        self.trace.push(format!("  # {message}"));
    }

    /// Ends the run: the model and the library differ.
    pub fn fail(&mut self, problem: &str) -> ! {
        self.trace.push(format!("  # {problem}"));
        panic!("{problem}\n{}", self.trace.join("\n"));
    }

    pub fn require(&mut self, condition: bool, problem: &str) {
        if !condition {
            self.fail(problem);
        }
    }

    /// Fills an array with numbers of a kind, in reality and in the model.
    pub fn fill(&mut self, array: Array, draw: &mut Draw) {
        if [Dtype::I8, Dtype::U8, Dtype::U32].contains(&array.dtype) {
            return self.fill_codes(array, draw);
        }
        let style = draw.below(8);
        let mut random = Random(u64::from(draw.byte()) + 1);
        let special = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            1e-300,
            1e-40,
            6e-8,
            3e38,
            1e300,
            65504.0,
            5e-324,
            -1e-42,
            1e19,
        ];
        for index in 0..array.len {
            let number = match style {
                0 | 1 => random.number(),
                2 => 0.0,
                3 => random.number() * 1e-3,
                4 => random.number() * 1e-39,
                5 => random.number() * 1e20,
                6 => special[random.below(special.len())],
                _ => {
                    let bits = random.word() & (u64::MAX >> (64 - 8 * array.dtype.size()));
                    self.memory.write(array, index, bits);
                    continue;
                }
            };
            self.memory.write(array, index, array.dtype.encode(number));
        }
    }

    /// Fills an array of 8-bit state with zeros, or with anything that there may be in it.
    fn fill_codes(&mut self, array: Array, draw: &mut Draw) {
        let (is_fresh, mut random) = (draw.chance(3), Random(u64::from(draw.byte()) + 1));
        for index in 0..array.len {
            let mut bits = random.word();
            if array.dtype == Dtype::U32 {
                // The largest direction is at least 2^-64 and at most 2^127, and no root is infinite.
                let (largest, shift) = (0x1f80 + bits % 0x5f81, random.below(4));
                let base = 0x4000 + random.below(0xaf00) as u64;
                bits = largest << 16 | base >> (shift + 1) << (shift + 1) | 1 << shift;
            }
            self.memory.write(array, index, if is_fresh { 0 } else { bits });
        }
    }

    /// The addresses of the arrays of an optimizer.
    pub fn addresses(&self, subject: usize) -> Addresses {
        let mut known = Addresses::default();
        for (id, param) in self.subjects[subject].model.living() {
            let arrays = [param.grad, param.data, param.copy];
            let state =
                param.state.iter().zip(param.given).map(|(array, given)| array.filter(|_| given));
            for (kind, array) in (0..).zip(arrays.into_iter().chain(state)) {
                let start = self.memory.pointer(array).addr();
                let bytes = array.map_or(0, |array| array.len * array.dtype.size());
                let list = if kind == GRAD { &mut known.grads } else { &mut known.written };
                if bytes > 0 {
                    list.push(((id, kind), start..start + bytes));
                }
            }
        }
        debug_assert!(known.written.iter().all(|(key, _)| key.1 >= DATA));
        known
    }

    /// An array that the caller allocates, filled.
    pub fn new_array(&mut self, dtype: Dtype, len: usize, draw: &mut Draw) -> Array {
        let offset = if draw.chance(3) { draw.below(17) } else { 0 };
        let array = self.memory.allocate(dtype, len, offset);
        self.fill(array, draw);
        array
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for subject in &self.subjects {
            radam_free(subject.handle);
        }
    }
}
