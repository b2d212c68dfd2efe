//! The launches of a step. What depends on the gradients is decided on the device, so that nothing here waits for it unless
//! the caller asks what became of the step.

use super::driver::{DevicePointer, Handle};
use super::layout::{
    MeasureArgs, PrepareArgs, SmallArgs, THREADS, UpdateArgs, ZeroArgs, are_aligned,
};
use super::tables::UpdateKernel;
use super::upload::Addresses;
use super::{Device, Kernel, Stale, Work, address, check_can_wait};
use crate::error::{Result, error};
use crate::math::{WORDS, Words};
use crate::optimizer::{Contents, OfCall, StepOptions, Task};
use std::mem;
use std::ops::Range;

/// Bytes of one of the sums.
const SUM: usize = WORDS * size_of::<u64>();
/// Bytes of all of them, and of the number that kernels count in.
pub(super) const SUMS: usize = 3 * SUM + size_of::<u64>();
/// Warps, and so pieces, of a block of threads that measures.
const PIECES_AT_ONCE: usize = THREADS / 32;

/// What is stepped, of the tables.
struct Selected {
    at: Addresses,
    tensors: Range<u32>,
    pieces: Range<u32>,
    param: DevicePointer,
    grad: DevicePointer,
}

impl Selected {
    fn of(work: &Work, of_call: Option<&OfCall>) -> Result<Self> {
        let (tables, at) = (&work.tables, work.uploads.addresses(&work.tables));
        let Some(OfCall { id, data, grad }) = of_call else {
            let (tensors, pieces) = (0..tables.in_step, 0..tables.pieces_in_step);
            return Ok(Self { at, tensors, pieces, param: 0, grad: 0 });
        };
        let Some(entry) = tables.entry(*id) else {
            return Err(error!(InvalidState, "param is {id}, which is not on the device"));
        };
        let tensors = entry.tensor..entry.tensor + 1;
        let (param, grad) = (address(data.pointer()), address(grad.pointer()));
        Ok(Self { at, tensors, pieces: entry.pieces(), param, grad })
    }

    fn update_args(
        &self,
        work: &Work,
        zero_grad: bool,
        parts: DevicePointer,
        count: u32,
    ) -> UpdateArgs {
        UpdateArgs {
            tensors: self.at.tensors,
            constants: work.constants.now(),
            parts,
            sums: work.sums.pointer + SUM as u64,
            param: self.param,
            grad: self.grad,
            is_aligned: are_aligned(&[self.param, self.grad]).into(),
            zero_grad: zero_grad.into(),
            count,
            preparing: 0,
        }
    }
}

impl Device {
    /// Notes that there are other parameters, or that they are stepped in another way.
    pub fn invalidate(&self) {
        let mut work = self.work();
        work.constants.ahead = None;
        work.stale = Stale::All;
    }

    /// Notes that arrays of these parameters have moved, or that other ones of them take part in steps.
    pub fn describe(&self, contents: Contents, ids: Range<u32>) {
        let mut work = self.work();
        work.constants.ahead = None;
        for id in ids {
            if work.stale == Stale::All {
                return;
            }
            work.stale = match work.tables.describe(id, contents) {
                Some(tensor) => {
                    work.uploads.changed(tensor as usize);
                    Stale::Tensors
                }
                None => Stale::All,
            };
        }
    }

    /// Enqueues a step. If the caller wants a report, waits for it, and returns the sums of the squares of gradients, updates
    /// and new parameters, as far as they were measured.
    pub fn step(&self, contents: Contents, task: &Task) -> Result<Option<[Words; 3]>> {
        let (_current, mut work) = (self.enter()?, self.work());
        let work = &mut *work;
        let waits = task.options.measure_grads;
        if waits {
            check_can_wait(&self.driver, work.stream, "a report")?;
        }
        self.refresh(work, contents)?;
        let selected = Selected::of(work, task.of_call.as_ref())?;
        let measures_params = waits && task.options.measure_params;
        if task.measures || measures_params {
            self.clear_sums(work)?;
        }
        if task.measures {
            self.measure_pieces(work, &selected)?;
        }
        let prepare = prepare_args(work, task, &selected);
        self.step_tensors(work, task, &selected, prepare)?;
        work.sums_are_clear |= prepare.readers != 0;
        if task.options.zero_grad && task.zero_last {
            self.zero_pieces(work, &selected)?;
        }
        if waits { self.sums(work).map(Some) } else { Ok(None) }
    }

