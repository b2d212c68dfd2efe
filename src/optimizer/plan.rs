//! The work of a step, cut into chunks of about the same size.

use super::group::Group;
use super::param::Param;
use crate::error::{Result, reserve};
use std::ops::Range;

/// Elements of a chunk: enough that taking it from the queue costs nothing beside it, few enough
/// that threads end together and that the chunk stays in a core's cache.
pub(crate) const CHUNK: usize = 16 * 1024;

/// A run of elements that one thread steps: a part of a large tensor, or several small tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chunk {
    /// Where in the plan's order its first tensor stands.
    position: u32,
    len: u32,
    /// The first element in that tensor.
    start: u64,
}

/// All tensors that `step` works on, in waves of independent chunks.
///
/// The tensors of all groups with `for_each` are one wave; each of the others is a wave of its own.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    order: Vec<u32>,
    chunks: Vec<Chunk>,
    /// Where each wave ends in `chunks`.
    wave_ends: Vec<u32>,
    stale: bool,
}

impl Plan {
    /// Makes room for these tensors, so that cutting them into chunks never allocates.
    pub fn reserve(&mut self, params: &[Param]) -> Result<()> {
        self.clear();
        reserve(&mut self.order, params.len(), "parameters")?;
        reserve(&mut self.wave_ends, params.len() + 1, "parameters")?;
        let chunks = params.iter().map(|param| param.len.div_ceil(CHUNK)).sum();
        reserve(&mut self.chunks, chunks, "chunks")
    }

    fn clear(&mut self) {
        self.order.clear();
        self.chunks.clear();
        self.wave_ends.clear();
        self.stale = true;
    }

    /// Notes that tensors or options have changed.
    pub fn invalidate(&mut self) {
        self.stale = true;
    }

    /// Cuts the work anew if tensors or options have changed.
    pub fn refresh(&mut self, groups: &[Group], params: &[Param]) {
        if !self.stale {
            return;
        }
        self.clear();
        self.stale = false;
        let group_of = |param: &Param| &groups[param.group as usize];
        let in_step = |param: &Param| !group_of(param).gradient_release.or(false);
        let ids = |for_each: bool| {
            (0..).zip(params).filter_map(move |(id, param)| {
                (in_step(param) && group_of(param).for_each.or(true) == for_each).then_some(id)
            })
        };
        let mut room = 0;
        for id in ids(true) {
            self.push(id, params[id as usize].len, &mut room);
        }
        self.end_wave();
        for id in ids(false) {
            self.push(id, params[id as usize].len, &mut 0);
            self.end_wave();
        }
    }

    /// Appends a tensor to the wave. `room` is what is left of the last chunk.
    fn push(&mut self, id: u32, len: usize, room: &mut usize) {
        let position = self.order.len() as u32;
        self.order.push(id);
        if len <= *room
            && let Some(chunk) = self.chunks.last_mut()
        {
            chunk.len += len as u32;
            *room -= len;
            return;
        }
        for start in (0..len).step_by(CHUNK) {
            let len = CHUNK.min(len - start);
            self.chunks.push(Chunk { position, len: len as u32, start: start as u64 });
            *room = CHUNK - len;
        }
    }

    fn end_wave(&mut self) {
        self.wave_ends.push(self.chunks.len() as u32);
    }

    /// The tensors of all waves.
    pub fn ids(&self) -> &[u32] {
        &self.order
    }

    /// The chunks of each wave; the waves follow one another.
    pub fn waves(&self) -> impl Iterator<Item = Range<usize>> {
        let ends = self.wave_ends.iter().map(|end| *end as usize);
        let starts = std::iter::once(0).chain(ends.clone());
        starts.zip(ends).map(|(start, end)| start..end).filter(|wave| !wave.is_empty())
    }

    /// The tensors in a chunk, each with the elements that belong to the chunk.
    pub fn pieces<'a>(
        &'a self,
        chunk: usize,
        params: &'a [Param],
    ) -> impl Iterator<Item = (&'a Param, Range<usize>)> {
        let Chunk { position, len, start } = self.chunks[chunk];
        let mut start = start as usize;
        let mut left = len as usize;
        let params = self.order[position as usize..].iter().map(|id| &params[*id as usize]);
        params
            .map_while(move |param| {
                (left > 0).then(|| {
                    let end = param.len.min(start + left);
                    let piece = std::mem::take(&mut start)..end;
                    left -= piece.len();
                    (param, piece)
                })
            })
            .filter(|(_, piece)| !piece.is_empty())
    }
}
