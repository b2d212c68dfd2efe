//! The description of a parameter that is to be added.

use std::ffi::CString;
use std::ptr;

use radam::ffi::*;

use super::filled;
use super::tensor::Tensor;

/// A tensor of parameters, or a slice of one.
pub struct Param {
    pub data: Tensor,
    /// 0: that of the data.
    pub grad_dtype: radam_dtype,
    pub grad: Option<Tensor>,
    /// What the new values are written to as well.
    pub copy: Option<Tensor>,
    pub name: Option<CString>,
    /// Where in a larger tensor the slice begins.
    pub tensor_offset: u64,
    /// How long that tensor is; 0: this is all of it.
    pub tensor_len: u64,
}

impl Param {
    /// With all defaults, so that there is no gradient yet.
    pub fn new(data: Tensor) -> Self {
        Self {
            data,
            grad_dtype: 0,
            grad: None,
            copy: None,
            name: None,
            tensor_offset: 0,
            tensor_len: 0,
        }
    }

    /// Pointers into this.
    pub fn describe(&self) -> radam_param {
        let pointer =
            |tensor: &Option<Tensor>| tensor.as_ref().map_or(ptr::null_mut(), Tensor::pointer);
        let mut param = filled(radam_param_init);
        param.dtype = self.data.dtype;
        param.grad_dtype = self.grad_dtype;
        param.len = self.data.len as u64;
        param.data = self.data.pointer();
        param.grad = pointer(&self.grad);
        param.copy = pointer(&self.copy);
        param.copy_dtype = self.copy.as_ref().map_or(0, |copy| copy.dtype);
        param.name = self.name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        param.tensor_offset = self.tensor_offset;
        param.tensor_len = self.tensor_len;
        param
    }
}
