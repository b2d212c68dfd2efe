//! What is handed to kernels. `kernels/types.cuh` has the same structs, and describes their fields; a test compares them.

use super::driver::DevicePointer;
use crate::kernel::{Dtype, NameHash, Rounding};
use crate::math::Hyperparameters;
use crate::math::q8::BLOCK;
use crate::optimizer::{Compensation, Group, Param};
use std::ptr;

/// Threads of a block of most kernels.
pub(super) const THREADS: usize = 128;
/// Elements that a block of threads steps.
pub(super) const TILE: usize = 1024;
/// Threads of a block that steps 8-bit state of any layout: a warp for each 128 elements.
pub(super) const Q8_THREADS: usize = TILE / BLOCK * 32;

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct DeviceGroup {
    lr: f64,
    beta1: f64,
    beta2: f64,
    weight_decay: f64,
    eps: f64,
    max_lr: f64,
    rectify_threshold: f64,
    seed: u64,
    decouple_wd: u32,
    decouple_lr: u32,
    maximize: u32,
    rectify: u32,
    unrectified: u32,
    reserved: u32,
}

impl DeviceGroup {
    pub fn of(group: &Group) -> Self {
        let Hyperparameters {
            lr,
            beta1,
            beta2,
            weight_decay,
            eps,
            max_lr,
            decouple_wd,
            decouple_lr,
            maximize,
            rectify,
            rectify_threshold,
            unrectified,
        } = group.hyperparameters();
        Self {
            lr,
            beta1,
            beta2,
            weight_decay,
            eps,
            max_lr,
            rectify_threshold,
            seed: group.seed,
            decouple_wd: decouple_wd.into(),
            decouple_lr: decouple_lr.into(),
            maximize: maximize.into(),
            rectify: rectify.into(),
            unrectified: unrectified.into(),
            reserved: 0,
        }
    }
}

#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(super) struct DeviceTensor {
    param: DevicePointer,
    grad: DevicePointer,
    exp_avg: DevicePointer,
    exp_avg_sq: DevicePointer,
    compensation: DevicePointer,
    state_scale: DevicePointer,
    copy: DevicePointer,
    pub len: u64,
    first: u64,
    name_hash: u64,
    id: u32,
    group: u32,
    param_dtype: u8,
    grad_dtype: u8,
    state_dtype: u8,
    copy_dtype: u8,
    rounding: u8,
    kahan_sum: u8,
    q8: u8,
    steps: u8,
    is_aligned: u8,
    reserved: [u8; 15],
}

/// A dtype as the C API numbers it.
pub(super) fn number_of(dtype: Dtype) -> u8 {
    match dtype {
        Dtype::F32 => 1,
        Dtype::F64 => 2,
        Dtype::F16 => 3,
        Dtype::Bf16 => 4,
    }
}

/// Whether addresses are such that 16 bytes are read at once.
pub(super) fn are_aligned(addresses: &[DevicePointer]) -> bool {
    addresses.iter().all(|address| address.is_multiple_of(16))
}

/// Where a parameter's elements, gradient, `exp_avg`, `exp_avg_sq`, compensation and copy are; 0 for what it does not have.
pub(super) fn addresses_of(param: &Param) -> [DevicePointer; 6] {
    let [exp_avg, exp_avg_sq, compensation] = param.state.arrays();
    let has_compensation = param.state.kind.compensation != Compensation::None;
    let compensation = if has_compensation { compensation } else { ptr::null_mut() };
    let copy = param.state.copy().map_or(ptr::null_mut(), |(copy, _)| copy);
    [param.data.pointer(), param.grad.pointer(), exp_avg, exp_avg_sq, compensation, copy]
        .map(|array| array.addr() as DevicePointer)
}

