//! The tables by which one launch steps all tensors: what each is, and the tiles and pieces that they consist of.

use super::layout::{DeviceTensor, Part, Q8_THREADS, THREADS, TILE, addresses_of, are_aligned};
use crate::error::{Result, reserve};
use crate::kernel::{Dtype, Rounding};
use crate::math::q8::BLOCK;
use crate::optimizer::{Compensation, Contents, Group, Param, Standing};
use std::ops::Range;

/// The kernels that step tensors, by their layouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UpdateKernel {
    F32,
    F64,
    F16,
    Bf16,
    Bf16InF32,
    F32ByBf16,
    F32ToBf16,
    Q8F32,
    Q8Bf16,
    Q8Any,
    Any,
    AnyInF64,
}

impl UpdateKernel {
    pub const ALL: [Self; 12] = [
        Self::F32,
        Self::F64,
        Self::F16,
        Self::Bf16,
        Self::Bf16InF32,
        Self::F32ByBf16,
        Self::F32ToBf16,
        Self::Q8F32,
        Self::Q8Bf16,
        Self::Q8Any,
        Self::Any,
        Self::AnyInF64,
    ];

    /// The one for a parameter of this group.
    fn of(param: &Param, group: &Group) -> Self {
        use Dtype::{Bf16, F16, F32, F64};
        let state = param.state.kind;
        let is_nearest = param.dtype != Bf16 || group.rounding(state) == Rounding::Nearest;
        let copy = param.state.copy().map(|(_, dtype)| dtype);
        let is_kahan = state.compensation == Compensation::Kahan;
        if state.q8 {
            let is_plain =
                is_nearest && copy.is_none() && !(is_kahan && state.dtype != param.dtype);
            let whole_blocks =
                param.len().is_multiple_of(BLOCK) && are_aligned(&addresses_of(param));
            return match (param.dtype, param.grad_dtype) {
                (F32, F32) if is_plain && whole_blocks => Self::Q8F32,
                (Bf16, Bf16) if is_plain && whole_blocks => Self::Q8Bf16,
                _ => Self::Q8Any,
            };
        }
        if !is_nearest {
            return Self::Any;
        }
        match (param.dtype, param.grad_dtype, state.dtype, copy) {
            (F32, F32, F32, None | Some(F32)) => Self::F32,
            (F32, F32, F32, Some(Bf16)) => Self::F32ToBf16,
            (F32, Bf16, F32, None | Some(Bf16)) => Self::F32ByBf16,
            (F64, F64, F64, None) => Self::F64,
            (F16, F16, F16, None) => Self::F16,
            (Bf16, Bf16, Bf16, None) => Self::Bf16,
            (Bf16, Bf16, F32, None) => Self::Bf16InF32,
            (F64, ..) => Self::AnyInF64,
            _ => Self::Any,
        }
    }

    /// The same kernel for arrays that are not aligned.
    pub fn unaligned(self) -> Self {
        match self {
            Self::Q8F32 | Self::Q8Bf16 => Self::Q8Any,
            other => other,
        }
    }

    /// Threads of a block.
    pub fn threads(self) -> usize {
        match self {
            Self::Q8Any => Q8_THREADS,
            _ => THREADS,
        }
    }

    /// Whether the kernel for small steps does as well.
    fn is_for_small_steps(self) -> bool {
        !matches!(self, Self::F64 | Self::AnyInF64 | Self::Q8F32 | Self::Q8Bf16 | Self::Q8Any)
    }
}

/// Where a parameter is in the tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub tensor: u32,
    pub kernel: UpdateKernel,
    first_tile: u32,
    tiles: u32,
    first_piece: u32,
    pieces: u32,
}

impl Entry {
    pub fn tiles(&self) -> Range<u32> {
        self.first_tile..self.first_tile + self.tiles
    }

    pub fn pieces(&self) -> Range<u32> {
        self.first_piece..self.first_piece + self.pieces
    }
}

#[derive(Default)]
pub(super) struct Tables {
    /// First those that `step` steps, in the order of their kernels; then those of groups with gradient release.
    pub tensors: Vec<DeviceTensor>,
    pub tiles: Vec<Part>,
    pub pieces: Vec<Part>,
    /// By the ids of parameters.
    entries: Vec<Option<Entry>>,
    /// How many tensors, and how many of the pieces, `step` works on.
    pub in_step: u32,
    pub pieces_in_step: u32,
    /// The kernels of `step`, each with its tiles.
    launches: Vec<(UpdateKernel, Range<u32>)>,
    /// Threads of a block for a step that is small, if it is.
    pub small_threads: Option<usize>,
    /// Changes with the tiles and pieces.
    pub shape: u64,
    /// What the parameters may come to, and those that were removed since the tables were made.
    sizes: Sizes,
}

/// How many tiles and pieces tensors may come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    pub tensors: usize,
    pub tiles: usize,
    pub pieces: usize,
}

