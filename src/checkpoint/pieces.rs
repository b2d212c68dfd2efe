//! What the files have of each parameter, and what of it does not fit.

use super::header::Header;
use super::json::Shown;
use super::manifest::{GroupEntry, Manifest, ParamEntry, owned};
use super::order::order_of;
use super::push;
use crate::error::{FallibleWriter, Result, ensure, reserve};
use crate::optimizer::{Optimizer, Param};
use std::fmt::Write;

/// How many problems a message lists.
const LISTED: usize = 10;

/// What does not fit.
pub(super) struct Problems {
    text: FallibleWriter,
    count: usize,
    /// Whether some of it is state that could be converted.
    pub convertible: bool,
}

impl Problems {
    pub fn new() -> Self {
        Self { text: FallibleWriter(String::new()), count: 0, convertible: false }
    }

    pub fn add(&mut self, problem: std::fmt::Arguments) {
        if self.count < LISTED {
            let separator = if self.count == 0 { "" } else { "; " };
            let _ = write!(self.text, "{separator}{problem}");
        }
        self.count += 1;
    }

    pub fn check(mut self) -> Result<()> {
        if self.count > LISTED {
            let _ = write!(self.text, "; and {} more", self.count - LISTED);
        }
        let problems = self.text.0;
        let hint =
            if self.convertible { "; convert_state converts state of another dtype" } else { "" };
        ensure!(
            self.count == 0,
            Mismatch,
            "the checkpoint does not fit the optimizer: {problems}{hint}; nothing was changed"
        );
        Ok(())
    }
}

/// What a file says about itself.
pub(super) type File<'a> = (&'a Header<'a>, Manifest<'a>);

/// The entry of a parameter, or of a slice of it, in one of the files.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub number: usize,
    pub file: &'a File<'a>,
    pub entry: &'a ParamEntry<'a>,
}

impl<'a> Piece<'a> {
    pub fn end(&self) -> u64 {
        self.entry.offset + self.entry.len
    }

    pub fn group(&self) -> &'a GroupEntry {
        &self.file.1.groups.items[self.entry.group as usize]
    }
}

/// The entries of all files.
pub(super) struct Pieces<'a> {
    pieces: Vec<Piece<'a>>,
    /// Their numbers, sorted by name and offset.
    order: Vec<u32>,
}

impl<'a> Pieces<'a> {
    pub fn of(files: &'a [File<'a>]) -> Result<Self> {
        let mut pieces = Vec::new();
        let count = files.iter().map(|(_, manifest)| manifest.params.items.len()).sum();
        reserve(&mut pieces, count, "parameters")?;
        for (number, file) in files.iter().enumerate() {
            let entries = &file.1.params.items;
            pieces.extend(entries.iter().map(|entry| Piece { number, file, entry }));
        }
        let order = order_of(&pieces, |one, other| {
            let (one, other) = (one.entry, other.entry);
            (one.name(), one.offset).cmp(&(other.name(), other.offset))
        })?;
        Ok(Self { pieces, order })
    }

    fn name(&self, number: u32) -> &'a str {
        self.pieces[number as usize].entry.name()
    }

    /// The part of the order that belongs to one parameter.
    pub fn of_name(&self, name: &str) -> &[u32] {
        let start = self.order.partition_point(|number| self.name(*number) < name);
        let rest = &self.order[start..];
        &rest[..rest.partition_point(|number| self.name(*number) == name)]
    }

    /// The pieces that together cover all elements of a parameter.
    pub fn cover(
        &self,
        name: &str,
        param: &Param,
        problems: &mut Problems,
    ) -> Result<Vec<Piece<'a>>> {
        let pieces = || self.of_name(name).iter().map(|number| self.pieces[*number as usize]);
        let mut used = Vec::new();
        let (offset, total_len) = param.slice();
        let end = offset + param.len() as u64;
        if let Some(other) = pieces().find(|piece| piece.entry.total_len() != total_len) {
            problems.add(format_args!(
                "\"{}\" has {} elements in the file and {total_len} in the optimizer",
                Shown(name),
                other.entry.total_len()
            ));
            return Ok(used);
        }
        if offset == end {
            pieces().next().map_or(Ok(()), |piece| push(&mut used, piece))?;
            return Ok(used);
        }
        let (mut next, mut gap_end) = (offset, end);
        for piece in pieces() {
            if piece.end() <= next || piece.entry.offset >= end {
                continue;
            }
            if piece.entry.offset > next {
                gap_end = piece.entry.offset;
                break;
            }
            push(&mut used, piece)?;
            next = piece.end();
        }
        if next < end && pieces().next().is_some() {
            let name = Shown(name);
            let last = gap_end - 1;
            problems.add(format_args!("elements {next} to {last} of \"{name}\" are in no file"));
        }
        Ok(used)
    }

    /// Adds the parameters that only the files have.
    pub fn add_unexpected(&self, optimizer: &Optimizer, problems: &mut Problems) -> Result<()> {
        let mut names = Vec::new();
        for (id, param) in optimizer.params() {
            push(&mut names, owned(param.name(id))?)?;
        }
        let order = order_of(&names, |one, other| one.cmp(other))?;
        for same in self.order.chunk_by(|one, other| self.name(*one) == self.name(*other)) {
            let name = self.name(same[0]);
            if order.binary_search_by(|number| names[*number as usize].as_str().cmp(name)).is_err()
            {
                let name = Shown(name);
                problems.add(format_args!("the file has \"{name}\", which the optimizer does not"));
            }
        }
        Ok(())
    }
}
