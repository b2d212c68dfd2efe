//! The library under test, driven through its C functions.

use std::ffi::c_void;
use std::ops::Range;
use std::{mem, ptr, slice};

use half::{bf16, f16};
use radam::ffi::*;

use crate::cases::{CHECKPOINTS, Decay, Dtype, STEPS, Set, Trajectory};

/// Calls a function whose first argument is the optimizer; if it fails, so does the test, with the
/// library's sentence.
macro_rules! call {
    ($function:ident($handle:expr $(, $argument:expr)*)) => {{
        let handle = $handle;
        #[allow(unused_unsafe)] // some functions are safe
        // SAFETY: tensors are as long as the library is told, and `Optimizer` keeps them.
        let status = unsafe { $function(handle $(, $argument)*) };
        assert_eq!(status, RADAM_OK, "{}", last_error(handle));
    }};
}

/// A tensor of the caller's.
pub enum Buffer {
    F64(Vec<f64>),
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl Buffer {
    pub fn new(dtype: Dtype, values: &[f64]) -> Buffer {
        let values = values.iter().copied();
        match dtype {
            Dtype::F64 => Buffer::F64(values.collect()),
            Dtype::F32 => Buffer::F32(values.map(|value| value as f32).collect()),
            Dtype::F16 => Buffer::F16(values.map(f16::from_f64).collect()),
            Dtype::Bf16 => Buffer::Bf16(values.map(bf16::from_f64).collect()),
        }
    }

    pub fn values(&self) -> Vec<f64> {
        match self {
            Buffer::F64(values) => values.clone(),
            Buffer::F32(values) => values.iter().map(|&value| value.into()).collect(),
            Buffer::F16(values) => values.iter().map(|&value| value.into()).collect(),
            Buffer::Bf16(values) => values.iter().map(|&value| value.into()).collect(),
        }
    }

    pub fn pointer(&mut self) -> *mut c_void {
        match self {
            Buffer::F64(values) => values.as_mut_ptr().cast(),
            Buffer::F32(values) => values.as_mut_ptr().cast(),
            Buffer::F16(values) => values.as_mut_ptr().cast(),
            Buffer::Bf16(values) => values.as_mut_ptr().cast(),
        }
    }
}

/// How a set is to be run.
#[derive(Clone)]
pub struct Run<'a> {
    pub set: &'a Set,
    pub decay: Decay,
    pub weight_decay: f64,
    pub dtype: Dtype,
    pub grad_dtype: Dtype,
    pub state_dtype: radam_dtype,
    pub kahan_sum: radam_toggle,
    pub master_remainder: bool,
    pub stochastic_rounding: bool,
    pub gradient_release: bool,
    /// What each parameter is copied to, for those that `add_group` adds.
    pub out: Option<Dtype>,
}

impl<'a> Run<'a> {
    /// With every default of the library.
    pub fn new(set: &'a Set, decay: Decay, dtype: Dtype) -> Self {
        Run {
            set,
            decay,
            weight_decay: set.weight_decay(decay),
            dtype,
            grad_dtype: dtype,
            state_dtype: 0,
            kahan_sum: RADAM_AUTO,
            master_remainder: false,
            stochastic_rounding: false,
            gradient_release: false,
            out: None,
        }
    }

    fn group_options(&self) -> radam_group_options {
        let mut options = filled(radam_group_options_init);
        options.lr = self.set.lr_at(1);
        options.beta1 = self.set.beta1;
        options.beta2 = self.set.beta2;
        options.eps = self.set.eps;
        options.weight_decay = self.weight_decay;
        options.decouple_wd = toggle(self.decay == Decay::Decoupled);
        options.decouple_lr = toggle(self.decay == Decay::FullyDecoupled);
        if self.set.scheduled {
            options.max_lr = self.set.max_lr; // otherwise its default, lr, is put to the test
        }
        options.kahan_sum = self.kahan_sum;
        options.master_remainder = toggle(self.master_remainder);
        options.stochastic_rounding = toggle(self.stochastic_rounding);
        options.state_dtype = self.state_dtype;
        options.rectify = toggle(self.set.rectify);
        options.maximize = toggle(self.set.maximize);
        options.gradient_release = toggle(self.gradient_release);
        options
    }

