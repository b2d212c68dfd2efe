//! Arrays in the order of their addresses.

use super::arrays::ArrayKind;
use crate::error::{Result, error, reserve};
use std::ops::Range;

/// An array that an optimizer knows: which parameter's, and which one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Array {
    pub id: u32,
    pub kind: ArrayKind,
}

/// An array with its first address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub start: usize,
    pub array: Array,
}

/// Arrays in the order of their addresses, in blocks, so that to add, remove or find one takes the time of a
/// block and not of all.
///
/// They may overlap, as gradients do. `range_of` tells the addresses of each where they matter.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// None is empty.
    blocks: Vec<Block>,
}

#[derive(Debug, Default)]
struct Block {
    spans: Vec<Span>,
    /// No array of this block or those before it ends after this.
    highest_end: usize,
}

const BLOCK: usize = 128;

impl Block {
    fn first(&self) -> usize {
        self.spans.first().map_or(0, |span| span.start)
    }
}

impl Spans {
    /// Adds an array.
    pub fn insert(&mut self, array: Array, range_of: impl Fn(Array) -> Range<usize>) -> Result<()> {
        let Range { start, end } = range_of(array);
        let after = self.blocks.partition_point(|block| block.first() <= start);
        let mut index = after.saturating_sub(1);
        if self.blocks.get(index).is_none_or(|block| block.spans.len() == BLOCK) {
            index = self.make_room(index, start, range_of)?;
        }
        let spans = &mut self.blocks[index].spans;
        reserve(spans, 1, "arrays")?;
        let position = spans.partition_point(|other| other.start <= start);
        spans.insert(position, Span { start, array });
        for block in self.blocks[index..].iter_mut().take_while(|block| block.highest_end < end) {
            block.highest_end = end;
        }
        Ok(())
    }

    /// Splits the full block at `index`, or begins a new one behind the last, and returns which one an array at
    /// `start` belongs to. What is added in the order of addresses fills one block after the other.
    fn make_room(
        &mut self,
        index: usize,
        start: usize,
        range_of: impl Fn(Array) -> Range<usize>,
    ) -> Result<usize> {
        reserve(&mut self.blocks, 1, "arrays")?;
        let is_last = index + 1 == self.blocks.len();
        let Some(full) = self.blocks.get_mut(index) else {
            self.blocks.push(Block::default());
            return Ok(0);
        };
        let mut new = Block { spans: Vec::new(), highest_end: full.highest_end };
        let goes_on = full.spans.last().is_none_or(|last| last.start <= start);
        if goes_on && is_last {
            self.blocks.push(new);
            return Ok(index + 1);
        }
        reserve(&mut new.spans, BLOCK / 2, "arrays")?;
        new.spans.extend(full.spans.drain(BLOCK / 2..));
        let belongs_to_new = new.first() <= start;
        self.blocks.insert(index + 1, new);
        self.update_end(index, range_of);
        Ok(index + usize::from(belongs_to_new))
    }

    /// Finds out where the arrays of a block, and of those before it, end.
    fn update_end(&mut self, index: usize, range_of: impl Fn(Array) -> Range<usize>) {
        let before = index.checked_sub(1).map_or(0, |before| self.blocks[before].highest_end);
        let block = &mut self.blocks[index];
        let ends = block.spans.iter().map(|span| range_of(span.array).end);
        block.highest_end = ends.fold(before, usize::max);
    }

    /// Forgets an array, which is known to begin at `start`.
    pub fn remove(&mut self, start: usize, array: Array) {
        // The blocks that can have it: the last that begins before it, and all that begin with it.
        let first = self.blocks.partition_point(|block| block.first() < start).saturating_sub(1);
        for index in first..self.blocks.len() {
            let spans = &mut self.blocks[index].spans;
            if let Some(position) = spans.iter().position(|s| s.array == array && s.start == start)
            {
                spans.remove(position);
                if spans.is_empty() {
                    self.blocks.remove(index);
                }
                return;
            }
        }
        debug_assert!(false, "{array:?} is not known at {start:#x}");
    }

    /// Forgets all but some arrays.
    pub fn retain(&mut self, keep: impl Fn(Array) -> bool) {
        for block in &mut self.blocks {
            block.spans.retain(|span| keep(span.array));
        }
        self.blocks.retain(|block| !block.spans.is_empty());
    }

    pub fn iter(&self) -> impl Iterator<Item = Span> + Clone {
        self.blocks.iter().flat_map(|block| block.spans.iter().copied())
    }

    /// An array that shares bytes with the addresses, of those that are looked for. `range_of` tells the
    /// addresses of each.
    pub fn overlapping(
        &self,
        range: &Range<usize>,
        range_of: impl Fn(Array) -> Range<usize>,
        looked_for: impl Fn(Array) -> bool,
    ) -> Option<Array> {
        if range.is_empty() {
            return None;
        }
        let after = self.blocks.partition_point(|block| block.first() < range.end);
        let blocks = self.blocks[..after].iter().rev();
        blocks.take_while(|block| block.highest_end > range.start).find_map(|block| {
            let after = block.spans.partition_point(|span| span.start < range.end);
            let arrays = block.spans[..after].iter().rev().map(|span| span.array);
            arrays
                .filter(|array| looked_for(*array))
                .find(|array| range_of(*array).end > range.start)
        })
    }

