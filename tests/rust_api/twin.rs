//! Parameters and options of the Rust API, and the same ones of the C API.

use std::ffi::CString;
use std::slice;

use radam::ffi::*;
use radam::{
    AsTensor, Dtype, Element, GroupId, GroupOptions, Optimizer, ParamId, ParamOptions, StateDtype,
    Tensor,
};

use crate::driver::optimizer::Optimizer as COptimizer;
use crate::driver::param::Param;
use crate::driver::tensor::Tensor as CTensor;
use crate::driver::{filled, toggle};

/// A parameter, and the same one of the C API.
pub trait Twin: AsTensor + Send {
    fn c_id(&self) -> usize;

    /// Makes the same gradient for both, of numbers that look random.
    fn fill_grad(&mut self, c: &COptimizer, seed: u64, scale: f64);

    /// Checks that elements, gradients and state have the same bits.
    fn check(&self, opt: &mut Optimizer, c: &COptimizer);
}

pub struct Pair<T, G> {
    pub id: ParamId,
    pub c_id: usize,
    pub data: Vec<T>,
    pub grad: Vec<G>,
}

impl<T: Element, G: Element> AsTensor for Pair<T, G> {
    fn as_tensor(&mut self) -> Tensor<'_> {
        Tensor::with_mut_grad(self.id, &mut self.data, &mut self.grad)
    }
}

impl<T: Element, G: Element> Pair<T, G> {
    pub fn add(
        (opt, group): (&mut Optimizer, GroupId),
        (c, c_group): (&mut COptimizer, u32),
        len: usize,
        name: &str,
    ) -> Self {
        let options =
            ParamOptions { grad_dtype: Some(G::DTYPE), ..ParamOptions::new::<T>(len, name) };
        let data = random(c_dtype(T::DTYPE), len, name.len() as u64, 1.0);
        let grad = CTensor::new(c_dtype(G::DTYPE), len);
        let mut pair = Pair {
            id: opt.add_param_with(group, &options).unwrap(),
            c_id: usize::MAX,
            data: elements(&data),
            grad: elements(&grad),
        };
        pair.c_id = c.add_param(
            c_group,
            Param {
                grad_dtype: c_dtype(G::DTYPE),
                grad: Some(grad),
                name: Some(CString::new(name).unwrap()),
                ..Param::new(data)
            },
        );
        pair
    }
}

impl<T: Element, G: Element> Twin for Pair<T, G> {
    fn c_id(&self) -> usize {
        self.c_id
    }

    fn fill_grad(&mut self, c: &COptimizer, seed: u64, scale: f64) {
        let numbers = random(c_dtype(G::DTYPE), self.grad.len(), seed, scale);
        c.params[self.c_id].grad.as_ref().unwrap().repeat(&numbers.bytes(), 0);
        self.grad = elements(&numbers);
    }

    fn check(&self, opt: &mut Optimizer, c: &COptimizer) {
        let c_param = &c.params[self.c_id];
        let what = format!("{} with gradients of {}, {}", T::DTYPE, G::DTYPE, self.data.len());
        assert!(bytes(&self.data) == c_param.data.bytes(), "{what}");
        assert!(bytes(&self.grad) == c_param.grad.as_ref().unwrap().bytes(), "{what}: gradient");
        assert_eq!(opt.step_count(self.id).unwrap(), c.step_count(self.c_id), "{what}");
        let state = match c.state(self.c_id, RADAM_STATE_EXP_AVG).1 {
            RADAM_DTYPE_F32 => state_bytes::<f32>(opt, self.id),
            RADAM_DTYPE_F64 => state_bytes::<f64>(opt, self.id),
            RADAM_DTYPE_F16 => state_bytes::<radam::f16>(opt, self.id),
            RADAM_DTYPE_Q8 => q8_state_bytes::<T>(opt, self.id),
            _ => state_bytes::<radam::bf16>(opt, self.id),
        };
        for ((which, name), bytes) in crate::driver::STATES.into_iter().zip(state) {
            assert!(bytes == c.state(self.c_id, which).0, "{what}: {name}");
        }
    }
}

