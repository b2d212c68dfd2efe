//! The optimizers to measure.

use crate::driver::filled;
use crate::driver::optimizer::Optimizer;
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::memory::random;
use radam::ffi::*;
use std::slice;

/// Warm-up steps: they touch all pages, and steps are rectified from the sixth on.
const WARM_UP_STEPS: usize = 12;

/// Which tensors there are, and how they are stepped.
#[derive(Clone)]
pub struct Setup {
    pub dtype: radam_dtype,
    pub grad_dtype: radam_dtype,
    pub state_dtype: radam_dtype,
    pub kahan_sum: radam_toggle,
    pub master_remainder: radam_toggle,
    pub beta2: f64,
    pub accumulate: bool,
    pub num_threads: u32,
    /// About how large gradients are.
    pub gradient: f32,
    /// How many cache lines parameters and gradients are moved by, within a page.
    pub moved: [usize; 2],
    /// The dtype of a copy of the parameters.
    pub copy: Option<radam_dtype>,
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
            master_remainder: RADAM_AUTO,
            beta2: 0.99,
            accumulate: false,
            num_threads: 1,
            gradient: 0.1,
            moved: [0, 0],
            copy: None,
            lens: vec![len],
        }
    }

    pub fn on_threads(self, num_threads: u32) -> Self {
        Self { num_threads, ..self }
    }

    /// An optimizer of these that is warmed up.
    pub fn optimizer(&self) -> Optimizer {
        let mut options = filled(radam_options_init);
        options.num_threads = self.num_threads;
        let mut optimizer = Optimizer::create(Some(&options)).unwrap();
        optimizer.add_group(
            &self.group_options(),
            (0..).zip(&self.lens).map(|(i, len)| self.param(i, *len)),
        );
        optimizer.set_accumulation(self.accumulate);
        for _ in 0..WARM_UP_STEPS {
            optimizer.step();
        }
        optimizer
    }

    fn group_options(&self) -> radam_group_options {
        let mut options = filled(radam_group_options_init);
        options.lr = 1e-4; // so small that parameters stay ordinary for many thousand steps
        options.beta2 = self.beta2;
        options.kahan_sum = self.kahan_sum;
        options.master_remainder = self.master_remainder;
        options.state_dtype = self.state_dtype;
        options
    }

    fn param(&self, seed: u64, len: usize) -> Param {
        let ([data_moved, grad_moved], grad_dtype) = (self.moved, self.grad_dtype);
        let data = random(data_moved, self.dtype, len, 1.0, 2 * seed);
        Param {
            grad_dtype,
            grad: Some(random(grad_moved, grad_dtype, len, self.gradient, 2 * seed + 1)),
            copy: self.copy.map(|dtype| Tensor::new(dtype, len)),
            ..Param::new(data)
        }
    }
}

impl Optimizer {
    /// The gradients of the only tensor, which are f32.
    pub fn grads(&mut self) -> &mut [f32] {
        let [Param { grad: Some(grad), .. }] = &self.params[..] else { panic!("not one tensor") };
        assert_eq!(grad.dtype, RADAM_DTYPE_F32);
        // SAFETY: they are f32, and only the optimizer has them.
        unsafe { slice::from_raw_parts_mut(grad.pointer().cast(), grad.len) }
    }
}