    fn step_tensors(
        &self,
        work: &mut Work,
        task: &Task,
        selected: &Selected,
        prepare: PrepareArgs,
    ) -> Result<()> {
        let zeroes = task.options.zero_grad && !task.zero_last;
        let of_call = task.of_call.as_ref();
        let measures_params = task.options.measure_grads && task.options.measure_params;
        let ahead = work.constants.ahead.take();
        if of_call.is_none() && !measures_params {
            if let Some(threads) = work.tables.small_threads {
                return self.step_small(work, selected, prepare, zeroes, threads);
            }
            let has_launch = work.tables.launches().next().is_some();
            if prepare.is_decided() && !work.captured && has_launch {
                let is_prepared = ahead.is_some_and(|ahead| ahead.is_alike(&prepare));
                return self.step_ahead(work, selected, prepare, is_prepared, zeroes);
            }
        }
        self.prepare_step(work, prepare)?;
        if measures_params {
            self.update_measured(work, selected, zeroes)
        } else {
            self.update_tiles(work, of_call, selected, zeroes, PrepareArgs::default())
        }
    }

    /// Measures the gradients that a step would go by. Waits.
    pub fn measure(&self, contents: Contents) -> Result<Words> {
        let (_current, mut work) = (self.enter()?, self.work());
        let work = &mut *work;
        check_can_wait(&self.driver, work.stream, "a measurement")?;
        self.refresh(work, contents)?;
        self.clear_sums(work)?;
        self.measure_pieces(work, &Selected::of(work, None)?)?;
        let [grads, ..] = self.sums(work)?;
        Ok(grads)
    }

    /// Fills the gradients that a step would go by with zeros.
    pub fn zero_grad(&self, contents: Contents) -> Result<()> {
        let (_current, mut work) = (self.enter()?, self.work());
        let work = &mut *work;
        self.refresh(work, contents)?;
        self.zero_pieces(work, &Selected::of(work, None)?)
    }

    /// Brings the tables on the device up to date.
    fn refresh(&self, work: &mut Work, contents: Contents) -> Result<()> {
        let is_capturing = work.note_capture(&self.driver)?;
        if work.stale == Stale::All {
            work.tables.make(contents);
            work.stale = Stale::Tensors;
        }
        if work.stale == Stale::Tensors {
            work.upload(&self.driver, is_capturing)?;
            work.stale = Stale::No;
        }
        if is_capturing {
            work.uploads.capture();
        }
        Ok(())
    }

    /// Sets the sums to 0, unless the step before does it. Where there are graphs, nobody knows what ran before.
    fn clear_sums(&self, work: &mut Work) -> Result<()> {
        if work.captured || !work.sums_are_clear {
            // SAFETY: the sums are as large.
            unsafe { self.driver.set_bytes(work.sums.pointer, 0, SUMS, work.stream) }?;
        }
        work.sums_are_clear = false;
        Ok(())
    }

    fn measure_pieces(&self, work: &Work, selected: &Selected) -> Result<()> {
        let count = selected.pieces.len();
        let arguments = MeasureArgs {
            tensors: selected.at.tensors,
            pieces: selected.at.piece(selected.pieces.start),
            sums: work.sums.pointer,
            grad: selected.grad,
            count: count as u32,
            reserved: 0,
        };
        self.launch_warps(work.stream, Kernel::Measure, count, arguments)
    }

    /// A small step, at once.
    fn step_small(
        &self,
        work: &Work,
        selected: &Selected,
        prepare: PrepareArgs,
        zeroes: bool,
        threads: usize,
    ) -> Result<()> {
        let tiles: usize = work.tables.launches().map(|(_, tiles)| tiles.len()).sum();
        let update = selected.update_args(work, zeroes, selected.at.tile(0), tiles as u32);
        let arguments = SmallArgs { prepare, update, arrived: work.arrived.buffer.pointer };
        self.launch(work.stream, self.kernel(Kernel::StepSmall), tiles, threads, arguments)
    }

    /// A step of all parameters that prepares the next one.
    fn step_ahead(
        &self,
        work: &mut Work,
        selected: &Selected,
        prepare: PrepareArgs,
        is_prepared: bool,
        zeroes: bool,
    ) -> Result<()> {
        if is_prepared {
            work.constants.turn();
        } else {
            self.prepare_step(work, prepare)?;
        }
        let constants = work.constants.next();
        let next =
            PrepareArgs { constants, counts_step: is_prepared.into(), is_ahead: 1, ..prepare };
        self.update_tiles(work, None, selected, zeroes, next)?;
        work.constants.ahead = Some(next);
        Ok(())
    }

