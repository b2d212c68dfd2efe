//! Elements of arrays, and the arrays that calls take.

use crate::kernel::Dtype;
use crate::optimizer::{CallerArray, CallerSlice};
use half::{bf16, f16};

mod sealed {
    pub trait Sealed {}
}

/// A type of elements: `f32`, `f64`, [`f16`](struct@f16) or [`bf16`].
pub trait Element: Copy + Send + Sync + sealed::Sealed + 'static {
    /// The type as a value.
    const DTYPE: Dtype;
}

macro_rules! elements {
    ($($element:ty: $dtype:ident),+) => {
        $(
            impl sealed::Sealed for $element {}
            impl Element for $element {
                const DTYPE: Dtype = Dtype::$dtype;
            }
        )+
    };
}
elements!(f32: F32, f64: F64, f16: F16, bf16: Bf16);

/// A contiguous array of elements: a slice, an array, a `Vec` or a boxed slice.
pub trait Array: array::Sealed {
    /// The type of the elements.
    type Element: Element;

    /// The elements.
    fn elements(&self) -> &[Self::Element];

    /// The elements, to be written.
    fn elements_mut(&mut self) -> &mut [Self::Element];
}

mod array {
    pub trait Sealed {}
}

macro_rules! arrays {
    ($($array:ty $(, const $n:ident)?;)+) => {
        $(
            impl<E: Element $(, const $n: usize)?> array::Sealed for $array {}
            impl<E: Element $(, const $n: usize)?> Array for $array {
                type Element = E;

                fn elements(&self) -> &[E] {
                    self
                }

                fn elements_mut(&mut self) -> &mut [E] {
                    self
                }
            }
        )+
    };
}
arrays!([E]; [E; N], const N; Vec<E>; Box<[E]>;);

/// A slice for the optimizer, which only reads it.
///
/// # Safety
/// The borrow of the slice lasts until the call that gets the array returns.
pub(super) unsafe fn shared<T>(slice: &[T]) -> CallerArray {
    // SAFETY: the pointer is that of a slice, whose length goes with it, and it is forgotten when the call returns.
    unsafe { CallerArray::new(slice.as_ptr().cast_mut().cast()) }
}

/// A slice for the optimizer, which writes it.
///
/// # Safety
/// As for [`shared`].
pub(super) unsafe fn exclusive<T>(slice: &mut [T]) -> CallerArray {
    // SAFETY: as in `shared`; and nobody else accesses it meanwhile.
    unsafe { CallerArray::new(slice.as_mut_ptr().cast()) }
}

impl CallerSlice {
    /// # Safety
    /// As for [`shared`].
    pub(super) unsafe fn of<E: Element>(slice: &[E]) -> Self {
        // SAFETY: the same contract.
        Self { len: slice.len(), dtype: E::DTYPE, array: unsafe { shared(slice) } }
    }

    /// # Safety
    /// As for [`shared`].
    pub(super) unsafe fn of_mut<E: Element>(slice: &mut [E]) -> Self {
        // SAFETY: the same contract.
        Self { len: slice.len(), dtype: E::DTYPE, array: unsafe { exclusive(slice) } }
    }
}
