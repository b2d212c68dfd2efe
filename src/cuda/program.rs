//! The kernels in the driver's hands.

use super::driver::{Driver, Handle};
use super::image;
use super::tables::UpdateKernel;
use crate::error::Result;
use std::ffi::CStr;
use std::ptr;

/// A kernel that is not one of [`UpdateKernel`].
#[derive(Clone, Copy)]
pub(super) enum Kernel {
    Prepare,
    StepSmall,
    SetGroup,
    UpdateMeasured,
    Measure,
    Zero,
    Convert,
    Encode,
    Decode,
}

impl Kernel {
    const NAMES: [&CStr; 9] = [
        c"radam_prepare",
        c"radam_step_small",
        c"radam_set_group",
        c"radam_update_measured",
        c"radam_measure",
        c"radam_zero",
        c"radam_convert",
        c"radam_encode",
        c"radam_decode",
    ];
}

impl UpdateKernel {
    const NAMES: [&CStr; Self::ALL.len()] = [
        c"radam_update_f32",
        c"radam_update_f64",
        c"radam_update_f16",
        c"radam_update_bf16",
        c"radam_update_bf16_in_f32",
        c"radam_update_f32_by_bf16",
        c"radam_update_f32_to_bf16",
        c"radam_update_q8_f32",
        c"radam_update_q8_bf16",
        c"radam_update_q8_any",
        c"radam_update_any",
        c"radam_update_any_in_f64",
    ];
}

/// All kernels, loaded.
pub(super) struct Program {
    module: Handle,
    kernels: [Handle; Kernel::NAMES.len()],
    update_kernels: [Handle; UpdateKernel::ALL.len()],
}

impl Program {
    pub const NONE: Self = Self {
        module: ptr::null_mut(),
        kernels: [ptr::null_mut(); _],
        update_kernels: [ptr::null_mut(); _],
    };

    /// Loads the kernels into the current context.
    pub fn load(&mut self, driver: &Driver) -> Result<()> {
        let Self { module, kernels, update_kernels } = self;
        let image = image::unpacked()?;
        let update_kernels = update_kernels.iter_mut().zip(UpdateKernel::NAMES);
        // SAFETY: the outputs are writable, the image ends with a 0, and names are strings of C.
        unsafe {
            driver.module_load(module, image.as_ptr().cast())?;
            for (kernel, name) in kernels.iter_mut().zip(Kernel::NAMES).chain(update_kernels) {
                driver.module_get_function(kernel, *module, name.as_ptr())?;
            }
        }
        Ok(())
    }

    /// Unloads what `load` has loaded, when nothing runs the kernels any more.
    pub fn unload(&mut self, driver: &Driver) {
        if !self.module.is_null() {
            // SAFETY: it was loaded, and is forgotten here.
            let _ = unsafe { driver.module_unload(self.module) };
        }
        *self = Self::NONE;
    }

    pub fn kernel(&self, kernel: Kernel) -> Handle {
        self.kernels[kernel as usize]
    }

    pub fn update_kernel(&self, kernel: UpdateKernel) -> Handle {
        self.update_kernels[kernel as usize]
    }
}
