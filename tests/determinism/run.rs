//! A long mixed run through the C functions, and its hash.

use std::env;
use std::ffi::c_void;
use std::mem;
use std::ops::Range;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use half::{bf16, f16};
use radam::ffi::*;

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
    };
}

const STEPS: u64 = 40;
const DTYPES: [radam_dtype; 4] =
    [RADAM_DTYPE_F32, RADAM_DTYPE_F64, RADAM_DTYPE_F16, RADAM_DTYPE_BF16];

/// Lengths around those of vectors, blocks and chunks. Together they are work for several threads.
const LENS: [usize; 12] = [0, 1, 7, 16, 33, 100, 512, 1031, 4097, 16_383, 20_011, 50_021];

/// One kind of group: options that the groups of all dtypes share.
#[derive(Clone, Copy)]
struct Kind {
    weight_decay: f64,
    decouple_wd: radam_toggle,
    decouple_lr: radam_toggle,
    kahan_sum: radam_toggle,
    maximize: radam_toggle,
    rectify: radam_toggle,
    gradient_release: radam_toggle,
    state_dtype: radam_dtype,
    beta2: f64,
}

const PLAIN: Kind = Kind {
    weight_decay: 0.0,
    decouple_wd: RADAM_AUTO,
    decouple_lr: RADAM_AUTO,
    kahan_sum: RADAM_AUTO,
    maximize: RADAM_AUTO,
    rectify: RADAM_AUTO,
    gradient_release: RADAM_AUTO,
    state_dtype: 0,
    beta2: 0.99,
};

const KINDS: [Kind; 8] = [
    PLAIN,
    Kind { weight_decay: 0.01, ..PLAIN },
    Kind { weight_decay: 0.1, decouple_wd: RADAM_ON, kahan_sum: RADAM_ON, ..PLAIN },
    Kind { weight_decay: 1e-3, decouple_lr: RADAM_ON, kahan_sum: RADAM_OFF, ..PLAIN },
    Kind { state_dtype: RADAM_DTYPE_F32, kahan_sum: RADAM_ON, ..PLAIN },
    Kind { state_dtype: RADAM_DTYPE_F32, kahan_sum: RADAM_OFF, weight_decay: 0.01, ..PLAIN },
    Kind { maximize: RADAM_ON, rectify: RADAM_OFF, beta2: 0.999, ..PLAIN },
    Kind { gradient_release: RADAM_ON, beta2: 0.5, weight_decay: 0.01, ..PLAIN },
];

/// A tensor of the caller's, at an offset from a cache line.
struct Tensor {
    dtype: radam_dtype,
    memory: Vec<u64>,
    /// In bytes.
    offset: usize,
    len: usize,
}

fn size_of_dtype(dtype: radam_dtype) -> usize {
    match dtype {
        RADAM_DTYPE_F64 => 8,
        RADAM_DTYPE_F32 => 4,
        _ => 2,
    }
}

impl Tensor {
    fn new(dtype: radam_dtype, len: usize, offset: usize) -> Tensor {
        let size = size_of_dtype(dtype);
        let memory = vec![0u64; (len * size + 64 + offset * size) / 8 + 1];
        let line = memory.as_ptr().addr().next_multiple_of(64) - memory.as_ptr().addr();
        Tensor { dtype, memory, offset: line + offset * size, len }
    }

    fn element(&mut self, index: usize) -> *mut c_void {
        let bytes = self.memory.as_mut_ptr().cast::<u8>();
        bytes.wrapping_add(self.offset + index * size_of_dtype(self.dtype)).cast()
    }

    /// Copies a run of the dtype's sample values, which go round.
    fn fill(&mut self, samples: &Samples, start: u64) {
        let size = size_of_dtype(self.dtype);
        let samples = &samples.of_dtype[self.dtype as usize - 1];
        let mut from = start as usize % SAMPLES;
        let mut done = 0;
        while done < self.len {
            let count = (SAMPLES - from).min(self.len - done);
            let source = samples[from * size..][..count * size].as_ptr();
            // SAFETY: both have `count` elements from there on.
            unsafe { source.copy_to_nonoverlapping(self.element(done).cast(), count * size) };
            done += count;
            from = 0;
        }
    }

    fn is_finite(&mut self) -> bool {
        (0..self.len).all(|i| {
            let at = self.element(i);
            // SAFETY: the memory has `len` elements of its dtype from the offset on.
            unsafe {
                match self.dtype {
                    RADAM_DTYPE_F64 => at.cast::<f64>().read().is_finite(),
                    RADAM_DTYPE_F32 => at.cast::<f32>().read().is_finite(),
                    RADAM_DTYPE_F16 => at.cast::<f16>().read().is_finite(),
                    _ => at.cast::<bf16>().read().is_finite(),
                }
            }
        })
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        let all = self.memory.iter().flat_map(|word| word.to_ne_bytes());
        all.skip(self.offset).take(self.len * size_of_dtype(self.dtype))
    }
}

/// How many different values there are: a prime, so that steps do not fall into step with it.
const SAMPLES: usize = 8191;

