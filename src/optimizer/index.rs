//! Finding parameters by name and arrays by address, to keep names unique and arrays apart.

use super::arrays::ArrayKind;
use super::param::{Name, Param, Place, Standing};
use super::spans::{Array, Span, Spans};
use crate::error::{Result, error};
use hashbrown::HashTable;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::ops::Range;

/// What is known of all parameters that were not removed.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// The ids of those that were given a name.
    names: HashTable<u32>,
    /// The arrays that steps write: the elements of parameters that have a place, and what was given with them.
    /// They do not overlap.
    written: Spans,
    /// The gradients, which may overlap one another.
    grads: Spans,
}

fn range_of(params: &[Param]) -> impl Fn(Array) -> Range<usize> {
    |array| params[array.id as usize].range_of(array.kind)
}

impl Index {
    /// Makes room for so many more names, which then can be taken up without allocating.
    pub fn reserve_names(&mut self, params: &[Param], additional: usize) -> Result<()> {
        self.names.try_reserve(additional, |id| hash_of(params, *id)).map_err(|_| {
            error!(
                OutOfMemory,
                "there is no memory for {additional} more names; nothing was changed"
            )
        })
    }

    /// Takes up the given name of a parameter, for which there is room.
    pub fn add_name(&mut self, params: &[Param], id: u32) {
        if params[id as usize].given_name.is_some() {
            self.names.insert_unique(hash_of(params, id), id, |id| hash_of(params, *id));
        }
    }

    /// Takes up an array, if it is anywhere.
    pub fn add_array(&mut self, params: &[Param], array: Array) -> Result<()> {
        if range_of(params)(array).is_empty() {
            return Ok(());
        }
        self.spans_with(array).insert(array, range_of(params))
    }

    /// Forgets an array, which is at these addresses.
    pub fn remove_array(&mut self, array: Array, range: Range<usize>) {
        if !range.is_empty() {
            self.spans_with(array).remove(range.start, array);
        }
    }

    fn spans_with(&mut self, array: Array) -> &mut Spans {
        if array.kind == ArrayKind::Grad { &mut self.grads } else { &mut self.written }
    }

    /// Forgets a parameter, which still has its name and its arrays.
    pub fn remove(&mut self, params: &[Param], id: u32) {
        for array in written_arrays(params, id).chain([grad_of(id)]) {
            self.remove_array(array, range_of(params)(array));
        }
        if params[id as usize].given_name.is_some()
            && let Ok(entry) = self.names.find_entry(hash_of(params, id), |other| *other == id)
        {
            entry.remove();
        }
    }

    /// Forgets the parameters from `first` on.
    pub fn truncate(&mut self, first: usize) {
        let keep = |id: u32| (id as usize) < first;
        self.names.retain(|id| keep(*id));
        self.written.retain(|array| keep(array.id));
        self.grads.retain(|array| keep(array.id));
    }

    /// The parameter that was given this name, or that has it by default.
    pub fn named(&self, params: &[Param], name: &str) -> Option<u32> {
        let has_name = |id: &u32| params[*id as usize].given_name.as_deref() == Some(name);
        self.names.find(hash_of_name(name), has_name).copied().or_else(|| {
            let id = name.strip_prefix("param.")?.parse::<u32>().ok()?;
            let param = params.get(id as usize)?;
            let is_default = param.given_name.is_none() && param.standing != Standing::Removed;
            (is_default && default_name(id, &mut [0; 16]) == name).then_some(id)
        })
    }

    /// Whether a parameter that is not taken up yet would have the name of another.
    pub fn has_name_of(&self, params: &[Param], id: u32) -> bool {
        let name = params[id as usize].given_name.as_deref();
        let found = match name {
            Some(name) => self.named(params, name),
            None => self.named(params, default_name(id, &mut [0; 16])),
        };
        found.is_some_and(|found| found != id)
    }

    /// Refuses an array that would overlap others at these addresses. Gradients may overlap one another.
    pub fn check_is_apart(
        &self,
        params: &[Param],
        place: Place,
        array: Array,
        range: &Range<usize>,
    ) -> Result<()> {
        let range_of = range_of(params);
        let mut found = self.written.overlapping(range, &range_of, |other| other != array);
        if found.is_none() && array.kind != ArrayKind::Grad {
            found = self.grads.overlapping(range, &range_of, |_| true);
        }
        match found {
            None => Ok(()),
            Some(found) => Err(error!(
                InvalidArgument,
                "{place}{} is {:#x}, and its {} bytes overlap those of {}; each array needs memory of its own",
                array.kind.name(),
                range.start,
                range.len(),
                Described { params, array: found }
            )),
        }
    }