impl DeviceTensor {
    /// Of a parameter of this group.
    pub fn of(id: u32, param: &Param, group: &Group) -> Self {
        // A step of such a group comes with arrays of its own.
        let waits_for_call = group.gradient_release.or(false);
        let state = param.state.kind;
        let rounding =
            if param.dtype == Dtype::Bf16 { group.rounding(state) } else { Rounding::Nearest };
        let addresses = addresses_of(param);
        let [data, grad, exp_avg, exp_avg_sq, compensation, copy] = addresses;
        Self {
            param: data,
            grad,
            exp_avg,
            exp_avg_sq,
            compensation,
            state_scale: param.state.state_scale().addr() as DevicePointer,
            copy,
            len: param.len() as u64,
            first: param.slice().0,
            name_hash: NameHash::of(param.name(id)).0,
            id,
            group: param.group,
            param_dtype: number_of(param.dtype),
            grad_dtype: number_of(param.grad_dtype),
            state_dtype: number_of(state.dtype),
            copy_dtype: param.state.copy().map_or(0, |(_, dtype)| number_of(dtype)),
            rounding: match rounding {
                Rounding::Nearest => 0,
                Rounding::Remainder => 1,
                Rounding::Stochastic => 2,
            },
            kahan_sum: (state.compensation == Compensation::Kahan).into(),
            q8: state.q8.into(),
            steps: if waits_for_call { !param.is_frozen() } else { param.steps_now() }.into(),
            is_aligned: are_aligned(&addresses).into(),
            reserved: [0; 15],
        }
    }
}

const _: () = assert!(size_of::<DeviceGroup>() == 88 && size_of::<DeviceTensor>() == 112);

/// A tile, or a piece, of a tensor.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Part {
    pub tensor: u32,
    pub number: u32,
}

/// Bytes of the constants of a step of one parameter, which only kernels read.
pub(super) const CONSTANTS_SIZE: usize = 160;

/// By default, of no parameter.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(super) struct PrepareArgs {
    pub tensors: DevicePointer,
    pub constants: DevicePointer,
    pub groups: DevicePointer,
    pub steps: DevicePointer,
    pub sums: DevicePointer,
    pub readers: DevicePointer,
    pub grad_scale: f64,
    pub max_grad_norm: f64,
    pub max_grad_value: f64,
    pub norm: f64,
    pub nonfinite: u64,
    pub has_norm: u32,
    pub skip_nonfinite: u32,
    pub accumulate: u32,
    pub first: u32,
    pub count: u32,
    pub counts_step: u32,
    pub is_ahead: u32,
    pub reserved: u32,
}

impl PrepareArgs {
    /// Blocks of so many threads, two of which prepare a parameter.
    pub fn blocks(&self, threads: usize) -> usize {
        (2 * self.count as usize).div_ceil(threads)
    }

    /// Whether the constants do not depend on the gradients.
    pub fn is_decided(&self) -> bool {
        self.sums == 0 && self.has_norm == 0
    }

