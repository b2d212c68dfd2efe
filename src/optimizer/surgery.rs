//! Changing what there is while training: freezing and removing parameters, resetting their state.

use super::Optimizer;
use super::arrays::{CallerArray, Given};
use super::param::{Param, Standing};
use super::state::State;
use crate::error::Result;

impl Optimizer {
    pub fn is_frozen(&self, id: u32) -> Result<bool> {
        Ok(self.param(id)?.is_frozen())
    }

    /// A frozen parameter is skipped by steps, and its step count stands still.
    pub fn set_frozen(&mut self, id: u32, frozen: bool) -> Result<()> {
        self.param(id)?;
        self.params[id as usize].set_frozen(frozen);
        self.moved(id..id + 1);
        Ok(())
    }

    /// Takes a parameter away, with its state. The ids of the others stay.
    pub fn remove_param(&mut self, id: u32) -> Result<()> {
        self.param(id)?;
        let nothing = State::new(self.params[id as usize].state.kind, 0, Given::NOTHING)?;
        self.index.remove(&self.params, id);
        let param = &mut self.params[id as usize];
        param.state = nothing;
        param.standing = Standing::Removed;
        param.given_name = None;
        (param.data, param.grad) = (CallerArray::NONE, CallerArray::NONE);
        param.set_steps(0);
        self.changed();
        Ok(())
    }

    /// Makes the state of a parameter, or of all, what it was before the first step.
    pub fn reset_state(&self, id: Option<u32>) -> Result<()> {
        let reset = |(id, param): (u32, &Param)| {
            param.state.reset()?;
            self.set_steps(id, 0)
        };
        match id {
            None => self.params().try_for_each(reset),
            Some(id) => reset((id, self.param(id)?)),
        }
    }

    /// Makes the next step of a parameter number `steps` + 1.
    pub fn set_step_count(&self, id: u32, steps: u64) -> Result<()> {
        self.param(id)?;
        self.set_steps(id, steps)
    }
}