    fn prepare_step(&self, work: &Work, prepare: PrepareArgs) -> Result<()> {
        let (kernel, blocks) = (self.kernel(Kernel::Prepare), prepare.blocks(THREADS));
        self.launch(work.stream, kernel, blocks, THREADS, prepare)
    }

    /// Steps elements. The first of the launches also prepares what is next, which may be nothing.
    fn update_tiles(
        &self,
        work: &Work,
        of_call: Option<&OfCall>,
        selected: &Selected,
        zeroes: bool,
        mut next: PrepareArgs,
    ) -> Result<()> {
        let mut launch = |kernel: UpdateKernel, tiles: Range<u32>| {
            let first = selected.at.tile(tiles.start);
            let mut update = selected.update_args(work, zeroes, first, tiles.len() as u32);
            let next = mem::take(&mut next);
            let (threads, kernel) = (kernel.threads(), self.program.update_kernel(kernel));
            let preparing = next.blocks(threads);
            update.preparing = preparing as u32;
            let blocks = preparing + tiles.len();
            self.launch_with(work.stream, kernel, blocks, threads, (update, next))
        };
        match of_call.and_then(|of_call| work.tables.entry(of_call.id)) {
            Some(entry) if are_aligned(&[selected.param, selected.grad]) => {
                launch(entry.kernel, entry.tiles())
            }
            Some(entry) => launch(entry.kernel.unaligned(), entry.tiles()),
            None => work.tables.launches().try_for_each(|(kernel, tiles)| launch(kernel, tiles)),
        }
    }

    fn update_measured(&self, work: &Work, selected: &Selected, zeroes: bool) -> Result<()> {
        let pieces = &selected.pieces;
        let first = selected.at.piece(pieces.start);
        let arguments = selected.update_args(work, zeroes, first, pieces.len() as u32);
        self.launch_warps(work.stream, Kernel::UpdateMeasured, pieces.len(), arguments)
    }

    fn zero_pieces(&self, work: &Work, selected: &Selected) -> Result<()> {
        let count = selected.pieces.len();
        let arguments = ZeroArgs {
            tensors: selected.at.tensors,
            pieces: selected.at.piece(selected.pieces.start),
            grad: selected.grad,
        };
        self.launch(work.stream, self.kernel(Kernel::Zero), count, THREADS, arguments)
    }

    /// Launches a kernel that works on each piece with a warp.
    fn launch_warps<A: Copy>(
        &self,
        stream: Handle,
        kernel: Kernel,
        pieces: usize,
        arguments: A,
    ) -> Result<()> {
        let blocks = pieces.div_ceil(PIECES_AT_ONCE);
        self.launch(stream, self.kernel(kernel), blocks, THREADS, arguments)
    }

    /// Waits for the sums.
    fn sums(&self, work: &mut Work) -> Result<[Words; 3]> {
        self.copy_out(work, work.sums.pointer, 3 * SUM)?;
        let mut sums = [[0; WORDS]; 3];
        let words = work.staging.bytes()[..3 * SUM].chunks_exact(size_of::<i64>());
        for (to, from) in sums.as_flattened_mut().iter_mut().zip(words) {
            let mut word = [0; size_of::<i64>()];
            word.copy_from_slice(from);
            *to = i64::from_ne_bytes(word);
        }
        Ok(sums)
    }
}

fn prepare_args(work: &Work, task: &Task, selected: &Selected) -> PrepareArgs {
    let StepOptions { grad_scale, max_grad_norm, max_grad_value, measured, .. } = *task.options;
    PrepareArgs {
        tensors: selected.at.tensors,
        constants: work.constants.now(),
        groups: work.groups.buffer.pointer,
        steps: work.steps.buffer.pointer,
        sums: if task.measures { work.sums.pointer } else { 0 },
        // Reports need the sums.
        readers: if task.measures && !task.options.measure_grads {
            work.sums.pointer + 3 * SUM as u64
        } else {
            0
        },
        grad_scale,
        max_grad_norm,
        max_grad_value,
        norm: measured.map_or(0.0, |measured| measured.norm),
        nonfinite: measured.map_or(0, |measured| measured.nonfinite),
        has_norm: measured.is_some().into(),
        skip_nonfinite: task.options.skip_nonfinite.into(),
        accumulate: task.accumulate.into(),
        first: selected.tensors.start,
        count: selected.tensors.len() as u32,
        counts_step: 1,
        is_ahead: 0,
        reserved: 0,
    }
}
