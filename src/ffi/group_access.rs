//! What getting and setting any option of a parameter group come to.
//!
//! All of them are alike: setting checks the options as a whole and changes nothing on an error;
//! getting may overlap other getters and radam_step_param.

use super::arguments::not_null;
use super::call::{exclusive, shared};
use super::{radam_optimizer, radam_status};
use crate::error::Result;
use crate::optimizer::Group;

/// Sets an option of a group from C's value of it.
pub(super) fn set<T>(
    opt: *mut radam_optimizer,
    group: u32,
    value: Result<T>,
    change: impl FnOnce(&mut Group, T),
) -> radam_status {
    exclusive(opt, |optimizer| {
        optimizer.group(group)?;
        let value = value?;
        let mut change = Some((change, value));
        optimizer.set_options(group, &mut |options| {
            if let Some((change, value)) = change.take() {
                change(options, value);
            }
        })
    })
}

/// Writes C's value of an option of a group.
///
/// # Safety
/// `value` is null or writable.
pub(super) unsafe fn get<T>(
    opt: *const radam_optimizer,
    group: u32,
    value: *mut T,
    option: impl FnOnce(&Group) -> T,
) -> radam_status {
    shared(opt, |optimizer| {
        let options = optimizer.group(group)?;
        not_null("value", value, "where the option is to be written")?;
        // SAFETY: the caller's promise.
        unsafe { value.write_unaligned(option(options)) };
        Ok(())
    })
}
