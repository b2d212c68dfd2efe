//! Finding parameters by name and by address, to keep names unique and arrays apart.

use super::param::Param;
use crate::error::{Result, reserve};
use std::ops::Range;

/// The ids of all parameters in the order of their names and of their addresses.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_name: Vec<u32>,
    /// Without those of length 0, which are nowhere.
    by_address: Vec<u32>,
}

impl Index {
    /// Makes room for so many more parameters, which then can be inserted without allocating.
    pub fn reserve(&mut self, additional: usize) -> Result<()> {
        reserve(&mut self.by_name, additional, "parameters")?;
        reserve(&mut self.by_address, additional, "parameters")
    }

    /// Takes up the parameters from `first` on, for which there is room.
    pub fn extend(&mut self, params: &[Param], first: usize) {
        let new = first as u32..params.len() as u32;
        let located = new.clone().filter(|id| params[*id as usize].len > 0);
        insert(&mut self.by_name, new.clone(), |id| &*params[id as usize].name);
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

    /// Another parameter with the name of this one.
    pub fn with_name_of<'a>(&self, params: &'a [Param], id: u32) -> Option<&'a Param> {
        let name = &params[id as usize].name;
        let first = self.by_name.partition_point(|id| params[*id as usize].name < *name);
        self.by_name[first..]
            .iter()
            .take_while(|other| params[**other as usize].name == *name)
            .find(|other| **other != id)
            .map(|other| &params[*other as usize])
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