/// Values in each dtype's own bytes, made once because making them takes longer than the run.
struct Samples {
    of_dtype: [Vec<u8>; 4],
}

impl Samples {
    fn new(value: fn(u64) -> f64) -> Samples {
        let bytes = |dtype| (0..SAMPLES as u64).flat_map(move |i| bytes(dtype, value(i))).collect();
        Samples { of_dtype: [1, 2, 3, 4].map(bytes) }
    }

    fn parameters() -> &'static Samples {
        static SAMPLES: OnceLock<Samples> = OnceLock::new();
        SAMPLES.get_or_init(|| Samples::new(|i| unit([i, 0])))
    }

    fn gradients() -> &'static Samples {
        static SAMPLES: OnceLock<Samples> = OnceLock::new();
        SAMPLES.get_or_init(|| Samples::new(gradient))
    }
}

fn bytes(dtype: radam_dtype, value: f64) -> Vec<u8> {
    match dtype {
        RADAM_DTYPE_F64 => value.to_ne_bytes().to_vec(),
        RADAM_DTYPE_F32 => (value as f32).to_ne_bytes().to_vec(),
        RADAM_DTYPE_F16 => f16::from_f64(value).to_ne_bytes().to_vec(),
        _ => bf16::from_f64(value).to_ne_bytes().to_vec(),
    }
}

