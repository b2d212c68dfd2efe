//! The description of a parameter that is to be added, and its state.

use super::Element;
use crate::kernel::Dtype;
use crate::optimizer::{CallerArray, Given, ParamSpec, Place};

/// A parameter that is to be added: a flat tensor, or a shard of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamOptions<'a> {
    /// The dtype of the elements.
    pub dtype: Dtype,
    /// The number of elements, which may be 0.
    pub len: usize,
    /// The name, unique within the optimizer. Checkpoints identify parameters by name.
    pub name: &'a str,
    /// The dtype of gradients. Default: `None`, that of the elements.
    pub grad_dtype: Option<Dtype>,
    /// For data-parallel sharding: the parameter is the slice of `len` elements that begins at this element of a larger
    /// tensor, which has the same name in all processes. Then checkpoints of several processes can be loaded by processes
    /// with other shards ([`Optimizer::load_shards`](crate::Optimizer::load_shards)), stochastic rounding gives the
    /// random numbers of the whole tensor, and shards cut at multiples of 16384 elements give the same norms as the
    /// whole tensor, bit for bit. With state of 8 bits it must be a multiple of 128. Default: 0.
    pub tensor_offset: u64,
    /// The number of elements of the whole tensor. Default: 0, the parameter is the whole tensor.
    pub tensor_len: u64,
}

impl<'a> ParamOptions<'a> {
    /// A whole tensor with gradients of its own dtype.
    pub fn new<T: Element>(len: usize, name: &'a str) -> Self {
        Self { dtype: T::DTYPE, len, name, grad_dtype: None, tensor_offset: 0, tensor_len: 0 }
    }
}

impl<'a> From<&ParamOptions<'a>> for ParamSpec<'a> {
    fn from(options: &ParamOptions<'a>) -> Self {
        let ParamOptions { dtype, len, name, grad_dtype, tensor_offset, tensor_len } = *options;
        let is_shard = tensor_offset != 0 || tensor_len != 0;
        Self {
            dtype,
            grad_dtype: grad_dtype.unwrap_or(dtype),
            len: len as u64,
            data: CallerArray::NONE,
            grad: CallerArray::NONE,
            name: Some(name),
            given: Given {
                slice: is_shard.then_some((tensor_offset, tensor_len)),
                ..Given::NOTHING
            },
            place: Place(None),
        }
    }
}

/// The state of a parameter, of which each array has the parameter's length.
#[derive(Debug)]
pub struct State<'a, S> {
    /// The exponential moving average of gradients, debiased.
    pub exp_avg: &'a mut [S],
    /// The exponential moving average of squared gradients, debiased.
    pub exp_avg_sq: &'a mut [S],
    /// The compensation of Kahan summation, if `kahan_sum` is on.
    pub kahan_comp: Option<&'a mut [S]>,
    /// The lower halves of f32 master weights, if `master_remainder` is on.
    pub master_remainder: Option<&'a mut [i16]>,
}

/// The state of 8 bits of a parameter of dtype `T`. `docs/q8.md` of the crate says what the codes stand for.
#[derive(Debug)]
pub struct Q8State<'a, T> {
    /// Codes of the ratio of the averages, m / (√v + ε), as many as the parameter has elements.
    pub exp_avg: &'a mut [i8],
    /// Codes of √v, as many.
    pub exp_avg_sq: &'a mut [u8],
    /// The scales of the codes: a word for each block of 128 elements, the last of which may be shorter.
    pub state_scale: &'a mut [u32],
    /// The compensation of Kahan summation, if `kahan_sum` is on.
    pub kahan_comp: Option<&'a mut [T]>,
    /// The lower halves of f32 master weights, if `master_remainder` is on.
    pub master_remainder: Option<&'a mut [i16]>,
}
