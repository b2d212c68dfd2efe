//! The kernels in the driver's hands.

use super::driver::{Driver, Handle};
use super::image;
use super::tables::UpdateKernel;
use crate::error::{Result, reserve};
use std::ffi::CStr;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
#[derive(Clone, Copy)]
pub(super) struct Program {
    module: Handle,
    kernels: [Handle; Kernel::NAMES.len()],
    update_kernels: [Handle; UpdateKernel::ALL.len()],
}

/// The kernels in a context, which its optimizers share, since loading them takes long.
struct Shared {
    context: Handle,
    program: Program,
    optimizers: usize,
}

// SAFETY: the driver's handles may be used on any thread.
unsafe impl Send for Shared {}

static SHARED: Mutex<Vec<Shared>> = Mutex::new(Vec::new());

fn shared() -> MutexGuard<'static, Vec<Shared>> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Program {
    pub const NONE: Self = Self {
        module: ptr::null_mut(),
        kernels: [ptr::null_mut(); _],
        update_kernels: [ptr::null_mut(); _],
    };

    /// The kernels in this context, which is the current one: those of its other optimizers, or loaded anew.
    pub fn acquire(driver: &Driver, context: Handle) -> Result<Self> {
        let mut shared = shared();
        if let Some(loaded) = shared.iter_mut().find(|loaded| loaded.context == context) {
            loaded.optimizers += 1;
            return Ok(loaded.program);
        }
        reserve(&mut shared, 1, "GPUs")?;
        let mut program = Self::NONE;
        program.load(driver).inspect_err(|_| program.unload(driver))?;
        shared.push(Shared { context, program, optimizers: 1 });
        Ok(program)
    }

    /// Gives back what `acquire` has returned, when this optimizer runs the kernels no more. The last one unloads them, unless
    /// the context cannot be made current any more, and the kernels are lost with it.
    pub fn release(self, driver: &Driver, context: Handle, is_current: bool) {
        let mut shared = shared();
        let is_this =
            |loaded: &Shared| loaded.context == context && loaded.program.module == self.module;
        let Some(index) = shared.iter().position(is_this) else { return };
        shared[index].optimizers -= 1;
        if shared[index].optimizers == 0 {
            let last = shared.swap_remove(index);
            if is_current {
                last.program.unload(driver);
            }
        }
        if shared.is_empty() {
            *shared = Vec::new();
        }
    }

    fn load(&mut self, driver: &Driver) -> Result<()> {
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

    fn unload(self, driver: &Driver) {
        if !self.module.is_null() {
            // SAFETY: it was loaded, and nobody runs its kernels any more.
            let _ = unsafe { driver.module_unload(self.module) };
        }
    }

    pub fn kernel(&self, kernel: Kernel) -> Handle {
        self.kernels[kernel as usize]
    }

    pub fn update_kernel(&self, kernel: UpdateKernel) -> Handle {
        self.update_kernels[kernel as usize]
    }
}
