//! Finding parameters by name and by address, to keep names unique and arrays apart.

use super::given::ArrayKind;
use super::param::{Name, Param, Standing};
use crate::error::{Result, reserve};
use crate::sort::sort_numbers;
use std::fmt::{self, Write};
use std::ops::{Deref, Range};

/// The ids of all parameters in the order of their names and of their addresses.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Only those that were given a name.
    by_name: Vec<u32>,
    /// Without those of length 0, which are nowhere.
    by_address: Vec<u32>,
    /// The arrays that callers have given besides parameters and gradients, in the order of addresses.
    given: Vec<GivenArray>,
    /// Of the gradients; sorted only when someone asks whether they overlap.
    by_grad: Vec<u32>,
    /// The answer, until a gradient moves.
    grads_overlap: Option<bool>,
}

#[derive(Clone, Debug)]
struct GivenArray {
    array: Array,
    start: usize,
    end: usize,
}

/// An array that steps write: a parameter's elements, or one that was given with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Array {
    pub id: u32,
    pub kind: ArrayKind,
}

impl Index {
    /// Makes room for so many more parameters, some of them named, which then can be taken up
    /// without allocating.
    pub fn reserve(&mut self, additional: usize, named: usize, given: usize) -> Result<()> {
        reserve(&mut self.by_name, named, "parameters")?;
        reserve(&mut self.given, given, "arrays")?;
        reserve(&mut self.by_grad, additional, "parameters")?;
        reserve(&mut self.by_address, additional, "parameters")
    }

    /// Takes up the parameters from `first` on, and what was given with them, for which there is room.
    pub fn extend(&mut self, params: &[Param], first: usize) {
        for (id, param) in (first as u32..).zip(&params[first..]) {
            for kind in ArrayKind::GIVEN {
                self.add_given(Array { id, kind }, param.range_of(kind));
            }
        }
        let new = first as u32..params.len() as u32;
        self.by_grad.extend(new.clone());
        self.grads_overlap = None;
        let located = new.clone().filter(|id| params[*id as usize].len() > 0);
        let named = new.clone().filter(|id| params[*id as usize].given_name.is_some());
        insert(&mut self.by_name, named, |id| params[id as usize].given_name.as_deref());
        insert(&mut self.by_address, located, |id| params[id as usize].data.addr());
    }

    fn add_given(&mut self, array: Array, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let position = self.given.partition_point(|other| other.start < range.start);
        self.given.insert(position, GivenArray { array, start: range.start, end: range.end });
    }

    /// Forgets an array that was given with a parameter.
    pub fn remove_given(&mut self, array: Array) {
        self.given.retain(|given| given.array != array);
    }

    /// Forgets the parameters from `first` on.
    pub fn truncate(&mut self, first: usize) {
        self.forget(|id| (id as usize) < first);
    }

    /// Forgets a parameter.
    pub fn remove(&mut self, id: u32) {
        self.forget(|other| other != id);
    }

    fn forget(&mut self, keep: impl Fn(u32) -> bool) {
        self.by_name.retain(|id| keep(*id));
        self.by_address.retain(|id| keep(*id));
        self.given.retain(|given| keep(given.array.id));
        self.by_grad.retain(|id| keep(*id));
        self.grads_overlap = None;
    }

    /// Notes that a gradient has a new address.
    pub fn grad_moved(&mut self) {
        self.grads_overlap = None;
    }

    /// Whether any two gradients share bytes.
    pub fn grads_overlap(&mut self, params: &[Param]) -> bool {
        let Self { by_grad, grads_overlap, .. } = self;
        *grads_overlap.get_or_insert_with(|| {
            let range = |id: &u32| {
                let param = &params[*id as usize];
                param.range_of_grad(param.grad)
            };
            sort_numbers(by_grad, &mut |one, other| range(&one).start.cmp(&range(&other).start));
            let mut end = 0;
            by_grad.iter().map(range).filter(|range| !range.is_empty()).any(|range| {
                let overlaps = range.start < end;
                end = range.end.max(end);
                overlaps
            })
        })
    }

