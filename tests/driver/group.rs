//! The options of a group that is there.

use radam::ffi::*;

use super::optimizer::Optimizer;
use super::{call, filled};

/// Each field has a function that gets it and one that sets it.
macro_rules! options {
    ($($field:ident, $get:ident, $set:ident;)*) => {
        impl Optimizer {
            pub fn group_options(&self, group: u32) -> radam_group_options {
                let mut options = filled(radam_group_options_init);
                $(call!($get(self.handle, group, &mut options.$field));)*
                options
            }

            pub fn change_group(&mut self, group: u32, change: impl FnOnce(&mut radam_group_options)) {
                let before = self.group_options(group);
                let mut options = before;
                change(&mut options);
                $(if options.$field != before.$field {
                    call!($set(self.handle, group, options.$field));
                })*
            }
        }
    };
}

options! {
    lr, radam_get_lr, radam_set_lr;
    beta1, radam_get_beta1, radam_set_beta1;
    beta2, radam_get_beta2, radam_set_beta2;
    weight_decay, radam_get_weight_decay, radam_set_weight_decay;
    eps, radam_get_eps, radam_set_eps;
    max_lr, radam_get_max_lr, radam_set_max_lr;
    decouple_wd, radam_get_decouple_wd, radam_set_decouple_wd;
    decouple_lr, radam_get_decouple_lr, radam_set_decouple_lr;
    kahan_sum, radam_get_kahan_sum, radam_set_kahan_sum;
    for_each, radam_get_for_each, radam_set_for_each;
    gradient_release, radam_get_gradient_release, radam_set_gradient_release;
    maximize, radam_get_maximize, radam_set_maximize;
    rectify, radam_get_rectify, radam_set_rectify;
    state_dtype, radam_get_state_dtype, radam_set_state_dtype;
    master_remainder, radam_get_master_remainder, radam_set_master_remainder;
    stochastic_rounding, radam_get_stochastic_rounding, radam_set_stochastic_rounding;
    seed, radam_get_seed, radam_set_seed;
}
