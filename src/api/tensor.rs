//! What a step works on: ids, and the arrays of a parameter.

use super::Array;
use crate::optimizer::{CallerSlice, Lent};
use std::fmt;
use std::marker::PhantomData;

/// A parameter group of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub(super) u32);

/// A parameter of an optimizer. Ids are not reused when parameters are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(pub(super) u32);

/// A parameter's elements and gradient, borrowed for one call, of whatever dtypes they are.
///
/// The tuple `(id, &mut data, &gradient)` does as well if all tensors of a call have the same types:
///
/// ```
/// use radam::{GroupOptions, Optimizer, ParamOptions, Dtype, Tensor, bf16};
///
/// let mut opt = Optimizer::new()?;
/// let group = opt.add_group(GroupOptions::new(1e-3))?;
/// let weight_id = opt.add_param::<f32>(group, 2, "weight")?;
/// let embedding_id = opt.add_param_with(group, &ParamOptions {
///     grad_dtype: Some(Dtype::F32),
///     ..ParamOptions::new::<bf16>(3, "embedding")
/// })?;
/// let (mut weight, mut embedding) = (vec![1.0f32, 2.0], [bf16::ONE; 3]);
///
/// opt.step(&mut [
///     Tensor::new(weight_id, &mut weight, &[0.5f32, -0.5]),
///     Tensor::new(embedding_id, &mut embedding, &[0.1f32, 0.2, 0.3]),
/// ])?;
/// assert!(weight[0] < 1.0 && weight[1] > 2.0);
/// # Ok::<(), radam::Error>(())
/// ```
pub struct Tensor<'a> {
    pub(super) lent: Lent,
    borrow: PhantomData<(&'a mut [u8], &'a [u8])>,
}

impl<'a> Tensor<'a> {
    /// A parameter's elements, which the step changes, and its gradient, which it only reads.
    pub fn new<D, G>(id: ParamId, data: &'a mut D, grad: &'a G) -> Self
    where
        D: Array + ?Sized,
        G: Array + ?Sized,
    {
        let (data, grad) = (data.elements_mut(), grad.elements());
        // SAFETY: the slices are borrowed for 'a, during which only calls that get this have them; no other tensor has
        // the elements meanwhile, nor writes the gradient.
        let lent = unsafe { Lent::new(id.0, CallerSlice::of_mut(data), CallerSlice::of(grad)) };
        Self { lent, borrow: PhantomData }
    }

    /// The same with a gradient that [`StepOptions::zero_grad`](crate::StepOptions::zero_grad) may zero.
    pub fn with_mut_grad<D, G>(id: ParamId, data: &'a mut D, grad: &'a mut G) -> Self
    where
        D: Array + ?Sized,
        G: Array + ?Sized,
    {
        let (data, grad) = (data.elements_mut(), grad.elements_mut());
        // SAFETY: as in `new`; and the gradient is borrowed as &mut.
        let lent = unsafe {
            Lent::new(id.0, CallerSlice::of_mut(data), CallerSlice::of_mut(grad)).with_mut_grad()
        };
        Self { lent, borrow: PhantomData }
    }
}

impl fmt::Debug for Tensor<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Lent { id, data, grad, .. } = &self.lent;
        formatter
            .debug_struct("Tensor")
            .field("id", &ParamId(*id))
            .field("dtype", &data.dtype)
            .field("grad_dtype", &grad.dtype)
            .field("len", &data.len)
            .finish()
    }
}

/// What can be stepped: a [`Tensor`], the tuples `(id, &mut data, &grad)` and `(id, &mut data, &mut grad)`, a type of
/// your own that has all three, or a `&mut` reference to any of these.
///
/// ```
/// use radam::{AsTensor, GroupOptions, Optimizer, ParamId, Tensor};
///
/// struct Layer {
///     id: ParamId,
///     weight: Vec<f32>,
///     grad: Vec<f32>,
/// }
///
/// impl AsTensor for Layer {
///     fn as_tensor(&mut self) -> Tensor<'_> {
///         Tensor::new(self.id, &mut self.weight, &self.grad)
///     }
/// }
///
/// let mut opt = Optimizer::new()?;
/// let group = opt.add_group(GroupOptions::new(1e-3))?;
/// let mut layers = Vec::new();
/// for name in ["first", "second"] {
///     let id = opt.add_param::<f32>(group, 4, name)?;
///     layers.push(Layer { id, weight: vec![1.0; 4], grad: vec![0.5; 4] });
/// }
/// assert_eq!(opt.step(&mut layers)?.params_stepped, 2);
/// # Ok::<(), radam::Error>(())
/// ```
pub trait AsTensor {
    /// The parameter's elements and gradient.
    fn as_tensor(&mut self) -> Tensor<'_>;
}

impl AsTensor for Tensor<'_> {
    fn as_tensor(&mut self) -> Tensor<'_> {
        Tensor { lent: self.lent, borrow: PhantomData }
    }
}

impl<T: AsTensor + ?Sized> AsTensor for &mut T {
    fn as_tensor(&mut self) -> Tensor<'_> {
        (**self).as_tensor()
    }
}

impl<D: Array + ?Sized, G: Array + ?Sized> AsTensor for (ParamId, &mut D, &G) {
    fn as_tensor(&mut self) -> Tensor<'_> {
        Tensor::new(self.0, self.1, self.2)
    }
}

impl<D: Array + ?Sized, G: Array + ?Sized> AsTensor for (ParamId, &mut D, &mut G) {
    fn as_tensor(&mut self) -> Tensor<'_> {
        Tensor::with_mut_grad(self.0, self.1, self.2)
    }
}
