//! The device of builds without the feature `cuda`, and of systems that have no such devices: there is none.

use crate::error::{Result, error};
use crate::kernel::Dtype;
use crate::kernel::q8::{Codes, Moments};
use crate::math::Words;
use crate::optimizer::{Contents, Group, Known, Param, Task};
use std::ffi::c_void;
use std::fmt::Display;
use std::ops::Range;

#[derive(Debug)]
pub(crate) enum Device {}

/// `absent!(name(argument: type, …) -> type;)`: methods of a device that cannot be there.
macro_rules! absent {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        impl Device {
            $(pub fn $name(&self, $($argument: $type),*) -> $result {
                $(let _ = $argument;)*
                match *self {}
            })+
        }
    };
}

absent! {
    set_stream(stream: *mut c_void) -> Result<()>;
    reserve(groups: usize, first: usize, new: &[Param]) -> Result<()>;
    set_group(index: u32, group: &Group) -> Result<()>;
    set_steps(id: u32, steps: u64) -> Result<()>;
    steps(first: u32, params: &mut dyn Iterator<Item = &Param>) -> Result<()>;
    check_array(name: &dyn Display, array: *const u8, bytes: usize, known: &mut Known) -> Result<()>;
    allocate(bytes: usize) -> Result<*mut u8>;
    free(pointer: *mut u8) -> ();
    settle() -> ();
    check_can_wait(what: &str) -> Result<()>;
    zero(pointer: *mut u8, bytes: usize) -> Result<()>;
    read(from: *const u8, into: &mut [u8]) -> Result<()>;
    write(to: *mut u8, from: &[u8]) -> Result<()>;
    copy(from: *const u8, to: *mut u8, bytes: usize) -> Result<()>;
    convert(from_dtype: Dtype, from: *const u8, to_dtype: Dtype, to: *mut u8, len: usize) -> Result<()>;
    encode(moments: Moments, codes: Codes, eps: f64, len: usize) -> Result<()>;
    decode(codes: Codes, moments: Moments, eps: f64, len: usize) -> Result<()>;
    invalidate() -> ();
    describe(contents: Contents, ids: Range<u32>) -> ();
    step(contents: Contents, task: &Task) -> Result<Option<[Words; 3]>>;
    measure(contents: Contents) -> Result<Words>;
    zero_grad(contents: Contents) -> Result<()>;
}

impl Device {
    pub fn open(_ordinal: i32, _stream: *mut c_void) -> Result<Self> {
        Err(error!(
            Device,
            "options.device is RADAM_DEVICE_CUDA, but this build of radam has no support for GPUs; build it with the Cargo \
             feature cuda, for 64-bit Linux or Windows"
        ))
    }
}
