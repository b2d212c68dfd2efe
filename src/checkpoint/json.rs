//! Reading as much of JSON as checkpoints need; `json_writer.rs` writes it. (The usual crates end the process where memory does, and would
//! make the library larger by a third.)

use super::{no_memory, push};
use crate::error::{Error, FallibleWriter, Result, ensure, error};
use crate::sort::order_of;
use std::fmt::Write;

/// A value that was read.
#[derive(Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Values in values in values: more than any checkpoint has.
const DEEPEST: usize = 16;

impl Json {
    pub fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { rest: text, len: text.len() };
        let value = reader.value(DEEPEST)?;
        reader.skip_spaces();
        if reader.rest.is_empty() { Ok(value) } else { Err(reader.unexpected("end")) }
    }

    pub fn entries(&self) -> Option<&[(String, Json)]> {
        match self {
            Self::Object(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn items(&self) -> Option<&[Json]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entry of an object, if it has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn integer(&self) -> Option<u64> {
        match self {
            Self::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The nearest f64, which is the one that was written.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(digits) => digits.parse().ok().filter(|value: &f64| value.is_finite()),
            _ => None,
        }
    }

    pub fn bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// Of the whole text.
    len: usize,
}

impl Reader<'_> {
    fn unexpected(&self, expected: &str) -> Error {
        let at = self.len - self.rest.len();
        error!(
            Corrupt,
            "the header of the checkpoint has no {expected} at byte {at}; it is not JSON"
        )
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Whether this comes next, in which case it is passed.
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<()> {
        self.skip_spaces();
        if self.take(token) { Ok(()) } else { Err(self.unexpected(token)) }
    }

    fn value(&mut self, depth: usize) -> Result<Json> {
        ensure!(depth > 0, Corrupt, "the header of the checkpoint has values nested too deeply");
        self.skip_spaces();
        match self.rest.as_bytes().first() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take("true") => Ok(Json::Bool(true)),
            _ if self.take("false") => Ok(Json::Bool(false)),
            _ if self.take("null") => Ok(Json::Null),
            _ => Err(self.unexpected("value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json> {
        self.expect("{")?;
        let mut entries = Vec::new();
        self.skip_spaces();
        while !self.take("}") {
            if !entries.is_empty() {
                self.expect(",")?;
            }
            self.skip_spaces();
            let key = self.string()?;
            self.expect(":")?;
            let value = self.value(depth - 1)?;
            push(&mut entries, (key, value))?;
            self.skip_spaces();
        }
        let order = order_of(&entries, |(key, _), (other, _)| key.cmp(other))?;
        let key = |number: u32| &entries[number as usize].0;
        match order.windows(2).find(|pair| key(pair[0]) == key(pair[1])) {
            None => Ok(Json::Object(entries)),
            Some(pair) => {
                Err(error!(Corrupt, "the header of the checkpoint has \"{}\" twice", key(pair[0])))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json> {
        self.expect("[")?;
        let mut items = Vec::new();
        self.skip_spaces();
        while !self.take("]") {
            if !items.is_empty() {
                self.expect(",")?;
            }
            let item = self.value(depth - 1)?;
            push(&mut items, item)?;
            self.skip_spaces();
        }
        Ok(Json::List(items))
    }

    fn number(&mut self) -> Result<Json> {
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let (digits, rest) =
            self.rest.split_at(self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len()));
        if digits.parse::<f64>().is_err() {
            return Err(self.unexpected("number"));
        }
        self.rest = rest;
        let mut text = FallibleWriter(String::new());
        text.write_str(digits).map_err(|_| no_memory("the header of the checkpoint"))?;
        Ok(Json::Number(text.0))
    }

    fn string(&mut self) -> Result<String> {
        if !self.take("\"") {
            return Err(self.unexpected("string"));
        }
        let mut text = FallibleWriter(String::new());
        loop {
            let end = self.rest.find(|c: char| c == '"' || c == '\\' || c < ' ');
            let (plain, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            text.write_str(plain).map_err(|_| no_memory("the header of the checkpoint"))?;
            self.rest = rest;
            if self.take("\"") {
                return Ok(text.0);
            }
            let escaped = self.escaped()?;
            text.write_char(escaped).map_err(|_| no_memory("the header of the checkpoint"))?;
        }
    }

    fn escaped(&mut self) -> Result<char> {
        for (escape, character) in [
            ("\\\"", '"'),
            ("\\\\", '\\'),
            ("\\/", '/'),
            ("\\b", '\u{8}'),
            ("\\f", '\u{c}'),
            ("\\n", '\n'),
            ("\\r", '\r'),
            ("\\t", '\t'),
        ] {
            if self.take(escape) {
                return Ok(character);
            }
        }
        let first = self.code_unit()?;
        let code = match first {
            0xd800..0xdc00 => {
                let second = self.code_unit()?.wrapping_sub(0xdc00);
                if second >= 0x400 {
                    return Err(self.unexpected("character"));
                }
                0x1_0000 + ((first - 0xd800) << 10) + second
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| self.unexpected("character"))
    }

    /// Of UTF-16, as \uXXXX.
    fn code_unit(&mut self) -> Result<u32> {
        let digits = self.rest.strip_prefix("\\u").and_then(|rest| rest.get(..4));
        let code = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.unexpected("closed string"))?;
        self.rest = &self.rest["\\uXXXX".len()..];
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::super::json_writer::Writer;
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let texts = ["", "plain", "\"quoted\" \\ and \n\t\u{1}", "ünïcode 🦀"];
        let numbers = [0.0, 1.0, 0.1, 1e-7, 1e300, f64::MIN_POSITIVE, 123456789.125];
        let mut writer = Writer::new();
        writer
            .object(|writer| {
                for text in texts {
                    writer.text_entry(text, text)?;
                }
                writer.list_entry("list", |writer| {
                    writer.integer(u64::MAX)?;
                    writer.object(|writer| writer.bool_entry("yes", true))
                })?;
                writer.object_entry("numbers", |writer| {
                    (0..).zip(numbers).try_for_each(|(i, number): (u64, f64)| {
                        writer.number_entry(["a", "b", "c", "d", "e", "f", "g"][i as usize], number)
                    })
                })
            })
            .unwrap();
        let json = Json::parse(&writer.finish()).unwrap();
        for text in texts {
            assert_eq!(json.get(text).unwrap().text(), Some(text));
        }
        let list = json.get("list").unwrap().items().unwrap();
        assert_eq!(list[0].integer(), Some(u64::MAX));
        assert_eq!(list[1].get("yes").unwrap().bool(), Some(true));
        let found = json.get("numbers").unwrap().entries().unwrap();
        assert!(found.iter().zip(numbers).all(|((_, found), value)| found.number() == Some(value)));
    }

    #[test]
    fn escapes_are_characters() {
        let json = Json::parse(r#" { "a" : "\u0041\n\/\ud83e\udd80" , "b":[ ] } "#).unwrap();
        assert_eq!(json.get("a").unwrap().text(), Some("A\n/🦀"));
        assert!(json.get("b").unwrap().items().unwrap().is_empty());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1 2]",
            "[1,]",
            "\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\u12\"",
            "nul",
            "1e",
            "--1",
            "{\"a\":1,\"a\":2}",
            "1 2",
            "\"\n\"",
            "{1:2}",
        ] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }
}
