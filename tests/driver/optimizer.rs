//! One optimizer.

use std::ffi::CString;
use std::ops::Range;
use std::path::Path;
use std::ptr;

use radam::ffi::*;

use super::param::Param;
use super::tensor::{Tensor, size_of_dtype};
use super::{Refusal, call, device, filled, little_endian, outcome, toggle};

/// An optimizer, with the tensors that it works on.
pub struct Optimizer {
    pub handle: *mut radam_optimizer,
    /// By their ids.
    pub params: Vec<Param>,
    pub groups: u32,
}

/// What a group without parameters has.
pub const NO_PARAMS: [Param; 0] = [];

impl Optimizer {
    /// With all defaults and no groups.
    pub fn new() -> Self {
        Self::create(None).unwrap()
    }

    pub fn create(options: Option<&radam_options>) -> Result<Self, Refusal> {
        let mut on_device: radam_options = options.copied().unwrap_or(filled(radam_options_init));
        on_device.device = RADAM_DEVICE_CUDA;
        on_device.num_threads = 0;
        let options = if device::is_used() { Some(&on_device) } else { options };
        let options = options.map_or(ptr::null(), ptr::from_ref);
        let mut handle = ptr::null_mut();
        // SAFETY: options may be null, and `handle` is there to be written.
        outcome(unsafe { radam_create(options, &mut handle) }, ptr::null())?;
        Ok(Self { handle, params: Vec::new(), groups: 0 })
    }

    /// With one group.
    pub fn of(options: &radam_group_options, params: impl IntoIterator<Item: Into<Param>>) -> Self {
        let mut optimizer = Self::new();
        optimizer.add_group(options, params);
        optimizer
    }

    /// Adds a group with these parameters, and returns their ids.
    pub fn add_group(
        &mut self,
        options: &radam_group_options,
        params: impl IntoIterator<Item: Into<Param>>,
    ) -> Range<usize> {
        let first = self.params.len();
        self.params.extend(params.into_iter().map(Into::into));
        let described: Vec<_> = self.params[first..].iter().map(Param::describe).collect();
        let (params, count, mut group) = (described.as_ptr(), described.len() as u64, u32::MAX);
        call!(radam_add_param_group(self.handle, options, params, count, &mut group));
        assert_eq!(group, self.groups);
        self.groups += 1;
        first..self.params.len()
    }

    /// Adds a parameter to a group, by the function that takes it apart, and returns its id.
    pub fn add_param(&mut self, group: u32, param: Param) -> usize {
        let radam_param { dtype, grad_dtype, data, grad, len, name, .. } = param.describe();
        let (opt, mut id) = (self.handle, u32::MAX);
        call!(radam_add_param(opt, group, dtype, grad_dtype, data, grad, len, name, &mut id));
        assert_eq!(id as usize, self.params.len());
        self.params.push(param);
        id as usize
    }

    /// Gives a parameter the memory of its gradient, or none.
    pub fn set_grad(&mut self, param: usize, grad: Option<Tensor>) {
        let pointer = grad.as_ref().map_or(ptr::null_mut(), Tensor::pointer);
        call!(radam_set_grad(self.handle, param as u32, pointer));
        self.params[param].grad = grad; // the old one goes, now that nobody points there
    }

    pub fn step(&mut self) {
        call!(radam_step(self.handle));
    }

    pub fn step_with(&mut self, options: &radam_step_options) {
        call!(radam_step_with(self.handle, options, ptr::null_mut()));
    }

    pub fn step_with_report(&mut self, options: &radam_step_options) -> radam_step_report {
        let mut report = filled(radam_step_report_init);
        call!(radam_step_with(self.handle, options, &mut report));
        report
    }

    /// Steps one parameter of a group with gradient release.
    pub fn step_param(&mut self, param: usize, grad: &Tensor) {
        call!(radam_step_param(self.handle, param as u32, grad.pointer()));
    }

    pub fn set_lr(&mut self, group: u32, lr: f64) {
        call!(radam_set_lr(self.handle, group, lr));
    }

    pub fn group_report(&self, group: u32) -> radam_group_report {
        let mut report = filled(radam_group_report_init);
        call!(radam_get_group_report(self.handle, group, &mut report));
        report
    }

    pub fn set_accumulation(&mut self, on: bool) {
        call!(radam_set_optimizer_accumulation(self.handle, toggle(on)));
    }

