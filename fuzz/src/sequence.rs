//! Sequences of calls, as text and as bytes.

use crate::calls::KINDS;
use crate::draw::{Draw, Random};
use crate::world::World;
use std::fmt;

/// A kind of call, by its name, and the choices that its arguments are drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub name: &'static str,
    pub choices: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequence(pub Vec<Call>);

/// At most so many choices of one call.
const CHOICES: usize = 48;

fn name_of(name: &str) -> Option<&'static str> {
    KINDS.iter().map(|kind| kind.name).find(|known| *known == name)
}

impl Sequence {
    pub fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let total: usize = KINDS.iter().map(|kind| kind.weight).sum();
        let call = |name: Option<&'static str>| {
            let mut at = random.below(total);
            let drawn = KINDS.iter().find(|kind| {
                let is_it = at < kind.weight;
                at = at.saturating_sub(kind.weight);
                is_it
            });
            let name = name.or(drawn.map(|kind| kind.name)).unwrap_or("step");
            Call { name, choices: (0..CHOICES).map(|_| random.word() as u8).collect() }
        };
        let mut begin = vec!["create", "add_param_group", "add_params"];
        // One in four is about damaged checkpoints.
        let only = if seed % 4 == 3 { Some("load_damaged") } else { None };
        if only.is_some() {
            begin.extend([
                "step_with",
                "save_to_buffer",
                "create",
                "add_param_group",
                "save_to_buffer",
            ]);
        }
        let count = 5 + Random(!seed).below(40);
        let names = begin.into_iter().map(Some).chain((0..count).map(|_| only));
        Self(names.map(call).collect())
    }

    /// What a fuzzer's bytes stand for.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut calls = Vec::new();
        let mut rest = bytes;
        while let [kind, len, more @ ..] = rest {
            let (choices, after) = more.split_at((*len as usize % CHOICES).min(more.len()));
            let name = KINDS[*kind as usize % KINDS.len()].name;
            calls.push(Call { name, choices: choices.to_vec() });
            rest = after;
        }
        Self(calls)
    }

    /// As it is written; `None` for other text. Lines that begin with # are comments.
    pub fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let call = |line: &str| {
            let mut words = line.split_whitespace();
            let name = name_of(words.next()?)?;
            let choices =
                words.map(|word| u8::from_str_radix(word, 16).ok()).collect::<Option<_>>();
            Some(Call { name, choices: choices? })
        };
        lines.map(call).collect::<Option<_>>().map(Self)
    }

    /// Makes the calls, and panics where the library and the model differ.
    pub fn run(&self) {
        let mut world = World::new();
        for call in &self.0 {
            let Some(kind) = KINDS.iter().find(|kind| kind.name == call.name) else { continue };
            (kind.run)(&mut world, &mut Draw::new(&call.choices));
            world.compare();
        }
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        for call in &self.0 {
            let choices: Vec<_> = call.choices.iter().map(|byte| format!(" {byte:02x}")).collect();
            writeln!(formatter, "{}{}", call.name, choices.concat())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_can_be_written_and_read() {
        let sequence = Sequence::random(1);
        assert_eq!(Sequence::parse(&format!("# a comment\n{sequence}")), Some(sequence));
        assert_eq!(Sequence::parse("no_such_call 00"), None);
    }
}
