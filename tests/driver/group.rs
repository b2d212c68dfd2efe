//! Getting and setting the options of a group.

use radam::ffi::*;

use super::optimizer::Optimizer;
use super::{call, filled};

impl Optimizer {
    pub fn group_options(&self, group: u32) -> radam_group_options {
        let mut options = filled(radam_group_options_init);
        call!(radam_get_group_options(self.handle, group, &mut options));
        options
    }

    pub fn change_group(&mut self, group: u32, change: impl FnOnce(&mut radam_group_options)) {
        let mut options = self.group_options(group);
        change(&mut options);
        call!(radam_set_group_options(self.handle, group, &options));
    }
}
