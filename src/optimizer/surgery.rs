//! Changing what there is while training: freezing and removing parameters, resetting their state.

use super::Optimizer;
use super::given::Given;
use super::param::{Param, Standing};
use super::state::State;
use crate::error::Result;
use std::ptr;

impl Optimizer {
    pub fn is_frozen(&self, id: u32) -> Result<bool> {
        Ok(self.param(id)?.is_frozen())
    }

    /// A frozen parameter is skipped by steps, and its step count stands still.
    pub fn set_frozen(&mut self, id: u32, frozen: bool) -> Result<()> {
        self.param(id)?;
        self.params[id as usize].set_frozen(frozen);
        self.stepping_elements = None;
        Ok(())
    }

    /// Takes a parameter away, with its state. The ids of the others stay.
    pub fn remove_param(&mut self, id: u32) -> Result<()> {
        self.param(id)?;
        self.index.remove(id);
        let param = &mut self.params[id as usize];
        param.state = State::new(param.state.kind, 0, Given::NOTHING)?;
        param.standing = Standing::Removed;
        param.given_name = None;
        (param.data, param.grad) = (ptr::null_mut(), ptr::null_mut());
        param.set_steps(0);
        self.invalidate_plan();
        Ok(())
    }

    /// Makes the state of a parameter, or of all, what it was before the first step.
    pub fn reset_state(&mut self, id: Option<u32>) -> Result<()> {
        let reset = |param: &mut Param| {
            param.state.reset();
            param.set_steps(0);
        };
        match id {
            None => self.params.iter_mut().for_each(reset),
            Some(id) => {
                self.param(id)?;
                reset(&mut self.params[id as usize]);
            }
        }
        Ok(())
    }

    /// Makes the next step of a parameter number `steps` + 1.
    pub fn set_step_count(&mut self, id: u32, steps: u64) -> Result<()> {
        self.param(id)?.set_steps(steps);
        Ok(())
    }
}