    pub fn accumulation(&self) -> bool {
        let mut on = RADAM_AUTO;
        call!(radam_get_optimizer_accumulation(self.handle, &mut on));
        is_on(on)
    }

    pub fn set_frozen(&mut self, param: usize, on: bool) {
        call!(radam_set_frozen(self.handle, param as u32, toggle(on)));
    }

    pub fn frozen(&self, param: usize) -> bool {
        let mut on = RADAM_AUTO;
        call!(radam_get_frozen(self.handle, param as u32, &mut on));
        is_on(on)
    }

    pub fn step_count(&self, param: usize) -> u64 {
        let mut steps = u64::MAX;
        call!(radam_step_count(self.handle, param as u32, &mut steps));
        steps
    }

    /// Makes the next step of a parameter number `steps` + 1.
    pub fn set_step_count(&mut self, param: usize, steps: u64) {
        call!(radam_set_step_count(self.handle, param as u32, steps));
    }

    /// An array of a parameter's state, in little-endian bytes, and its dtype; no bytes if there is no such array.
    pub fn state(&self, param: usize, which: radam_state) -> (Vec<u8>, radam_dtype) {
        let (array, dtype) = self.state_array(param, which);
        if array.is_null() {
            return (Vec::new(), dtype);
        }
        let (len, mut size) = (self.params[param].data.len, size_of_dtype(dtype));
        let mut bytes = len * size;
        if which == RADAM_STATE_SCALE {
            size = size_of::<u32>();
            bytes = len.div_ceil(128) * size;
        }
        let mut copy = vec![0; bytes];
        // SAFETY: the array is as long as the parameter, and nothing steps meanwhile.
        unsafe { device::read(array.cast(), &mut copy) };
        (little_endian(copy, size), dtype)
    }

    pub fn set_state(&mut self, param: usize, which: radam_state, bytes: &[u8]) {
        let (there, dtype) = self.state(param, which);
        assert_eq!(bytes.len(), there.len());
        let bytes = little_endian(bytes.to_vec(), size_of_dtype(dtype));
        let (array, _) = self.state_array(param, which);
        // SAFETY: the array has so many bytes.
        unsafe { device::write(array.cast(), &bytes) };
    }

    fn state_array(&self, param: usize, which: radam_state) -> (*mut u8, radam_dtype) {
        let (mut array, mut dtype) = (ptr::null_mut(), -1);
        call!(radam_param_state(self.handle, param as u32, which, &mut array, &mut dtype));
        (array.cast(), dtype)
    }

    pub fn save(&self) -> Vec<u8> {
        let mut size = 0;
        call!(radam_save_to_buffer(self.handle, ptr::null_mut(), 0, &mut size));
        let mut bytes = vec![0x5a; size as usize];
        call!(radam_save_to_buffer(self.handle, bytes.as_mut_ptr().cast(), size, &mut size));
        assert_eq!(size as usize, bytes.len());
        bytes
    }

    pub fn save_to(&self, path: &Path) {
        call!(radam_save(self.handle, c_path(path).as_ptr()));
    }

    pub fn load(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let (bytes, size) = (bytes.as_ptr().cast(), bytes.len() as u64);
        // SAFETY: the buffer has so many bytes.
        let status = unsafe { radam_load_from_buffer(self.handle, bytes, size, ptr::null()) };
        outcome(status, self.handle)
    }

    pub fn load_file(&mut self, path: &Path) -> Result<(), Refusal> {
        let path = c_path(path);
        // SAFETY: the path ends in NUL.
        let status = unsafe { radam_load(self.handle, path.as_ptr()) };
        outcome(status, self.handle)
    }

    pub fn load_shards(
        &mut self,
        files: &[&Path],
        options: &radam_load_options,
    ) -> Result<(), Refusal> {
        let paths: Vec<_> = files.iter().map(|path| c_path(path)).collect();
        let paths: Vec<_> = paths.iter().map(|path| path.as_ptr()).collect();
        let count = paths.len() as u64;
        // SAFETY: there are so many paths.
        let status = unsafe { radam_load_shards(self.handle, paths.as_ptr(), count, options) };
        outcome(status, self.handle)
    }
}

impl Drop for Optimizer {
    fn drop(&mut self) {
        call!(radam_free(self.handle));
    }
}

fn is_on(toggle: radam_toggle) -> bool {
    assert!([RADAM_OFF, RADAM_ON].contains(&toggle));
    toggle == RADAM_ON
}

fn c_path(path: &Path) -> CString {
    CString::new(path.to_str().unwrap()).unwrap()
}