    /// The parameters at the checkpoints, every step with the set's gradients.
    pub fn trajectory(&self) -> Trajectory {
        let mut optimizer = Optimizer::new(self);
        let param = optimizer.add_param(self, &self.set.initial_params());
        let mut found = Trajectory::new();
        for step in 1..=STEPS {
            if self.set.scheduled {
                optimizer.set_lr(self.set.lr_at(step));
            }
            if self.set.accumulate > 1 {
                optimizer.set_accumulation(!self.set.updates_at(step));
            }
            let grads = self.set.grads(step);
            if self.gradient_release {
                optimizer.step_param(param, self.grad_dtype, &grads);
                optimizer.step(); // must skip the group
            } else {
                optimizer.set_grads(param, self.grad_dtype, &grads);
                optimizer.step();
            }
            if CHECKPOINTS.contains(&step) {
                found.insert(step, optimizer.params(param));
            }
        }
        found
    }
}

/// One optimizer with the tensors that it works on.
pub struct Optimizer {
    handle: *mut radam_optimizer,
    params: Vec<Buffer>,
    grads: Vec<Option<Buffer>>,
    outs: Vec<Option<Buffer>>,
}

impl Optimizer {
    /// With one group, which has no parameters yet.
    pub fn new(run: &Run) -> Optimizer {
        let mut optimizer = Optimizer::without_groups();
        optimizer.add_group(run, &[]);
        optimizer
    }

    pub fn without_groups() -> Optimizer {
        let mut handle = ptr::null_mut();
        // SAFETY: options may be NULL, and `handle` is there to be written.
        assert_eq!(unsafe { radam_create(ptr::null(), &mut handle) }, RADAM_OK);
        Optimizer { handle, params: Vec::new(), grads: Vec::new(), outs: Vec::new() }
    }

    /// Adds a group of parameters that have no gradients yet, and returns their ids.
    pub fn add_group(&mut self, run: &Run, tensors: &[&[f64]]) -> Range<u32> {
        let first = self.params.len();
        let mut params = Vec::new();
        for values in tensors {
            let mut data = Buffer::new(run.dtype, values);
            let mut out = run.out.map(|dtype| Buffer::new(dtype, &vec![UNWRITTEN; values.len()]));
            let mut param = filled(radam_param_init);
            param.dtype = dtype_constant(run.dtype);
            param.grad_dtype = dtype_constant(run.grad_dtype);
            param.len = values.len() as u64;
            param.data = data.pointer();
            param.out = out.as_mut().map_or(ptr::null_mut(), Buffer::pointer);
            param.out_dtype = run.out.map_or(0, dtype_constant);
            params.push(param);
            self.params.push(data);
            self.grads.push(None);
            self.outs.push(out);
        }
        let (options, count) = (run.group_options(), params.len() as u64);
        let group = ptr::null_mut();
        call!(radam_add_param_group(self.handle, &options, params.as_ptr(), count, group));
        first as u32..self.params.len() as u32
    }

    /// Adds a parameter that has no gradient yet to the first group.
    pub fn add_param(&mut self, run: &Run, values: &[f64]) -> u32 {
        let mut buffer = Buffer::new(run.dtype, values);
        let mut id = u32::MAX;
        let (dtype, grad_dtype) = (dtype_constant(run.dtype), dtype_constant(run.grad_dtype));
        let (data, len) = (buffer.pointer(), values.len() as u64);
        call!(radam_add_param(
            self.handle,
            0,
            dtype,
            grad_dtype,
            data,
            ptr::null_mut(),
            len,
            ptr::null(),
            &mut id
        ));
        self.params.push(buffer);
        self.grads.push(None);
        self.outs.push(None);
        id
    }

    pub fn set_grads(&mut self, param: u32, dtype: Dtype, values: &[f64]) {
        let mut buffer = Buffer::new(dtype, values);
        call!(radam_set_grad(self.handle, param, buffer.pointer()));
        self.grads[param as usize] = Some(buffer); // the old one goes, now that nobody points there
    }

    /// Gives a parameter the gradients of another one from element `start` on, in the same memory.
    pub fn share_grads(&mut self, param: u32, owner: u32, dtype: Dtype, start: usize) {
        let grads = self.grads[owner as usize].as_mut().unwrap().pointer().cast::<u8>();
        let grads = grads.wrapping_add(start * dtype.size());
        call!(radam_set_grad(self.handle, param, grads.cast()));
    }

