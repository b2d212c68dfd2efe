//! Finding parameters by name and by address, to keep names unique and arrays apart.

use super::param::{Name, Param};
use crate::error::{Result, reserve};
use std::fmt::{self, Write};
use std::ops::{Deref, Range};

/// The ids of all parameters in the order of their names and of their addresses.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Only those that were given a name.
    by_name: Vec<u32>,
    /// Without those of length 0, which are nowhere.
    by_address: Vec<u32>,
}

impl Index {
    /// Makes room for so many more parameters, some of them named, which then can be taken up
    /// without allocating.
    pub fn reserve(&mut self, additional: usize, named: usize) -> Result<()> {
        reserve(&mut self.by_name, named, "parameters")?;
        reserve(&mut self.by_address, additional, "parameters")
    }

    /// Takes up the parameters from `first` on, for which there is room.
    pub fn extend(&mut self, params: &[Param], first: usize) {
        let new = first as u32..params.len() as u32;
        let located = new.clone().filter(|id| params[*id as usize].len > 0);
        let named = new.clone().filter(|id| params[*id as usize].given_name.is_some());
        insert(&mut self.by_name, named, |id| params[id as usize].given_name.as_deref());
        insert(&mut self.by_address, located, |id| params[id as usize].data.addr());
    }

    /// Forgets the parameters from `first` on.
    pub fn truncate(&mut self, first: usize) {
        self.by_name.retain(|id| (*id as usize) < first);
        self.by_address.retain(|id| (*id as usize) < first);
    }

    /// Notes that a parameter has a new address.
    pub fn moved(&mut self, params: &[Param]) {
        self.by_address.sort_unstable_by_key(|id| params[*id as usize].data.addr());
    }

    /// Whether another parameter has the name of this one.
    pub fn has_name_of(&self, params: &[Param], id: u32) -> bool {
        match params[id as usize].given_name.as_deref() {
            None => self.named(params, &default_name(id)).is_some(),
            Some(name) => {
                let owner_by_default = || {
                    let owner = name.strip_prefix("param.")?.parse::<u32>().ok()?;
                    let unnamed = params.get(owner as usize)?.given_name.is_none();
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

    /// A parameter, other than `except`, that shares bytes with the addresses.
    ///
    /// Where parameters overlap each other, this finds it for at least one of any that do.
    pub fn overlapping(
        &self,
        params: &[Param],
        range: &Range<usize>,
        except: Option<u32>,
    ) -> Option<u32> {
        if range.is_empty() {
            return None;
        }
        // In the order of addresses, what overlaps at all overlaps a neighbour.
        let after =
            self.by_address.partition_point(|id| params[*id as usize].data.addr() < range.end);
        self.by_address[..after]
            .iter()
            .rev()
            .copied()
            .take_while(|id| params[*id as usize].data_range().end > range.start)
            .find(|id| Some(*id) != except)
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
        sorted.sort_unstable_by_key(|id| key(*id));
    }
}
