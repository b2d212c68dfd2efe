//! The library under test, driven through its C functions.

use crate::memory::Memory;
use radam::ffi::*;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr;

/// Calls a function of the library, which must not fail.
macro_rules! call {
    ($function:ident($($argument:expr),*)) => {{
        #[allow(unused_unsafe)] // some functions are safe
        // SAFETY: pointers are to variables or null, sizes are theirs, and `Optimizer` keeps its
        // tensors for as long as the library knows them.
        let status = unsafe { $function($($argument),*) };
        assert_eq!(status, RADAM_OK, stringify!($function));
    }};
}

/// Steps before anything is measured: pages are in place, and steps are rectified from the sixth on.
const WARM_UP_STEPS: usize = 12;

/// Which tensors there are, and how they are stepped.
#[derive(Clone)]
pub struct Setup {
    pub dtype: radam_dtype,
    pub grad_dtype: radam_dtype,
    pub state_dtype: radam_dtype,
    pub kahan_sum: radam_toggle,
    pub beta2: f64,
    pub accumulate: bool,
    pub num_threads: u32,
    /// About how large gradients are.
    pub gradient: f32,
    /// How many cache lines parameters and gradients are moved by, within a page.
    pub moved: [usize; 2],
    /// The dtype of a copy of the parameters; 0: none.
    pub out: radam_dtype,
    /// The lengths of the tensors.
    pub lens: Vec<usize>,
}

impl Setup {
    /// One tensor, all defaults, on the calling thread alone.
    pub fn new(dtype: radam_dtype, len: usize) -> Self {
        Self {
            dtype,
            grad_dtype: dtype,
            state_dtype: 0,
            kahan_sum: RADAM_AUTO,
            beta2: 0.99,
            accumulate: false,
            num_threads: 1,
            gradient: 0.1,
            moved: [0, 0],
            out: 0,
            lens: vec![len],
        }
    }

    pub fn on_threads(self, num_threads: u32) -> Self {
        Self { num_threads, ..self }
    }
}

/// An optimizer with its parameters and gradients.
pub struct Optimizer {
    handle: *mut radam_optimizer,
    tensors: Vec<Tensor>,
}

/// The caller's arrays.
struct Tensor {
    _data: Memory,
    grad: Memory,
    _out: Option<Memory>,
}

impl Optimizer {
    /// Makes one that is warmed up.
    pub fn new(setup: &Setup) -> Self {
        let mut options = with_defaults(radam_options_init);
        options.num_threads = setup.num_threads;
        let mut handle = ptr::null_mut();
        call!(radam_create(&options, &mut handle));

        let (tensors, params) = tensors(setup);
        let group_options = group_options(setup);
        let count = params.len() as u64;
        call!(radam_add_param_group(
            handle,
            &group_options,
            params.as_ptr(),
            count,
            ptr::null_mut()
        ));
        if setup.accumulate {
            call!(radam_set_optimizer_accumulation(handle, RADAM_ON));
        }
        let mut optimizer = Self { handle, tensors };
        for _ in 0..WARM_UP_STEPS {
            optimizer.step();
        }
        optimizer
    }

    pub fn step(&mut self) {
        call!(radam_step(self.handle));
    }

    pub fn step_with(&mut self, options: &radam_step_options) {
        call!(radam_step_with(self.handle, options, ptr::null_mut()));
    }

    pub fn save(&mut self, path: &Path) {
        let path = c_string(path);
        call!(radam_save(self.handle, path.as_ptr()));
    }

    pub fn load(&mut self, path: &Path) {
        let path = c_string(path);
        call!(radam_load(self.handle, path.as_ptr()));
    }

    /// The gradients of the only tensor, which are f32.
    pub fn grads(&mut self) -> &mut [f32] {
        let [tensor] = &mut self.tensors[..] else { panic!("there are several tensors") };
        tensor.grad.values()
    }
}

impl Drop for Optimizer {
    fn drop(&mut self) {
        call!(radam_free(self.handle));
    }
}

fn c_string(path: &Path) -> CString {
    CString::new(path.to_str().expect("a path of UTF-8")).expect("a path without NUL")
}

/// The version of the library.
pub fn version() -> String {
    // SAFETY: it is a string that lives as long as the library.
    unsafe { CStr::from_ptr(radam_version_string()) }.to_string_lossy().into_owned()
}

/// The options of a step that does nothing more than update.
pub fn step_options() -> radam_step_options {
    with_defaults(radam_step_options_init)
}

/// A struct as its init function leaves it.
fn with_defaults<T>(init: unsafe extern "C" fn(*mut T, u32) -> radam_status) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    call!(init(value.as_mut_ptr(), size_of::<T>() as u32));
    // SAFETY: the function has filled it.
    unsafe { value.assume_init() }
}

fn group_options(setup: &Setup) -> radam_group_options {
    let mut options = with_defaults(radam_group_options_init);
    options.lr = 1e-4; // so small that parameters stay ordinary for many thousand steps
    options.beta2 = setup.beta2;
    options.kahan_sum = setup.kahan_sum;
    options.state_dtype = setup.state_dtype;
    options
}

/// The parameters and gradients, and how the library is told of them.
fn tensors(setup: &Setup) -> (Vec<Tensor>, Vec<radam_param>) {
    let tensor = |(seed, len): (u64, &usize)| {
        let [data_moved, grad_moved] = setup.moved;
        let mut data = Memory::random_after(data_moved, setup.dtype, *len, 1.0, 2 * seed);
        let mut grad =
            Memory::random_after(grad_moved, setup.grad_dtype, *len, setup.gradient, 2 * seed + 1);
        let mut param = with_defaults(radam_param_init);
        param.dtype = setup.dtype;
        param.grad_dtype = setup.grad_dtype;
        param.len = *len as u64;
        param.data = data.pointer().cast();
        param.grad = grad.pointer().cast();
        let mut out = (setup.out != 0).then(|| Memory::random(setup.out, *len, 1.0, 0));
        if let Some(out) = &mut out {
            param.out = out.pointer().cast();
            param.out_dtype = setup.out;
        }
        (Tensor { _data: data, grad, _out: out }, param)
    };
    (0..).zip(&setup.lens).map(tensor).unzip()
}