    pub fn clear_grads(&mut self, param: u32) {
        call!(radam_set_grad(self.handle, param, ptr::null_mut()));
        self.grads[param as usize] = None;
    }

    pub fn grads(&self, param: u32) -> Vec<f64> {
        self.grads[param as usize].as_ref().unwrap().values()
    }

    pub fn params(&self, param: u32) -> Vec<f64> {
        self.params[param as usize].values()
    }

    pub fn out(&self, param: u32) -> Vec<f64> {
        self.outs[param as usize].as_ref().unwrap().values()
    }

    /// An array of a parameter's state, in bytes; none if there is no such array.
    pub fn state(&self, param: u32, which: radam_state) -> Vec<u8> {
        let (mut array, mut dtype) = (ptr::null_mut(), 0);
        call!(radam_param_state(self.handle, param, which, &mut array, &mut dtype));
        let size = match dtype {
            RADAM_DTYPE_F64 => 8,
            RADAM_DTYPE_F32 => 4,
            _ => 2,
        };
        let len = self.params(param).len() * size;
        if array.is_null() {
            return Vec::new();
        }
        // SAFETY: the array is as long as the parameter, and nothing steps meanwhile.
        unsafe { slice::from_raw_parts(array.cast::<u8>(), len) }.to_vec()
    }

    pub fn set_step_count(&mut self, param: u32, steps: u64) {
        call!(radam_set_step_count(self.handle, param, steps));
    }

    pub fn set_lr(&mut self, lr: f64) {
        call!(radam_set_lr(self.handle, 0, lr));
    }

    pub fn freeze(&mut self, param: u32) {
        call!(radam_set_frozen(self.handle, param, RADAM_ON));
    }

    pub fn set_accumulation(&mut self, on: bool) {
        call!(radam_set_optimizer_accumulation(self.handle, toggle(on)));
    }

    pub fn step(&mut self) {
        call!(radam_step(self.handle));
    }

    pub fn step_with(&mut self, options: &radam_step_options) -> radam_step_report {
        let mut report = filled(radam_step_report_init);
        call!(radam_step_with(self.handle, options, &mut report));
        report
    }

    pub fn group_report(&self, group: u32) -> radam_group_report {
        let mut report = filled(radam_group_report_init);
        call!(radam_get_group_report(self.handle, group, &mut report));
        report
    }

    pub fn step_param(&mut self, param: u32, dtype: Dtype, grads: &[f64]) {
        let mut buffer = Buffer::new(dtype, grads);
        call!(radam_step_param(self.handle, param, buffer.pointer()));
    }

    pub fn step_count(&self, param: u32) -> u64 {
        let mut steps = u64::MAX;
        call!(radam_step_count(self.handle, param, &mut steps));
        steps
    }
}

impl Drop for Optimizer {
    fn drop(&mut self) {
        assert_eq!(radam_free(self.handle), RADAM_OK);
    }
}

/// What copies are before the library writes them; exact in every dtype.
pub const UNWRITTEN: f64 = -96.0;

/// The defaults of a step.
pub fn step_options() -> radam_step_options {
    filled(radam_step_options_init)
}

/// A struct of the library's with its defaults.
fn filled<T>(init: unsafe extern "C" fn(*mut T, u32) -> radam_status) -> T {
    // SAFETY: these structs are made of numbers and pointers, so they may be zeros, and init writes
    // no more than the size that it is told.
    unsafe {
        let mut options: T = mem::zeroed();
        assert_eq!(init(&mut options, size_of::<T>() as u32), RADAM_OK);
        options
    }
}

pub fn dtype_constant(dtype: Dtype) -> radam_dtype {
    match dtype {
        Dtype::F64 => RADAM_DTYPE_F64,
        Dtype::F32 => RADAM_DTYPE_F32,
        Dtype::F16 => RADAM_DTYPE_F16,
        Dtype::Bf16 => RADAM_DTYPE_BF16,
    }
}

pub fn toggle(on: bool) -> radam_toggle {
    if on { RADAM_ON } else { RADAM_OFF }
}

fn last_error(handle: *const radam_optimizer) -> String {
    let mut sentence = [0u8; 1024];
    // SAFETY: it writes no more than the buffer holds.
    unsafe { radam_last_error(handle, sentence.as_mut_ptr().cast(), sentence.len() as u64) };
    String::from_utf8_lossy(&sentence).trim_end_matches('\0').into()
}