/// In the order of the driver's `STATES`; there are no scales.
fn state_bytes<S: Element>(opt: &mut Optimizer, id: ParamId) -> [Vec<u8>; 5] {
    let state = opt.state::<S>(id).unwrap();
    [
        bytes(state.exp_avg),
        bytes(state.exp_avg_sq),
        bytes(state.kahan_comp.as_deref().unwrap_or_default()),
        bytes(state.master_remainder.as_deref().unwrap_or_default()),
        Vec::new(),
    ]
}

/// In the same order.
fn q8_state_bytes<T: Element>(opt: &mut Optimizer, id: ParamId) -> [Vec<u8>; 5] {
    let state = opt.state_q8::<T>(id).unwrap();
    [
        bytes(state.exp_avg),
        bytes(state.exp_avg_sq),
        bytes(state.kahan_comp.as_deref().unwrap_or_default()),
        bytes(state.master_remainder.as_deref().unwrap_or_default()),
        bytes(state.state_scale),
    ]
}

/// Plain numbers as they are in memory.
pub fn bytes<T: Copy>(slice: &[T]) -> Vec<u8> {
    // SAFETY: these are numbers, without padding.
    unsafe { slice::from_raw_parts(slice.as_ptr().cast::<u8>(), size_of_val(slice)) }.to_vec()
}

fn elements<T: Element>(tensor: &CTensor) -> Vec<T> {
    assert_eq!(tensor.dtype, c_dtype(T::DTYPE));
    // SAFETY: the tensor has so many elements of this type, at the start of a cache line.
    unsafe { slice::from_raw_parts(tensor.pointer().cast::<T>(), tensor.len) }.to_vec()
}

/// Numbers in [-scale, scale) that look random.
pub fn random(dtype: radam_dtype, len: usize, seed: u64, scale: f64) -> CTensor {
    let tensor = CTensor::new(dtype, len);
    tensor.fill((0..).map(|element: u64| {
        let bits = (element + 1 + (seed << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bits = (bits ^ bits >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        scale * ((bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    }));
    tensor
}

fn c_dtype(dtype: Dtype) -> radam_dtype {
    match dtype {
        Dtype::F32 => RADAM_DTYPE_F32,
        Dtype::F64 => RADAM_DTYPE_F64,
        Dtype::F16 => RADAM_DTYPE_F16,
        Dtype::Bf16 => RADAM_DTYPE_BF16,
        _ => panic!("{dtype} is not known to this test"),
    }
}

fn c_state_dtype(dtype: StateDtype) -> radam_dtype {
    match dtype {
        StateDtype::Elements(dtype) => c_dtype(dtype),
        StateDtype::Q8 => RADAM_DTYPE_Q8,
        _ => panic!("{dtype} is not known to this test"),
    }
}

pub fn c_options(options: &GroupOptions) -> radam_group_options {
    radam_group_options {
        lr: options.lr,
        beta1: options.beta1,
        beta2: options.beta2,
        weight_decay: options.weight_decay,
        eps: options.eps,
        max_lr: options.max_lr.unwrap_or(f64::NAN),
        decouple_wd: toggle(options.decouple_wd),
        decouple_lr: toggle(options.decouple_lr),
        kahan_sum: options.kahan_sum.map_or(RADAM_AUTO, toggle),
        for_each: toggle(options.for_each),
        gradient_release: toggle(options.gradient_release),
        maximize: toggle(options.maximize),
        rectify: toggle(options.rectify),
        rectify_threshold: options.rectify_threshold,
        unrectified: toggle(options.unrectified),
        state_dtype: options.state_dtype.map_or(0, c_state_dtype),
        master_remainder: toggle(options.master_remainder),
        stochastic_rounding: toggle(options.stochastic_rounding),
        seed: options.seed,
        ..filled(radam_group_options_init)
    }
}
