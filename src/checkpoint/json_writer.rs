//! Writing JSON, without the abort that the usual crates make of a lack of memory.

use super::no_memory;
use crate::error::{FallibleWriter, Result};
use std::fmt::{Display, Write};

/// JSON that is being written: values one after another, with the commas that they need.
pub(super) struct Writer {
    text: FallibleWriter,
    /// Whether the next value of the present list or object is not its first.
    goes_on: bool,
}

impl Writer {
    pub fn new() -> Self {
        Self { text: FallibleWriter(String::new()), goes_on: false }
    }

    pub fn finish(self) -> String {
        self.text.0
    }

    fn put(&mut self, text: impl Display) -> Result<()> {
        write!(self.text, "{text}").map_err(|_| no_memory("the header of the checkpoint"))
    }

    fn separate(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.goes_on, true) { self.put(",") } else { Ok(()) }
    }

    fn string(&mut self, text: &str) -> Result<()> {
        self.put("\"")?;
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') {
            let (plain, special) = rest.split_at(at);
            self.put(plain)?;
            let code = special.as_bytes()[0];
            match code {
                b'"' | b'\\' => self.put(format_args!("\\{}", code as char))?,
                _ => self.put(format_args!("\\u{code:04x}"))?,
            }
            rest = &special[1..];
        }
        self.put(rest)?;
        self.put("\"")
    }

    fn key(&mut self, key: &str) -> Result<()> {
        self.separate()?;
        self.string(key)?;
        self.put(":")
    }

    /// What stands between braces or brackets.
    fn nested(
        &mut self,
        ends: [&str; 2],
        body: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.put(ends[0])?;
        self.goes_on = false;
        body(self)?;
        self.goes_on = true;
        self.put(ends[1])
    }

    pub fn object(&mut self, body: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.separate()?;
        self.nested(["{", "}"], body)
    }

    pub fn object_entry(
        &mut self,
        key: &str,
        body: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.key(key)?;
        self.nested(["{", "}"], body)
    }

    pub fn list_entry(
        &mut self,
        key: &str,
        body: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.key(key)?;
        self.nested(["[", "]"], body)
    }

    pub fn text_entry(&mut self, key: &str, text: &str) -> Result<()> {
        self.key(key)?;
        self.string(text)
    }

    pub fn integer_entry(&mut self, key: &str, value: u64) -> Result<()> {
        self.key(key)?;
        self.put(value)
    }

    /// With as many digits as tell the number from all others.
    pub fn number_entry(&mut self, key: &str, value: f64) -> Result<()> {
        debug_assert!(value.is_finite());
        self.key(key)?;
        self.put(format_args!("{value:?}"))
    }

    pub fn bool_entry(&mut self, key: &str, value: bool) -> Result<()> {
        self.key(key)?;
        self.put(value)
    }

    pub fn integer(&mut self, value: u64) -> Result<()> {
        self.separate()?;
        self.put(value)
    }
}
