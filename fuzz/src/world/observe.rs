//! Comparing all that can be seen of the library with the model.

use super::World;
use crate::model::Optimizer;
use crate::model::options::Compensation;
use radam::ffi::*;
use std::ffi::c_void;
use std::fmt::Debug;
use std::{ptr, slice};

impl World {
    /// Compares everything. Called after every call.
    pub fn compare(&mut self) {
        self.memory.forget_library_blocks();
        for subject in 0..self.subjects.len() {
            let handle = self.subjects[subject].handle;
            let model = self.subjects[subject].model.clone();
            self.compare_optimizer(handle, &model);
            for (group, options) in model.groups.iter().enumerate() {
                self.compare_group(handle, group as u32, options, &model);
            }
            for id in 0..model.params.len() {
                self.compare_param(handle, id as u32, &model);
            }
            if let Some(problem) = self.subjects[subject].environment.problem() {
                self.fail(problem);
            }
        }
        let after: Vec<_> =
            self.subjects.iter().filter_map(|s| s.open.as_ref().map(|open| &open.after)).collect();
        if let Err(difference) = self.memory.compare(&after) {
            self.fail(&difference);
        }
    }

    fn compare_optimizer(&mut self, handle: *mut radam_optimizer, model: &Optimizer) {
        let mut found = -1;
        // SAFETY: the output is writable, here and below.
        self.quietly(|| unsafe { radam_get_optimizer_accumulation(handle, &mut found) });
        self.require(found == model.accumulation, "another optimizer accumulation");
    }

    fn compare_group(
        &mut self,
        handle: *mut radam_optimizer,
        group: u32,
        expected: &radam_group_options,
        model: &Optimizer,
    ) {
        let mut options = radam_group_options { lr: f64::NAN, seed: 99, ..*expected };
        let mut report = crate::model::scalars::report(expected, 1);
        let (mut lr, mut decay) = (f64::NAN, f64::NAN);
        // SAFETY: as above.
        let statuses = self.quietly(|| unsafe {
            [
                radam_get_group_options(handle, group, &mut options),
                radam_get_group_report(handle, group, &mut report),
                radam_get_lr(handle, group, &mut lr),
                radam_get_weight_decay(handle, group, &mut decay),
            ]
        });
        self.require(statuses == [RADAM_OK; 4], "a getter of a group failed");
        self.require_same(&options, expected);
        self.require((lr, decay) == (expected.lr, expected.weight_decay), "another lr or decay");
        let Ok(expected) = model.report(group) else { return };
        self.require_same(&report, &expected);
    }

    fn compare_param(&mut self, handle: *mut radam_optimizer, id: u32, model: &Optimizer) {
        let (mut steps, mut frozen, mut group, mut found) = (0, 0, 0, 0);
        let mut name = [0u8; 80];
        let mut c = empty_description();
        // SAFETY: as above.
        let (statuses, size) = self.quietly(|| unsafe {
            let size = radam_param_name(handle, id, name.as_mut_ptr().cast(), 80);
            let statuses = [
                radam_step_count(handle, id, &mut steps),
                radam_get_frozen(handle, id, &mut frozen),
                radam_get_param(handle, id, &mut group, &mut c),
            ];
            (statuses, size)
        });
        let Ok(param) = model.param(id) else {
            let refused = statuses == [RADAM_ERROR_INVALID_ARGUMENT; 3] && size == 1;
            return self.require(refused, "a removed parameter is there");
        };
        self.require(statuses == [RADAM_OK; 3], "a getter of a parameter failed");
        let expected = model.name(id as usize);
        let text = &name[..size as usize - 1];
        self.require(text == expected.as_bytes(), "another name");
        // SAFETY: the name ends with a NUL.
        let status =
            self.quietly(|| unsafe { radam_param_id(handle, name.as_ptr().cast(), &mut found) });
        self.require((status, found) == (RADAM_OK, id), "the name leads to another parameter");
        let counts = (steps, frozen == RADAM_ON, group as usize, c.len);
        let expected = (param.steps, param.frozen, param.group, param.len as u64);
        if counts != expected {
            self.fail(&format!("parameter {id} has {counts:?}; the model has {expected:?}"));
        }
        let pointer = |array| self.memory.pointer(array).cast::<c_void>();
        let given = |index: usize| pointer(param.state[index].filter(|_| param.given[index]));
        let expected = radam_param {
            dtype: param.dtype.code(),
            grad_dtype: param.grad_dtype.code(),
            copy_dtype: param.copy_dtype.code(),
            len: param.len as u64,
            data: pointer(param.data),
            grad: pointer(param.grad),
            copy: pointer(param.copy),
            exp_avg: given(0),
            exp_avg_sq: given(1),
            kahan_comp: given(2),
            state_scale: given(3),
            tensor_offset: param.given_slice.map_or(0, |(offset, _)| offset),
            tensor_len: param.given_slice.map_or(0, |(_, total)| total),
            ..empty_description()
        };
        self.require_same(&c, &expected);
        self.locate_state(handle, id, model);
    }

    /// Finds out where the state of a parameter is, and whether it has the arrays that it should have.
    fn locate_state(&mut self, handle: *mut radam_optimizer, id: u32, model: &Optimizer) {
        let param = &model.params[id as usize];
        let kind = param.kind;
        for which in RADAM_STATE_EXP_AVG..=RADAM_STATE_SCALE {
            let (mut place, mut dtype) = (ptr::null_mut(), -1);
            // SAFETY: as above.
            let status = self.quietly(|| unsafe {
                radam_param_state(handle, id, which, &mut place, &mut dtype)
            });
            self.require(status == RADAM_OK, "a getter of the state failed");
            let (index, has, expected) = match which {
                RADAM_STATE_KAHAN_COMP => {
                    (2, kind.compensation == Compensation::Kahan, kind.dtype.code())
                }
                RADAM_STATE_MASTER_REMAINDER => {
                    (2, kind.compensation == Compensation::Remainder, 0)
                }
                RADAM_STATE_SCALE => (3, kind.coded, 0),
                _ if kind.coded => (which as usize - 1, true, RADAM_DTYPE_Q8),
                _ => (which as usize - 1, true, kind.dtype.code()),
            };
            let array = param.state[index].filter(|_| has && param.len > 0);
            self.require(dtype == expected, "another dtype of the state");
            self.require(place.is_null() == array.is_none(), "another array of the state");
            if let Some(array) = array {
                if self.memory.is_callers(array) {
                    let same = place.cast() == self.memory.pointer(Some(array));
                    self.require(same, "the state is not in the caller's array");
                } else {
                    let aligned = place.addr().is_multiple_of(array.dtype.size());
                    self.require(aligned, "an array of the state is not aligned");
                    self.memory.place(array, place.cast());
                }
            }
        }
    }
}

impl World {
    /// Compares structs without padding.
    fn require_same<T: Copy + Debug>(&mut self, found: &T, expected: &T) {
        let bytes = |value: &T| {
            // SAFETY: all bytes of the structs of the C API belong to fields.
            unsafe { slice::from_raw_parts(ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }
                .to_vec()
        };
        if bytes(found) != bytes(expected) {
            self.fail(&format!("there is {found:?}; the model has {expected:?}"));
        }
    }
}

fn empty_description() -> radam_param {
    let mut param = std::mem::MaybeUninit::uninit();
    // SAFETY: the function fills the whole struct.
    unsafe {
        radam_param_init(param.as_mut_ptr(), size_of::<radam_param>() as u32);
        param.assume_init()
    }
}