    /// Whether the constants are the same for steps of the same number, where neither depends on gradients.
    pub fn is_alike(&self, other: &Self) -> bool {
        let parameters =
            |args: &Self| (args.tensors, args.groups, args.steps, args.first, args.count);
        let settings = |args: &Self| (args.grad_scale, args.max_grad_value, args.accumulate);
        parameters(self) == parameters(other) && settings(self) == settings(other)
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct UpdateArgs {
    pub tensors: DevicePointer,
    pub constants: DevicePointer,
    pub parts: DevicePointer,
    pub sums: DevicePointer,
    pub param: DevicePointer,
    pub grad: DevicePointer,
    pub is_aligned: u32,
    pub zero_grad: u32,
    pub count: u32,
    pub preparing: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct SmallArgs {
    pub prepare: PrepareArgs,
    pub update: UpdateArgs,
    pub arrived: DevicePointer,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct MeasureArgs {
    pub tensors: DevicePointer,
    pub pieces: DevicePointer,
    pub sums: DevicePointer,
    pub grad: DevicePointer,
    pub count: u32,
    pub reserved: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct ZeroArgs {
    pub tensors: DevicePointer,
    pub pieces: DevicePointer,
    pub grad: DevicePointer,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct SetGroupArgs {
    pub prepare: PrepareArgs,
    pub groups: DevicePointer,
    pub group: DeviceGroup,
    pub index: u32,
    pub reserved: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct ConvertArgs {
    pub from: DevicePointer,
    pub to: DevicePointer,
    pub len: u64,
    pub from_dtype: u32,
    pub to_dtype: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct RecodeArgs {
    pub exp_avg: DevicePointer,
    pub exp_avg_sq: DevicePointer,
    pub directions: DevicePointer,
    pub roots: DevicePointer,
    pub state_scale: DevicePointer,
    pub len: u64,
    pub eps: f32,
    pub dtype: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::fmt::Write as _;
    use std::io::Write as _;
    use std::mem::offset_of;
    use std::process::{Command, Stdio};

    /// Says in C++ how structs lie in memory, of which all fields are named.
    macro_rules! layouts {
        ($($here:ident is $there:ident { $($field:ident),* })+) => {{
            let mut source = String::new();
            $(
                let _ = |$here { $($field: _),* }: $here| ();
                let (there, size, alignment) = (stringify!($there), size_of::<$here>(), align_of::<$here>());
                writeln!(source, "static_assert(sizeof({there}) == {size} && alignof({there}) == {alignment}, \"\");").unwrap();
                $(
                    let (field, offset) = (stringify!($field), offset_of!($here, $field));
                    writeln!(source, "static_assert(offsetof({there}, {field}) == {offset}, \"\");").unwrap();
                )*
            )+
            source
        }};
    }

    #[test]
    #[cfg_attr(miri, ignore)] // runs a compiler
    fn structs_are_those_of_the_kernels() {
        let layouts = layouts! {
            DeviceGroup is Group {
                lr, beta1, beta2, weight_decay, eps, max_lr, rectify_threshold, seed, decouple_wd, decouple_lr, maximize,
                rectify, unrectified, reserved
            }
            DeviceTensor is Tensor {
                param, grad, exp_avg, exp_avg_sq, compensation, state_scale, copy, len, first, name_hash, id, group,
                param_dtype, grad_dtype, state_dtype, copy_dtype, rounding, kahan_sum, q8, steps, is_aligned, reserved
            }
            Part is Part { tensor, number }
            PrepareArgs is PrepareArgs {
                tensors, constants, groups, steps, sums, readers, grad_scale, max_grad_norm, max_grad_value, norm, nonfinite,
                has_norm, skip_nonfinite, accumulate, first, count, counts_step, is_ahead, reserved
            }
            UpdateArgs is UpdateArgs {
                tensors, constants, parts, sums, param, grad, is_aligned, zero_grad, count, preparing
            }
            SmallArgs is SmallArgs { prepare, update, arrived }
            MeasureArgs is MeasureArgs { tensors, pieces, sums, grad, count, reserved }
            ZeroArgs is ZeroArgs { tensors, pieces, grad }
            SetGroupArgs is SetGroupArgs { prepare, groups, group, index, reserved }
            ConvertArgs is ConvertArgs { from, to, len, from_dtype, to_dtype }
            RecodeArgs is RecodeArgs {
                exp_avg, exp_avg_sq, directions, roots, state_scale, len, eps, dtype
            }
        };
        let constants = format!(
            "static_assert(sizeof(Constants) == {CONSTANTS_SIZE} && int(TILE) == {TILE} && int(THREADS) == {THREADS} \
             && int(::Q8_THREADS) == {Q8_THREADS}, \"\");"
        );
        let mut compiler = Command::new("g++");
        compiler.args(["-std=c++17", "-fsyntax-only", "-Isrc/cuda/kernels", "-xc++", "-"]);
        compiler.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::piped());
        let Ok(mut compiling) = compiler.spawn() else {
            assert!(env::var_os("RADAM_TEST_NO_SKIP").is_none(), "there is no g++");
            return;
        };
        let source = format!("#include \"types.cuh\"\n#include <cstddef>\n{layouts}{constants}\n");
        compiling.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
        assert!(compiling.wait().unwrap().success(), "{source}");
    }
}
