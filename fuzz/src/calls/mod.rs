//! The calls that sequences consist of. Each draws its arguments, right ones mostly, makes the call on the library and
//! on the model, and compares what it returns.

mod arrays;
mod checkpoints;
mod describe;
mod lifecycle;
mod loose;
mod options;
mod params;
mod slices;
mod steps;
mod surgery;

pub use checkpoints::load_bytes;
pub use lifecycle::can_create;

use crate::draw::Draw;
use crate::model::{Optimizer, Param};
use crate::world::World;

/// A kind of call, and how often it is made.
pub struct Kind {
    pub name: &'static str,
    pub weight: usize,
    pub run: fn(&mut World, &mut Draw),
}

macro_rules! kinds {
    ($($module:ident::$function:ident $weight:literal,)+) => {
        pub const KINDS: &[Kind] = &[
            $(Kind { name: stringify!($function), weight: $weight, run: $module::$function },)+
        ];
    };
}

kinds! {
    steps::step 10,
    steps::step_with 14,
    params::add_param_group 6,
    params::add_params 6,
    params::add_param 3,
    arrays::fill 12,
    arrays::set_data 3,
    arrays::set_grad 4,
    arrays::set_tensors 4,
    options::set_lr 2,
    options::set_weight_decay 2,
    options::set_group_options 7,
    options::set_optimizer_accumulation 2,
    steps::step_param 4,
    steps::step_tensor 8,
    steps::zero_grad 2,
    steps::measure 3,
    slices::step_begin 8,
    slices::step_wave 14,
    slices::step_chunk 16,
    slices::step_for 5,
    slices::step_end 9,
    slices::step_abort 3,
    slices::whole_sliced_step 5,
    surgery::set_frozen 3,
    surgery::remove_param 2,
    surgery::reset_state 2,
    surgery::set_step_count 4,
    checkpoints::save_to_buffer 4,
    checkpoints::save 2,
    checkpoints::load_from_buffer 6,
    checkpoints::load 2,
    checkpoints::load_shards 2,
    checkpoints::load_damaged 6,
    loose::update 5,
    loose::update_q8 5,
    loose::measure_tensor 3,
    loose::grad_sums_value 2,
    loose::add_sums 1,
    loose::texts 2,
    loose::init 1,
    loose::wrong_outputs 2,
    lifecycle::create 2,
    lifecycle::free 1,
    lifecycle::stale 2,
    lifecycle::call_late 2,
}

impl World {
    /// One of the optimizers; the first is created when it is needed.
    pub fn subject(&mut self, draw: &mut Draw) -> usize {
        if self.subjects.is_empty() {
            lifecycle::create(self, &mut Draw::new(&[]));
        }
        draw.below(self.subjects.len())
    }

    /// One of the optimizers: if any has an open step, the first of these.
    pub fn open_subject(&mut self, draw: &mut Draw) -> usize {
        let any = self.subject(draw);
        self.subjects.iter().position(|subject| subject.open.is_some()).unwrap_or(any)
    }

    /// The id of a parameter, or sometimes one that there is not.
    pub fn param_id(&self, subject: usize, draw: &mut Draw) -> u32 {
        self.param_id_with(subject, draw, |_, _| true)
    }

    /// The id of a parameter for which a condition holds, if there is one.
    pub fn param_id_with(
        &self,
        subject: usize,
        draw: &mut Draw,
        condition: fn(&Optimizer, &Param) -> bool,
    ) -> u32 {
        let model = &self.subjects[subject].model;
        let count = model.params.len() as u32;
        let fit = model.living().filter(|(_, param)| condition(model, param));
        let fit: Vec<_> = fit.map(|(id, _)| id as u32).collect();
        match draw.below(24) {
            23 => draw.pick(&[count, u32::MAX - 1]),
            22 => draw.below(count as usize) as u32,
            _ => fit.get(draw.below(fit.len())).copied().unwrap_or_default(),
        }
    }

    /// The id of a group, or sometimes one that there is not.
    pub fn group_id(&self, subject: usize, draw: &mut Draw) -> u32 {
        let count = self.subjects[subject].model.groups.len();
        if draw.chance(20) {
            draw.pick(&[count as u32, u32::MAX])
        } else {
            draw.below(count) as u32
        }
    }
}