    /// Notes that a parameter has a new address.
    pub fn moved(&mut self, params: &[Param]) {
        let address = |id: u32| params[id as usize].data.addr();
        sort_numbers(&mut self.by_address, &mut |one, other| address(one).cmp(&address(other)));
    }

    /// Whether another parameter has the name of this one.
    pub fn has_name_of(&self, params: &[Param], id: u32) -> bool {
        match params[id as usize].given_name.as_deref() {
            None => self.named(params, &default_name(id)).is_some(),
            Some(name) => {
                let owner_by_default = || {
                    let owner = name.strip_prefix("param.")?.parse::<u32>().ok()?;
                    let param = params.get(owner as usize)?;
                    let unnamed = param.given_name.is_none() && param.standing != Standing::Removed;
                    (unnamed && *default_name(owner) == *name).then_some(owner)
                };
                let first = self.named(params, name);
                let two_have_it = first.is_some_and(|first| {
                    let second = self.by_name.get(first + 1);
                    second
                        .is_some_and(|id| params[*id as usize].given_name.as_deref() == Some(name))
                });
                two_have_it || owner_by_default().is_some()
            }
        }
    }

    /// Where among the named parameters the first of this name stands.
    fn named(&self, params: &[Param], name: &str) -> Option<usize> {
        let name_of = |id: &u32| params[*id as usize].given_name.as_deref();
        let first = self.by_name.partition_point(|id| name_of(id) < Some(name));
        (name_of(self.by_name.get(first)?) == Some(name)).then_some(first)
    }

    /// An array, other than `except`, that shares bytes with the addresses.
    ///
    /// Where arrays overlap each other, this finds it for at least one of any that do.
    pub fn overlapping(
        &self,
        params: &[Param],
        range: &Range<usize>,
        except: Option<Array>,
    ) -> Option<Array> {
        if range.is_empty() {
            return None;
        }
        let after = self.given.partition_point(|given| given.start < range.end);
        let of_given = self.given[..after]
            .iter()
            .rev()
            .take_while(|given| given.end > range.start)
            .map(|given| given.array)
            .find(|array| Some(*array) != except);
        of_given.or_else(|| self.overlapping_param(params, range, except))
    }

    fn overlapping_param(
        &self,
        params: &[Param],
        range: &Range<usize>,
        except: Option<Array>,
    ) -> Option<Array> {
        // In the order of addresses, what overlaps at all overlaps a neighbour.
        let after =
            self.by_address.partition_point(|id| params[*id as usize].data.addr() < range.end);
        self.by_address[..after]
            .iter()
            .rev()
            .take_while(|id| params[**id as usize].data_range().end > range.start)
            .map(|id| Array { id: *id, kind: ArrayKind::Data })
            .find(|array| Some(*array) != except)
    }
}

/// The name of a parameter that was not given one, as text that takes no memory.
fn default_name(id: u32) -> impl Deref<Target = str> {
    let mut text = Text { bytes: [0; 16], len: 0 };
    let _ = write!(text, "{}", Name { given: None, id });
    text
}

/// A text of up to 16 bytes.
struct Text {
    bytes: [u8; 16],
    len: usize,
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

/// Inserts new ids into ids that are sorted by a key.
fn insert<K: Ord>(sorted: &mut Vec<u32>, new: impl Iterator<Item = u32>, key: impl Fn(u32) -> K) {
    let old = sorted.len();
    sorted.extend(new);
    if sorted.len() - old == 1 {
        // Tensors are often added one by one: sorting each time would take quadratic time.
        let id = sorted[old];
        let position = sorted[..old].partition_point(|other| key(*other) < key(id));
        sorted[position..].rotate_right(1);
    } else {
        sort_numbers(sorted, &mut |one, other| key(one).cmp(&key(other)));
    }
}
