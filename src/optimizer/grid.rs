//! Where parameters are cut into pieces.

use std::ops::Range;

/// Elements of a piece: enough that handing it out costs nothing beside the work, few enough that threads end
/// together and that the piece stays in a core's cache.
pub(in crate::optimizer) const CHUNK: usize = 16 * 1024;

/// A parameter in pieces that end at multiples of [`CHUNK`] elements of the whole tensor that it is a part of.
/// So a shard that begins at such a multiple has the pieces that its elements have in the whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// Elements between the last multiple before the parameter and its first element.
    before: usize,
    len: usize,
}

impl Grid {
    /// Of `len` elements that begin at element `offset` of the whole tensor.
    pub fn new(offset: u64, len: usize) -> Self {
        Self { before: (offset % CHUNK as u64) as usize, len }
    }

    /// How many pieces there are.
    pub fn len(self) -> usize {
        if self.len == 0 { 0 } else { (self.before + self.len).div_ceil(CHUNK) }
    }

    /// The elements of a piece.
    pub fn piece(self, number: usize) -> Range<usize> {
        debug_assert!(number < self.len().max(1), "of no elements, piece 0 is empty");
        let start = (number * CHUNK).saturating_sub(self.before);
        start..self.len.min((number + 1) * CHUNK - self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_one_another_and_end_on_the_grid_of_the_whole() {
        for offset in [0, 1, 100, CHUNK as u64 - 1, CHUNK as u64, 5 * CHUNK as u64 + 3] {
            for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
                let grid = Grid::new(offset, len);
                let mut end = 0;
                for piece in (0..grid.len()).map(|number| grid.piece(number)) {
                    assert!(piece.start == end && (1..=CHUNK).contains(&piece.len()));
                    end = piece.end;
                    assert!((offset + end as u64).is_multiple_of(CHUNK as u64) || end == len);
                }
                assert_eq!(end, len);
            }
        }
    }
}
