//! The work of a step, cut into chunks of about the same size.

use crate::error::{Result, reserve};
use crate::optimizer::grid::{CHUNK, Grid};
use crate::optimizer::group::Group;
use crate::optimizer::param::{Param, Standing};
use std::ops::Range;

/// Chunks that follow one another: the pieces of a tensor. The last one is shared with small
/// tensors that come next, as far as it has room, and may consist of nothing else.
#[derive(Clone, Copy, Debug)]
struct Run {
    first_chunk: u32,
    /// Where in the plan's order the tensor stands.
    position: u32,
    /// Elements of the last chunk.
    last_len: u32,
}

/// All tensors that `step` works on, in waves of independent chunks.
///
/// The tensors of all groups with `for_each` are one wave; each of the others is a wave of its own.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    order: Vec<u32>,
    runs: Vec<Run>,
    chunks: u32,
    /// The runs of the first wave.
    first_wave: usize,
    stale: bool,
}

impl Plan {
    /// Makes room for so many tensors, so that cutting them into chunks never allocates.
    pub fn reserve(&mut self, tensors: usize) -> Result<()> {
        self.clear();
        reserve(&mut self.order, tensors, "parameters")?;
        reserve(&mut self.runs, tensors, "parameters")
    }

    fn clear(&mut self) {
        self.order.clear();
        self.runs.clear();
        self.chunks = 0;
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
        let in_step = |param: &Param| {
            param.standing != Standing::Removed && !group_of(param).gradient_release.or(false)
        };
        let ids = |for_each: bool| {
            (0..).zip(params).filter_map(move |(id, param)| {
                (in_step(param) && group_of(param).for_each.or(true) == for_each).then_some(id)
            })
        };
        let mut room = 0;
        for id in ids(true) {
            self.push(id, params[id as usize].grid(), &mut room);
        }
        self.first_wave = self.runs.len();
        for id in ids(false) {
            self.push(id, params[id as usize].grid(), &mut 0);
        }
    }

    /// Appends a tensor to the wave. `room` is what is left of the last chunk, which a tensor of one piece may
    /// share.
    fn push(&mut self, id: u32, grid: Grid, room: &mut usize) {
        let position = self.order.len() as u32;
        self.order.push(id);
        let Some(last) = grid.len().checked_sub(1) else { return };
        let last_len = grid.piece(last).len();
        if last == 0
            && last_len <= *room
            && let Some(run) = self.runs.last_mut()
        {
            run.last_len += last_len as u32;
            *room -= last_len;
        } else {
            self.runs.push(Run { first_chunk: self.chunks, position, last_len: last_len as u32 });
            self.chunks += grid.len() as u32;
            *room = CHUNK - last_len;
        }
    }

    /// The tensors of all waves.
    pub fn ids(&self) -> &[u32] {
        &self.order
    }

    pub fn chunks(&self) -> Range<usize> {
        0..self.chunks as usize
    }

    pub fn wave_count(&self) -> usize {
        usize::from(self.first_wave > 0) + self.runs.len() - self.first_wave
    }

    /// The chunks of the wave of this number, which follow those of the one before.
    pub fn wave(&self, number: usize) -> Option<Range<usize>> {
        let runs = if self.first_wave > 0 && number == 0 {
            0..self.first_wave
        } else {
            let run = self.first_wave + number - usize::from(self.first_wave > 0);
            run..run + 1
        };
        let exists = runs.end <= self.runs.len();
        exists.then(|| self.chunks_before(runs.start)..self.chunks_before(runs.end))
    }

    /// Chunks before the run of this index.
    fn chunks_before(&self, run: usize) -> usize {
        self.runs.get(run).map_or(self.chunks, |run| run.first_chunk) as usize
    }