impl Sizes {
    const NONE: Self = Self { tensors: 0, tiles: 0, pieces: 0 };

    fn with(self, params: &[Param]) -> Self {
        params.iter().fold(self, |sizes, param| Self {
            tensors: sizes.tensors + 1,
            tiles: sizes.tiles + param.len().div_ceil(TILE),
            pieces: sizes.pieces + param.grid().len(),
        })
    }

    pub fn bytes(self) -> usize {
        self.tensors * size_of::<DeviceTensor>() + (self.tiles + self.pieces) * size_of::<Part>()
    }
}

impl Tables {
    /// Makes room for more parameters, so that making the tables never allocates. Returns what all may come to.
    pub fn reserve(&mut self, new: &[Param]) -> Result<Sizes> {
        fn room<T>(items: &mut Vec<T>, count: usize, what: &str) -> Result<()> {
            reserve(items, count.saturating_sub(items.len()), what)
        }
        let sizes = self.sizes.with(new);
        room(&mut self.tensors, sizes.tensors, "parameters")?;
        room(&mut self.entries, sizes.tensors, "parameters")?;
        room(&mut self.tiles, sizes.tiles, "tiles of parameters")?;
        room(&mut self.pieces, sizes.pieces, "pieces of parameters")?;
        room(&mut self.launches, UpdateKernel::ALL.len(), "kernels")?;
        self.sizes = sizes;
        Ok(sizes)
    }

    pub fn entry(&self, id: u32) -> Option<Entry> {
        self.entries.get(id as usize).copied().flatten()
    }

    pub fn launches(&self) -> impl Iterator<Item = (UpdateKernel, Range<u32>)> {
        self.launches.iter().cloned()
    }

    /// Describes a parameter anew, and returns which tensor it is; `None` if the tables have to be made anew for it.
    pub fn describe(&mut self, id: u32, Contents { groups, params }: Contents) -> Option<u32> {
        let param = &params[id as usize];
        let group = &groups[param.group as usize];
        let kernel = UpdateKernel::of(param, group);
        let Entry { tensor, .. } = self.entry(id).filter(|entry| entry.kernel == kernel)?;
        self.tensors[tensor as usize] = DeviceTensor::of(id, param, group);
        Some(tensor)
    }

    /// Describes all parameters, and cuts them into tiles and pieces.
    pub fn make(&mut self, Contents { groups, params }: Contents) {
        self.shape += 1;
        self.sizes = Sizes::NONE.with(params);
        self.tensors.clear();
        self.tiles.clear();
        self.pieces.clear();
        self.launches.clear();
        self.entries.clear();
        self.entries.resize(params.len(), None);
        for releases in [false, true] {
            for kernel in UpdateKernel::ALL {
                let first = self.tiles.len() as u32;
                for (id, param) in (0..).zip(params) {
                    let group = &groups[param.group as usize];
                    let is_there = param.standing != Standing::Removed
                        && group.gradient_release.or(false) == releases;
                    if is_there && UpdateKernel::of(param, group) == kernel {
                        self.push(id, param, group, kernel);
                    }
                }
                let tiles = first..self.tiles.len() as u32;
                if !releases && !tiles.is_empty() {
                    self.launches.push((kernel, tiles));
                }
            }
            if !releases {
                self.in_step = self.tensors.len() as u32;
                self.pieces_in_step = self.pieces.len() as u32;
                self.small_threads = self.small_threads_for();
            }
        }
    }

    /// Threads for a small step of these parameters. Each needs a block that counts its steps.
    fn small_threads_for(&self) -> Option<usize> {
        const ELEMENTS: usize = 1 << 18;
        const TILES: usize = 2048;
        let lens = || self.tensors.iter().map(|tensor| tensor.len as usize);
        let elements = lens().fold(0usize, usize::saturating_add);
        let tiles = self.launches.iter().map(|(_, tiles)| tiles.len()).sum::<usize>();
        let is_small = elements <= ELEMENTS && tiles <= TILES;
        (is_small
            && lens().all(|len| len > 0)
            && self.launches.iter().all(|(kernel, _)| kernel.is_for_small_steps()))
        .then(|| lens().max().unwrap_or(0).next_power_of_two().clamp(32, 1024))
    }

    fn push(&mut self, id: u32, param: &Param, group: &Group, kernel: UpdateKernel) {
        let tensor = self.tensors.len() as u32;
        let (tiles, pieces) = (param.len().div_ceil(TILE) as u32, param.grid().len() as u32);
        self.entries[id as usize] = Some(Entry {
            tensor,
            kernel,
            first_tile: self.tiles.len() as u32,
            tiles,
            first_piece: self.pieces.len() as u32,
            pieces,
        });
        self.tensors.push(DeviceTensor::of(id, param, group));
        self.tiles.extend((0..tiles).map(|number| Part { tensor, number }));
        self.pieces.extend((0..pieces).map(|number| Part { tensor, number }));
    }
}