    /// Whether the arrays would stand in the same order at the addresses that `range_of` tells.
    pub fn keeps_order(&self, range_of: impl Fn(Array) -> Range<usize>) -> bool {
        self.iter().map(|span| range_of(span.array).start).is_sorted()
    }

    /// Brings all addresses up to date. The order stays.
    pub fn update(&mut self, range_of: impl Fn(Array) -> Range<usize>) {
        let mut highest_end = 0;
        for block in &mut self.blocks {
            for span in &mut block.spans {
                let range = range_of(span.array);
                span.start = range.start;
                highest_end = highest_end.max(range.end);
            }
            block.highest_end = highest_end;
        }
    }

    /// Of these arrays, at the addresses that `range_of` tells.
    pub fn of(
        arrays: impl Iterator<Item = Array> + Clone,
        range_of: impl Fn(Array) -> Range<usize>,
    ) -> Result<Self> {
        let no_memory =
            |_| error!(OutOfMemory, "there is no memory to sort the arrays; nothing was changed");
        let count = arrays.clone().count();
        let mut sorted: Vec<Span> = Vec::new();
        sorted.try_reserve_exact(count).map_err(no_memory)?;
        sorted.extend(arrays.map(|array| Span { start: range_of(array).start, array }));
        sorted.sort_unstable_by_key(|span| span.start);
        let mut blocks: Vec<Block> = Vec::new();
        blocks.try_reserve_exact(count.div_ceil(BLOCK)).map_err(no_memory)?;
        for chunk in sorted.chunks(BLOCK) {
            let mut spans = Vec::new();
            spans.try_reserve_exact(chunk.len()).map_err(no_memory)?;
            spans.extend_from_slice(chunk);
            blocks.push(Block { spans, highest_end: 0 });
        }
        let mut spans = Self { blocks };
        spans.update(range_of);
        Ok(spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(id: u32) -> Array {
        Array { id, kind: ArrayKind::Data }
    }

    fn hash(i: u64) -> u64 {
        (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(0x2545_f491)
    }

    /// Arrays in every order of adding, held to a plain search through all of them.
    #[test]
    fn arrays_are_found_as_by_looking_at_all_of_them() {
        for spread in [1usize, 40, 1000] {
            let ranges: Vec<Range<usize>> = (0..1500)
                .map(|i| {
                    let start = 1 + hash(i) as usize % (1500 * spread);
                    start..start + hash(i + 7) as usize % 50
                })
                .collect();
            let range_of = |array: Array| ranges[array.id as usize].clone();
            let mut spans = Spans::default();
            let mut known = vec![false; ranges.len()];
            for step in 0..4000u64 {
                let id = (hash(step + 99) % 1500) as u32;
                let range = range_of(array(id));
                let is_known = &mut known[id as usize];
                *is_known = !*is_known;
                if !*is_known {
                    spans.remove(range.start, array(id));
                } else {
                    spans.insert(array(id), range_of).unwrap();
                }
                let from = hash(step + 5) as usize % (1500 * spread);
                let asked = from..from + 1 + hash(step + 6) as usize % 30;
                let expected = (0..1500).any(|id| {
                    let range = &ranges[id];
                    known[id] && range.start < asked.end && range.end > asked.start
                });
                let found = spans.overlapping(&asked, range_of, |_| true);
                assert_eq!(found.is_some(), expected, "{asked:?} at {step}");
            }
            let starts: Vec<_> = spans.iter().map(|span| span.start).collect();
            assert!(starts.is_sorted());
            assert_eq!(starts.len(), known.iter().filter(|known| **known).count());
        }
    }

    #[test]
    fn moved_arrays_are_in_order_again() {
        let mut spans = Spans::default();
        for id in 0..1000 {
            let start = 1000 + 10 * id as usize;
            spans.insert(array(id), |_| start..start + 10).unwrap();
        }
        let backwards = |array: Array| {
            let start = 50_000 - 10 * array.id as usize;
            start..start + 10
        };
        assert!(!spans.keeps_order(backwards));
        let mut spans = Spans::of(spans.iter().map(|span| span.array), backwards).unwrap();
        assert!(spans.iter().map(|span| span.start).is_sorted());
        assert_eq!(spans.overlapping(&(49_995..49_996), backwards, |_| true), Some(array(1)));
        assert_eq!(spans.overlapping(&(1000..11_000), backwards, |_| true), None);
        let lower = |array| {
            let Range { start, end } = backwards(array);
            start / 2..end / 2
        };
        assert!(spans.keeps_order(lower));
        spans.update(lower);
        assert_eq!(spans.overlapping(&(24_997..24_998), lower, |_| true), Some(array(1)));
    }
}