    /// The tensors in a chunk, each with its id and the elements that belong to the chunk.
    pub fn pieces<'a>(
        &'a self,
        chunk: usize,
        params: &'a [Param],
    ) -> impl Iterator<Item = (u32, &'a Param, Range<usize>)> {
        let index = self.runs.partition_point(|run| run.first_chunk as usize <= chunk) - 1;
        let run = self.runs[index];
        let mut number = chunk - run.first_chunk as usize;
        // Only the last chunk of a run is shared by tensors.
        let is_shared = chunk + 1 == self.chunks_before(index + 1);
        let (tensors, mut left) =
            if is_shared { (usize::MAX, run.last_len as usize) } else { (1, CHUNK) };
        self.order[run.position as usize..]
            .iter()
            .take(tensors)
            .map(|id| (*id, &params[*id as usize]))
            .map_while(move |(id, param)| {
                (left > 0).then(|| {
                    let piece = param.grid().piece(std::mem::take(&mut number));
                    left = left.saturating_sub(piece.len());
                    (id, param, piece)
                })
            })
            .filter(|(_, _, piece)| !piece.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Dtype;
    use crate::optimizer::arrays::{CallerArray, Given};
    use crate::optimizer::param::ParamSpec;
    use crate::optimizer::state_kind::{Compensation, StateKind};
    use crate::optimizer::{Place, Toggle};
    use std::ptr;

    fn group(for_each: Toggle) -> Group {
        Group { lr: 0.1, max_lr: 0.1, for_each, ..Group::DEFAULTS }
    }

    fn params(lens: &[usize]) -> Vec<Param> {
        let spec = |len: &usize| ParamSpec {
            dtype: Dtype::F32,
            grad_dtype: Dtype::F32,
            len: *len as u64,
            data: CallerArray::NONE,
            grad: CallerArray::NONE,
            name: None,
            given: Given::NOTHING,
            place: Place(None),
        };
        let kind = StateKind { dtype: Dtype::F32, q8: false, compensation: Compensation::None };
        lens.iter().map(|len| Param::new(&spec(len), 0, kind).unwrap()).collect()
    }

    fn plan(for_each: Toggle, params: &[Param]) -> Plan {
        let mut plan = Plan::default();
        plan.reserve(params.len()).unwrap();
        plan.refresh(&[group(for_each)], params);
        plan
    }

    fn waves(plan: &Plan) -> impl Iterator<Item = Range<usize>> {
        (0..plan.wave_count()).map(|number| plan.wave(number).unwrap())
    }

    const LENS: &[&[usize]] = &[
        &[],
        &[0],
        &[1],
        &[0, 5, 0, 0, 7, 0],
        &[CHUNK],
        &[CHUNK + 1, CHUNK - 1, 1],
        &[3 * CHUNK - 5, 5, 1, 0, 2 * CHUNK],
        &[64; 1000],
        #[cfg(target_pointer_width = "64")]
        &[(1 << 33) + 3, 4],
    ];

    #[test]
    fn every_element_is_in_one_chunk_and_no_chunk_is_too_long() {
        for (lens, for_each) in
            LENS.iter().flat_map(|lens| [(lens, Toggle::On), (lens, Toggle::Off)])
        {
            let params = params(lens);
            let plan = plan(for_each, &params);
            let mut done = vec![0; lens.len()];
            for chunk in waves(&plan).flatten() {
                let mut in_chunk = 0;
                for (id, param, piece) in plan.pieces(chunk, &params) {
                    let id = id as usize;
                    assert!(ptr::eq(param, &params[id]));
                    assert_eq!(piece.start, done[id]);
                    done[id] = piece.end;
                    in_chunk += piece.len();
                }
                assert!((1..=CHUNK).contains(&in_chunk), "{in_chunk} elements in a chunk");
            }
            assert_eq!(done, **lens);
        }
    }

    #[test]
    fn the_plan_has_what_takes_part_in_a_step_wave_after_wave() {
        let releasing = Group { gradient_release: Toggle::On, ..group(Toggle::On) };
        let groups = [group(Toggle::Off), group(Toggle::On), releasing];
        let mut params = params(&[CHUNK + 1, 5, 7, 9, 11, 0]);
        for (param, group) in params.iter_mut().zip([0, 1, 2, 1, 0, 1]) {
            param.group = group;
        }
        params[3].standing = Standing::Removed;
        let mut plan = Plan::default();
        plan.reserve(params.len()).unwrap();
        plan.refresh(&groups, &params);
        assert_eq!(plan.ids(), [1, 5, 0, 4]);
        assert_eq!(waves(&plan).collect::<Vec<_>>(), [0..1, 1..3, 3..4]);
        assert_eq!((plan.chunks(), plan.wave(3)), (0..4, None));

        params[1].standing = Standing::Removed;
        plan.refresh(&groups, &params);
        assert_eq!(plan.ids(), [1, 5, 0, 4], "nobody has said that anything has changed");
        plan.invalidate();
        plan.refresh(&groups, &params);
        assert_eq!(plan.ids(), [5, 0, 4]);
        assert_eq!(waves(&plan).collect::<Vec<_>>(), [0..2, 2..3], "nothing is in the first wave");
        assert_eq!((plan.chunks(), plan.wave(2)), (0..3, None));
    }

    #[test]
    fn a_chunk_is_shared_as_long_as_it_has_room() {
        for (lens, chunks) in [
            (&[CHUNK - 5, 5, 1], 2),
            (&[CHUNK - 5, 6, CHUNK - 6], 2),
            (&[CHUNK - 5, 6, CHUNK - 5], 3),
            (&[CHUNK + 5, CHUNK - 5, 1], 3),
            (&[5, CHUNK + 1, CHUNK - 1], 3),
        ] {
            assert_eq!(plan(Toggle::On, &params(lens)).chunks(), 0..chunks, "{lens:?}");
        }
    }

    #[test]
    fn small_tensors_share_chunks_unless_for_each_is_off() {
        let params = params(&[64; 1000]);
        let waves =
            |for_each| waves(&plan(for_each, &params)).map(|wave| wave.len()).collect::<Vec<_>>();
        assert_eq!(waves(Toggle::Auto), [4]); // 64,000 / 16,384, rounded up
        assert_eq!(waves(Toggle::Off), [1; 1000]);
    }
}
