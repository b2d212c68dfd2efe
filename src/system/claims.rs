//! Which pieces of a job are taken.

use crate::error::{Result, reserve};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// One bit for each piece of a job: whoever sets it does the piece, and nobody else.
///
/// The bits only decide who does what. What was written while doing a piece must be handed on by other means,
/// which is why every access is relaxed.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    words: Vec<AtomicU64>,
    /// The most pieces there may be.
    room: usize,
    /// Those of the present job.
    count: usize,
}

impl Claims {
    /// Makes room for so many more pieces in a job.
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        let room = self.room + additional;
        let words = room.div_ceil(64);
        let more = words.saturating_sub(self.words.len());
        reserve(&mut self.words, more, "chunks")?;
        self.words.resize_with(words, AtomicU64::default);
        self.room = room;
        Ok(())
    }

    /// Begins a job of so many pieces, or says that there is no room for them.
    pub fn begin(&mut self, count: usize) -> bool {
        if count > self.room {
            return false;
        }
        self.words[..count.div_ceil(64)].iter_mut().for_each(|word| *word.get_mut() = 0);
        self.count = count;
        true
    }

    /// Claims a piece, unless it was claimed before or is none of the job's.
    pub fn claim(&self, piece: usize) -> bool {
        let bit = 1 << (piece % 64);
        piece < self.count && self.words[piece / 64].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Claims the first piece of the range that is still free.
    pub fn claim_first(&self, range: Range<usize>) -> Option<usize> {
        let (mut piece, end) = (range.start, range.end.min(self.count));
        while piece < end {
            let free = !self.words[piece / 64].load(Ordering::Relaxed) >> (piece % 64);
            if free == 0 {
                piece = (piece / 64 + 1) * 64;
                continue;
            }
            piece += free.trailing_zeros() as usize;
            if piece < end && self.claim(piece) {
                return Some(piece);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_claimed_once_and_none_that_is_not_there() {
        let mut claims = Claims::default();
        assert!(claims.begin(0) && !claims.claim(0));
        assert!(!claims.begin(1), "without room");
        claims.reserve(150).unwrap();
        claims.reserve(50).unwrap();
        for count in [1, 63, 64, 65, 200] {
            assert!(claims.begin(count));
            assert!(claims.claim(count - 1) && !claims.claim(count - 1));
            assert!(!claims.claim(count) && !claims.claim(usize::MAX));
            let first = |range: Range<usize>| claims.claim_first(range);
            assert_eq!(first(count / 2..usize::MAX), (count > 1).then_some(count / 2));
            let rest = std::iter::from_fn(|| first(0..count)).count();
            assert_eq!(rest, count.saturating_sub(2));
        }
    }
}