    /// Whether any two gradients share bytes.
    pub fn grads_overlap(&self, params: &[Param]) -> bool {
        let mut end = 0;
        self.grads.iter().map(|span| range_of(params)(span.array)).any(|range| {
            let overlaps = range.start < end;
            end = range.end.max(end);
            overlaps
        })
    }

    /// Where arrays are of parameters of which some have moved; or `None` if that was brought up to date in place,
    /// since the arrays are there and in the order of before.
    pub fn moved(&mut self, params: &[Param], moved: Moved) -> Result<Option<Self>> {
        let range_of = range_of(params);
        let in_order = !moved.came_or_went
            && (!moved.data || self.written.keeps_order(&range_of))
            && (!moved.grads || self.grads.keeps_order(&range_of));
        if in_order {
            self.update(params, moved);
            return Ok(None);
        }
        let ids = 0..params.len() as u32;
        let all_written = ids.clone().flat_map(|id| written_arrays(params, id));
        let all_grads = ids.map(grad_of).filter(|array| !range_of(*array).is_empty());
        Ok(Some(Self {
            names: HashTable::new(),
            written: Spans::of(all_written, &range_of)?,
            grads: Spans::of(all_grads, &range_of)?,
        }))
    }

    /// Brings the addresses of what has moved up to date, where the order of the arrays stays.
    pub fn update(&mut self, params: &[Param], moved: Moved) {
        if moved.data {
            self.written.update(range_of(params));
        }
        if moved.grads {
            self.grads.update(range_of(params));
        }
    }

    /// Takes over where arrays are, and gives back what was known before.
    pub fn replace_arrays(&mut self, new: Self) -> Self {
        let written = std::mem::replace(&mut self.written, new.written);
        let grads = std::mem::replace(&mut self.grads, new.grads);
        Self { names: HashTable::new(), written, grads }
    }

    /// Two arrays that share bytes although they must not: one that steps write, and another one or the
    /// gradient of a parameter.
    pub fn find_overlap(&self, params: &[Param]) -> Option<(Array, Array)> {
        let with_range = |span: Span| (span.array, range_of(params)(span.array));
        let mut before: Option<(Array, usize)> = None;
        let mut grads = self.grads.iter().map(with_range);
        let mut next_grad = grads.next();
        for (array, range) in self.written.iter().map(with_range) {
            if let Some((other, _)) = before.filter(|(_, end)| *end > range.start) {
                return Some((array, other));
            }
            // Those that begin before this array ends; of two, the first may be the longer one.
            while let Some((grad, at)) = next_grad.clone().filter(|(_, at)| at.start < range.end) {
                if at.end > range.start {
                    return Some((array, grad));
                }
                next_grad = grads.next();
            }
            before = Some((array, range.end));
        }
        None
    }
}

/// What has moved of some parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    pub data: bool,
    pub grads: bool,
    /// Whether some had no place, or no gradient, and have one now, or the other way round.
    pub came_or_went: bool,
}

/// An array, as error messages name it.
pub(super) struct Described<'a> {
    pub params: &'a [Param],
    pub array: Array,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let Array { id, kind } = self.array;
        match kind {
            ArrayKind::Data => {}
            ArrayKind::Grad => formatter.write_str("the gradient of ")?,
            ArrayKind::Copy | ArrayKind::State(_) => write!(formatter, "{} of ", kind.name())?,
        }
        let param = &self.params[id as usize];
        write!(
            formatter,
            "the parameter \"{}\" at {:#x}",
            param.name(id),
            param.range_of(kind).start
        )
    }
}

/// The gradient of a parameter.
pub(super) fn grad_of(id: u32) -> Array {
    Array { id, kind: ArrayKind::Grad }
}

/// The arrays of a parameter that steps write, as far as they are anywhere.
pub(super) fn written_arrays(params: &[Param], id: u32) -> impl Iterator<Item = Array> + Clone {
    let kinds = [ArrayKind::Data].into_iter().chain(ArrayKind::GIVEN);
    let param = &params[id as usize];
    kinds.filter(|kind| !param.range_of(*kind).is_empty()).map(move |kind| Array { id, kind })
}

fn hash_of(params: &[Param], id: u32) -> u64 {
    hash_of_name(params[id as usize].given_name.as_deref().unwrap_or_default())
}

fn hash_of_name(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// The name of a parameter that was not given one, in a buffer that has room for each.
fn default_name(id: u32, buffer: &mut [u8; 16]) -> &str {
    let mut rest = &mut buffer[..];
    let _ = write!(rest, "{}", Name { given: None, id });
    let len = 16 - rest.len();
    str::from_utf8(&buffer[..len]).unwrap_or_default()
}
