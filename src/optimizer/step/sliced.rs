//! A step that its caller cuts into slices: wave by wave and chunk by chunk on an engine's own threads,
//! or for some time in every frame.

use super::Stepping;
use super::options::{StepOptions, StepReport};
use super::waves::{OpenStep, Wave, Work};
use crate::error::{Result, ensure, error};
use crate::optimizer::Optimizer;
use crate::system::{Claims, Pieces, now};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Which chunks of the present wave are taken, and how many are done.
#[derive(Debug, Default)]
pub(in crate::optimizer) struct Slices {
    taken: Claims,
    done: AtomicUsize,
    /// No chunk before this one is left. Only for whoever takes them in order.
    next: usize,
}

impl Slices {
    /// Makes room for so many more chunks.
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        self.taken.reserve(additional)
    }

    fn begin_wave(&mut self, chunks: usize) {
        let has_room = self.taken.begin(chunks);
        debug_assert!(has_room);
        *self.done.get_mut() = 0;
        self.next = 0;
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::Acquire)
    }
}

impl Stepping {
    fn open_step(&self) -> Result<&OpenStep> {
        self.open
            .as_ref()
            .ok_or_else(|| error!(InvalidState, "no step is open; radam_step_begin opens one"))
    }

    /// Goes on to the next wave of the open step, and tells whether there is one.
    fn advance(&mut self) -> Result<bool> {
        let mut open = self.open_step()?.clone();
        let is_there = self.next_wave(&mut open);
        self.open = Some(open);
        self.slices.begin_wave(self.wave_len());
        Ok(is_there)
    }

    /// Chunks of the present wave.
    fn wave_len(&self) -> usize {
        self.open.as_ref().and_then(|open| open.wave.as_ref()).map_or(0, Wave::len)
    }

    /// Chunks that are left, in the present wave and in those after it.
    fn chunks_left(&self) -> Result<usize> {
        Ok(self.wave_len() - self.slices.done() + self.open_step()?.chunks_after(&self.plan))
    }

    fn check_wave_is_done(&self) -> Result<()> {
        let (len, done) = (self.wave_len(), self.slices.done());
        ensure!(
            done == len,
            InvalidState,
            "{} of the {len} chunks of the present wave are not stepped yet; each must be, by \
             radam_step_chunk or radam_step_for",
            len - done
        );
        Ok(())
    }
}

impl Optimizer {
    pub fn is_step_open(&self) -> bool {
        self.is_step_open.load(Ordering::Relaxed) // calls are ordered by the boundary's lock
    }

    fn set_open(&self, stepping: &mut Stepping, open: Option<OpenStep>) {
        self.is_step_open.store(open.is_some(), Ordering::Relaxed);
        stepping.open = open;
    }

    /// Begins a step that is then worked on in slices.
    pub fn begin_step(&self, options: StepOptions) -> Result<()> {
        self.check_is_on_cpu("radam_step_begin")?;
        let stepping = &mut *self.stepping_alone();
        let open = self.begin(stepping, &options)?;
        self.set_open(stepping, Some(open));
        stepping.slices.begin_wave(0);
        Ok(())
    }

    /// Goes on to the next wave and returns how many chunks it has: 0 if there is none.
    pub fn next_slices(&self) -> Result<usize> {
        let mut stepping = self.stepping_alone();
        stepping.open_step()?;
        stepping.check_wave_is_done()?;
        stepping.advance()?;
        Ok(stepping.wave_len())
    }

    /// Works on one chunk of the present wave.
    pub fn step_chunk(&self, chunk: u64) -> Result<()> {
        let stepping = &*self.stepping();
        let open = stepping.open_step()?;
        let Some(wave) = &open.wave else {
            return Err(if open.has_waves() {
                error!(
                    InvalidState,
                    "chunk is {chunk}, but all waves of the step are done; what comes next is \
                     radam_step_end"
                )
            } else {
                error!(
                    InvalidState,
                    "chunk is {chunk}, but the step has no wave yet; radam_step_wave begins one and \
                     says how many chunks it has"
                )
            });
        };
        ensure!(
            chunk < wave.len() as u64,
            InvalidArgument,
            "chunk is {chunk}; it must be below {}, the number of chunks of the present wave",
            wave.len()
        );
        ensure!(
            stepping.slices.taken.claim(chunk as usize),
            InvalidArgument,
            "chunk is {chunk}, which was stepped already; each chunk of a wave must be stepped once"
        );
        self.run_slice(stepping, open, chunk as usize);
        Ok(())
    }

    /// A chunk that this thread has taken.
    fn run_slice(&self, stepping: &Stepping, open: &OpenStep, chunk: usize) {
        self.run_chunks(stepping, open, Pieces::All(chunk..chunk + 1));
        stepping.slices.done.fetch_add(1, Ordering::Release);
    }

    /// Works on chunks until the time is over, at least on one if there is any time at all, and returns
    /// how many are left.
    pub fn step_for(&self, budget: Duration) -> Result<usize> {
        let start = now();
        let stepping = &mut *self.stepping_alone();
        stepping.open_step()?;
        let (mut longest, mut before) = (Duration::ZERO, Duration::ZERO);
        while !budget.is_zero() && (before.is_zero() || before + longest <= budget) {
            if !self.step_next_chunk(stepping)? {
                break;
            }
            // Without a clock, each call steps one chunk, and its caller looks at a clock.
            let Some(start) = start else { break };
            let now = start.elapsed();
            longest = longest.max(now - before);
            before = now;
        }
        stepping.chunks_left()
    }

    /// False if none is left.
    fn step_next_chunk(&self, stepping: &mut Stepping) -> Result<bool> {
        loop {
            let (len, next) = (stepping.wave_len(), stepping.slices.next);
            if let Some(chunk) = stepping.slices.taken.claim_first(next..len) {
                stepping.slices.next = chunk + 1;
                self.run_slice(stepping, stepping.open_step()?, chunk);
                return Ok(true);
            }
            let open = stepping.open_step()?;
            let is_over = open.has_waves() && open.wave.is_none();
            if is_over || !stepping.advance()? {
                return Ok(false);
            }
        }
    }

    /// Ends a step whose waves are all done.
    pub fn end_step(&self) -> Result<StepReport> {
        let stepping = &mut *self.stepping_alone();
        let mut open = stepping.open_step()?.clone();
        stepping.check_wave_is_done()?;
        // The caller need not ask for the wave that is not there.
        while open.wave.is_some() || !open.has_waves() {
            ensure!(
                !stepping.next_wave(&mut open),
                InvalidState,
                "the step has {} chunks left in further waves; it must not end before \
                 radam_step_wave gives 0 (radam_step_abort gives a step up)",
                open.wave.as_ref().map_or(0, Wave::len) + open.chunks_after(&stepping.plan)
            );
        }
        self.set_open(stepping, None);
        Ok(self.finish(stepping, &open))
    }

    /// Gives up a step that has not changed anything yet.
    pub fn abort_step(&self) -> Result<()> {
        let stepping = &mut *self.stepping_alone();
        let open = stepping.open_step()?;
        let has_changed = match &open.wave {
            Some(wave) if wave.work == Work::Measure => false,
            Some(_) => stepping.slices.done() > 0 || open.has_changed_before(),
            None => open.has_changed_before() && !stepping.plan.chunks().is_empty(),
        };
        ensure!(
            !has_changed,
            InvalidState,
            "the step cannot be aborted, because parameters have changed already; it must be gone \
             through to its end"
        );
        self.set_open(stepping, None);
        Ok(())
    }
}
