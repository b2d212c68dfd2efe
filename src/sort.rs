//! Sorting, compiled once: a copy for every type and key would make the library larger by a tenth.

use crate::error::{Result, reserve};
use std::cmp::Ordering;

/// Sorts numbers by what they stand for.
#[inline(never)]
pub(crate) fn sort_numbers(numbers: &mut [u32], compare: &mut dyn FnMut(u32, u32) -> Ordering) {
    numbers.sort_unstable_by(|one, other| compare(*one, *other));
}

/// The items in the order of `compare`, by their numbers.
pub(crate) fn order_of<T>(
    items: &[T],
    mut compare: impl FnMut(&T, &T) -> Ordering,
) -> Result<Vec<u32>> {
    let mut numbers = Vec::new();
    reserve(&mut numbers, items.len(), "items")?;
    numbers.extend(0..items.len() as u32);
    sort_numbers(&mut numbers, &mut |one, other| {
        compare(&items[one as usize], &items[other as usize])
    });
    Ok(numbers)
}
