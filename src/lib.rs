//! Rectified Adam (RAdam), the optimizer ([Liu et al. 2019](https://arxiv.org/abs/1908.03265)), for programs that train
//! neural networks: it steps your own slices, and has the formulas and options of the Python library
//! [optimi](https://optimi.benjaminwarner.dev).
//!
//! ```
//! use radam::{GroupOptions, Optimizer};
//!
//! let (mut weight, grad) = (vec![1.0f32; 1000], vec![0.1f32; 1000]);
//!
//! let mut opt = Optimizer::new()?;
//! let group = opt.add_group(GroupOptions { weight_decay: 0.1, decouple_wd: true, ..GroupOptions::new(1e-3) })?;
//! let w = opt.add_param::<f32>(group, weight.len(), "weight")?;
//!
//! opt.step(&mut [(w, &mut weight, &grad)])?; // in every step, once there are gradients
//! # Ok::<(), radam::Error>(())
//! ```
//!
//! - **f32, f64, [`f16`](struct@f16) and [`bf16`]**, mixed in one step ([`Tensor`]). 16-bit parameters
//!   train without f32 copies by Kahan summation, exact f32 masters in 16 more bits, or stochastic rounding
//!   ([`GroupOptions`]).
//! - **State of 8 bits** ([`StateDtype::Q8`]): both averages in 2.03 bytes an element instead of 8, trained as well as in
//!   f32 ([`Optimizer::state_q8`]).
//! - **What training loops do around a step** happens within it: gradient scaling, clipping, skipping steps that
//!   overflowed, zeroing ([`StepOptions`]); across processes, by exact sums of gradients ([`GradSums`]).
//! - **The same bits** on every machine, instruction set and number of threads.
//! - **Gradient release**: [`Optimizer::step_tensor`] updates one parameter inside the backward pass, on any thread.
//! - **Checkpoints** that continue with the same bits, verified before anything changes, also from other shards:
//!   [`Optimizer::save`], [`Optimizer::load`]. Scripts move training runs between PyTorch and this.
//! - **Without an optimizer**: [`update`] and [`update_q8`] step one tensor whose state is yours.
//! - **Errors** are values with a sentence that names the argument and what is allowed ([`Error`]); a call that fails
//!   changes nothing. There is no `unsafe` for you to write, and the optimizer keeps no pointer between calls.
//! - **A C API** with a generated header, `include/radam.h`, for engines in C, C++ and other languages: [`ffi`]. It has
//!   the same results, and besides: registered arrays, steps in slices of a frame, executors and allocators.
//!
//! The 16-bit types are those of version 2 of the crate [`half`], which are exported again here.
//!
//! # Numerics
//!
//! Per element, with m (`exp_avg`) and v (`exp_avg_sq`) stored debiased, as optimi stores them, and β̂ the debiased β of
//! step t ([`GroupReport`]):
//!
//! ```text
//! g ← g + λθ                                  (L2 weight decay only)
//! m ← β̂1 m + (1 − β̂1) g
//! v ← β̂2 v + (1 − β̂2) g²
//! θ ← θ − decay·θ − γ r m / (√v + ε)          (rectified; θ − decay·θ − γ m while ρ ≤ 5)
//! ```
//!
//! f16 and bf16 are computed in f32, and rounded once, when stored.
//!
//! # For contributors
//!
//! Calls go only downwards: `api`, [`ffi`] → `checkpoint` → `optimizer` → `device` (`cuda/`), `kernel`, `system` → `math`.
//! `api` is what this page lists; `error` and `sync` serve all. CONTRIBUTING.md has the map.

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "x86", target_feature = "sse2"),
    target_arch = "aarch64",
    target_arch = "s390x",
    target_family = "wasm",
    miri, // which runs the tests for a target without vectors
)))]
compile_error!(
    "radam promises the same bits on every machine, and has not been tested on this architecture. It runs on x86-64, x86 \
     with SSE2, AArch64, s390x and WebAssembly; src/system/float_mode.rs has what another one needs first: its \
     floating-point mode."
);

mod api;
mod checkpoint;
#[cfg_attr(cuda, path = "cuda/mod.rs")]
#[cfg_attr(not(cuda), path = "no_cuda.rs")]
mod device;
mod error;
pub mod ffi;
mod kernel;
mod math;
mod optimizer;
mod sync;
mod system;

pub use api::{
    Array, AsTensor, Element, Error, GradSums, GroupId, GroupOptions, GroupReport, Optimizer,
    Options, ParamId, ParamOptions, Q8State, State, StepOptions, Tensor, update, update_q8,
};
pub use checkpoint::LoadOptions;
pub use half::{bf16, f16};
pub use kernel::{Dtype, StateDtype};
pub use optimizer::StepReport;
