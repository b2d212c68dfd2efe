//! Sorting, compiled once: a copy for each type and key would make the library a tenth larger.

use crate::error::{Result, reserve};
use std::cmp::Ordering;

/// The order of the items by `compare`, as their indices.
pub(super) fn order_of<T>(
    items: &[T],
    mut compare: impl FnMut(&T, &T) -> Ordering,
) -> Result<Vec<u32>> {
    let mut indices = Vec::new();
    reserve(&mut indices, items.len(), "items")?;
    indices.extend(0..items.len() as u32);
    sort(&mut indices, &mut |one, other| compare(&items[one as usize], &items[other as usize]));
    Ok(indices)
}

#[inline(never)]
fn sort(indices: &mut [u32], compare: &mut dyn FnMut(u32, u32) -> Ordering) {
    indices.sort_unstable_by(|one, other| compare(*one, *other));
}