/// A number from the hash of a position.
fn draw(position: [u64; 2]) -> u64 {
    position.into_iter().fold(0x9e37_79b9_7f4a_7c15, |x, part| {
        let x = (x ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x ^ (x >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb) ^ (x >> 32)
    })
}

/// In [-1, 1), exact in f32.
fn unit(position: [u64; 2]) -> f64 {
    ((draw(position) >> 40) as f64) / 8_388_608.0 - 1.0
}

/// Mostly near 1, sometimes zero, denormal in some dtype, or large; all finite in every dtype.
fn gradient(index: u64) -> f64 {
    let value = unit([index, 1]);
    match draw([index, 2]) % 32 {
        0 => 0.0,
        1 => -0.0,
        2 => value * 1e-5,
        3 => value * 1e-7,
        4 => value * 1e-39,
        5 => value * 1e-42,
        6 => value * 100.0,
        _ => value,
    }
}

/// One tensor with its gradient, and the ids that its pieces have.
struct Parameter {
    seed: u64,
    group: u32,
    released: bool,
    data: Tensor,
    grad: Tensor,
    pieces: Vec<(u32, Range<usize>)>,
}

struct Run {
    opt: *mut radam_optimizer,
    parameters: Vec<Parameter>,
}

macro_rules! call {
    ($function:ident($($argument:expr),*)) => {{
        #[allow(unused_unsafe)] // some functions are safe
        // SAFETY: all tensors live as long as the optimizer, and are as long as it is told.
        let status = unsafe { $function($($argument),*) };
        assert_eq!(status, RADAM_OK, "{} failed", stringify!($function));
    }};
}

/// Only one thread at a time changes or reads the environment.
fn create(instruction_set: Option<&str>, num_threads: u32) -> (radam_status, *mut radam_optimizer) {
    static ENVIRONMENT: Mutex<()> = Mutex::new(());
    let _alone = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut opt = ptr::null_mut();
    // SAFETY: nothing else in this program looks at the environment while it changes.
    unsafe {
        let mut options: radam_options = mem::zeroed();
        assert_eq!(radam_options_init(&mut options, size_of::<radam_options>() as u32), RADAM_OK);
        options.num_threads = num_threads;
        instruction_set.inspect(|name| env::set_var("RADAM_ISA", name));
        let status = radam_create(&options, &mut opt);
        env::remove_var("RADAM_ISA");
        (status, opt)
    }
}

/// All that the machine has, as the library names them where it refuses another.
pub fn instruction_sets() -> Vec<String> {
    let mut sentence = [0u8; 512];
    let (status, _) = create(Some("none of these"), 1);
    assert_eq!(status, RADAM_ERROR_INVALID_ARGUMENT);
    // SAFETY: it writes no more than the buffer holds.
    unsafe { radam_last_error(ptr::null(), sentence.as_mut_ptr().cast(), sentence.len() as u64) };
    let sentence = String::from_utf8_lossy(&sentence);
    let names = sentence.split_once("must be one of ").unwrap().1.split_once(", or").unwrap().0;
    names.split(", ").map(str::to_owned).collect()
}

impl Run {
    fn new(variation: &Variation) -> Run {
        let (status, opt) = create(variation.instruction_set.as_deref(), variation.num_threads);
        assert_eq!(status, RADAM_OK, "no optimizer for {variation:?}");
        let mut run = Run { opt, parameters: Vec::new() };
        for (number, kind) in KINDS.iter().enumerate() {
            run.add_group(number, kind, variation);
        }
        if variation.reversed {
            run.parameters.reverse();
        }
        for parameter in &mut run.parameters {
            parameter.register(opt, variation.pieces);
        }
        run
    }

    fn add_group(&mut self, number: usize, kind: &Kind, variation: &Variation) {
        // SAFETY: the struct is made of numbers, so it may be zeros.
        let mut options: radam_group_options = unsafe { mem::zeroed() };
        // What each group is for is by dtype, since a group may ask for one state dtype only.
        for (index, dtype) in DTYPES.into_iter().enumerate() {
            call!(radam_group_options_init(&mut options, size_of::<radam_group_options>() as u32));
            options.lr = 0.01;
            options.beta2 = kind.beta2;
            options.weight_decay = kind.weight_decay;
            options.decouple_wd = kind.decouple_wd;
            options.decouple_lr = kind.decouple_lr;
            options.kahan_sum = kind.kahan_sum;
            options.maximize = kind.maximize;
            options.rectify = kind.rectify;
            options.gradient_release = kind.gradient_release;
            options.state_dtype = kind.state_dtype;
            options.for_each = if variation.for_each { RADAM_AUTO } else { RADAM_OFF };
            let mut group = 0;
            call!(radam_add_param_group(self.opt, &options, ptr::null(), 0, &mut group));
            for tensor in 0..3 {
                let seed = (number * DTYPES.len() + index) * 3 + tensor;
                let grad_dtype = DTYPES[(index + seed % 5) % DTYPES.len()];
                let len = LENS[seed % LENS.len()];
                self.parameters.push(Parameter::new(
                    seed as u64,
                    group,
                    kind.gradient_release == RADAM_ON,
                    Tensor::new(dtype, len, variation.data_offset),
                    Tensor::new(grad_dtype, len, variation.grad_offset),
                ));
            }
        }
    }

    fn step(&mut self, step: u64) {
        let Run { opt, parameters } = self;
        let groups = (KINDS.len() * DTYPES.len()) as u32;
        for group in 0..groups {
            call!(radam_set_lr(*opt, group, 0.01 / (1 + step % 7) as f64));
        }
        let accumulates = if step % 5 == 3 { RADAM_ON } else { RADAM_OFF };
        call!(radam_set_optimizer_accumulation(*opt, accumulates));
        if step == 20 {
            call!(radam_set_state_dtype(*opt, 2, RADAM_DTYPE_F32)); // f16 with f32 state from now on
            call!(radam_set_kahan_sum(*opt, 3, RADAM_OFF)); // and bf16 without its compensation
        }
        for parameter in parameters.iter_mut() {
            parameter.prepare(*opt, step);
        }
        call!(radam_step(*opt));
    }

    /// FNV-1a over the parameters and their step counts, in the order of the tensors.
    fn hash(&mut self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut take = |byte: u8| hash = (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        self.parameters.sort_by_key(|parameter| parameter.seed);
        for parameter in &mut self.parameters {
            assert!(parameter.data.is_finite(), "which NaN a machine makes is its own choice");
            parameter.data.bytes().for_each(&mut take);
            for (id, _) in parameter.pieces.iter().take(1) {
                let mut steps = 0;
                call!(radam_step_count(self.opt, *id, &mut steps));
                steps.to_le_bytes().into_iter().for_each(&mut take);
            }
        }
        hash
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        radam_free(self.opt);
    }
}

impl Parameter {
    fn new(seed: u64, group: u32, released: bool, data: Tensor, grad: Tensor) -> Parameter {
        let mut parameter = Parameter { seed, group, released, data, grad, pieces: Vec::new() };
        parameter.data.fill(Samples::parameters(), 97 * seed);
        parameter
    }

    fn register(&mut self, opt: *mut radam_optimizer, pieces: usize) {
        let (dtype, grad_dtype) = (self.data.dtype, self.grad.dtype);
        for piece in 0..pieces {
            let range = self.data.len * piece / pieces..self.data.len * (piece + 1) / pieces;
            let data = self.data.element(range.start);
            let (len, mut id) = (range.len() as u64, 0);
            let grad = ptr::null_mut();
            let name = ptr::null();
            call!(radam_add_param(
                opt, self.group, dtype, grad_dtype, data, grad, len, name, &mut id
            ));
            self.pieces.push((id, range));
        }
    }

    /// Makes the gradient of a step, or none: tensors join late and pause.
    fn prepare(&mut self, opt: *mut radam_optimizer, step: u64) {
        let joins = self.seed % 4;
        let pauses = step < joins || (step + self.seed).is_multiple_of(11);
        if !pauses {
            self.grad.fill(Samples::gradients(), 131 * self.seed + 1009 * step);
        }
        for (id, range) in &self.pieces {
            let grad = if pauses { ptr::null_mut() } else { self.grad.element(range.start) };
            if !self.released {
                call!(radam_set_grad(opt, *id, grad));
            } else if !pauses {
                call!(radam_step_param(opt, *id, grad));
            }
        }
    }
}

/// The hash of the whole run.
pub fn hash_of(variation: &Variation) -> u64 {
    let mut run = Run::new(variation);
    for step in 1..=STEPS {
        run.step(step);
    }
    run.hash()
}
