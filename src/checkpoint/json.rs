//! What checkpoints need beside serde_json: objects that cannot be written as lists, which derived code would
//! accept; strings that borrow from the text unless they have escapes; numbers rounded to the nearest f64; and
//! errors instead of aborts where memory runs out.
//!
//! An error of serde_json is an allocation, which aborts if it fails. So values that are read remember that
//! memory ran out, and [`Text::check`] and [`List::check`] report it at the end. serde_json itself allocates
//! nothing for a text that is as expected. It does for the error about one that is not, for escapes in known
//! keys, and for deeply nested values of unknown keys.

use super::{no_memory, push};
use crate::error::{Result, error};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io;
use std::marker::PhantomData;

/// Reads an object. `what` names the text in error messages.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Object(PhantomData).deserialize(&mut json);
    value
        .and_then(|value| json.end().map(|()| value))
        .map_err(|problem| error!(Corrupt, "{what} is invalid: {}", Shown(problem)))
}

/// The JSON that `body` writes.
pub(super) fn write(
    body: impl FnOnce(&mut serde_json::Serializer<&mut Output>) -> serde_json::Result<()>,
) -> Result<String> {
    let mut output = Output { bytes: Vec::new(), is_full: false };
    let outcome = body(&mut serde_json::Serializer::new(&mut output));
    check(!output.is_full)?;
    let text = outcome.ok().and_then(|()| String::from_utf8(output.bytes).ok());
    text.ok_or_else(|| {
        error!(InvalidState, "the header of the checkpoint cannot be written as JSON")
    })
}

fn check(had_memory: bool) -> Result<()> {
    if had_memory { Ok(()) } else { Err(no_memory("the header of the checkpoint")) }
}

/// Where JSON is written. Writing never fails, since serde_json would allocate for the error.
pub(super) struct Output {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.is_full |= self.bytes.try_reserve(bytes.len()).is_err();
        if !self.is_full {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a `T` from an object only.
pub(super) struct Object<T>(pub PhantomData<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Object<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<T, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// For fields that may be missing but not null.
pub(super) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    json: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(json).map(Some)
}

/// For fields that are numbers: the nearest f64, as the standard library parses it. serde_json may be off by a
/// last place, and with its feature against that it may allocate.
pub(super) fn number<'de, D: Deserializer<'de>>(json: D) -> Result<f64, D::Error> {
    let text = <&RawValue>::deserialize(json)?.get();
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| D::Error::custom(format_args!("{} is not a finite number", Shown(text))))
}

/// A list of objects.
pub(super) struct List<T> {
    pub items: Vec<T>,
    is_complete: bool,
}

impl<T> List<T> {
    pub fn new() -> Self {
        Self { items: Vec::new(), is_complete: true }
    }

    pub fn push(&mut self, item: T) {
        self.is_complete = self.is_complete && push(&mut self.items, item).is_ok();
    }

    /// Whether there was memory for all items.
    pub fn check(&self) -> Result<()> {
        check(self.is_complete)
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        json.collect_seq(&self.items)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_seq(List::new())
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Self, A::Error> {
        while let Some(item) = list.next_element_seed(Object(PhantomData))? {
            self.push(item);
        }
        Ok(self)
    }
}

/// A string. `None`: memory ran out while its escapes were decoded.
pub(super) struct Text<'a>(pub Option<Cow<'a, str>>);

impl Text<'_> {
    /// Whether there was memory for it.
    pub fn check(&self) -> Result<()> {
        check(self.0.is_some())
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        json.serialize_str(self.0.as_deref().unwrap_or_default())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(json)?.get();
        let quoted = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
        quoted.and_then(unescaped).ok_or_else(|| {
            D::Error::custom(format_args!("{} is not a string of Unicode characters", Shown(raw)))
        })
    }
}

/// Decodes the escapes in a JSON string, which serde_json has found to be well-formed. (Its own buffer for
/// decoding aborts when memory runs out.) `None` if surrogates are not in pairs.
fn unescaped(raw: &str) -> Option<Text<'_>> {
    if !raw.contains('\\') {
        return Some(Text(Some(Cow::Borrowed(raw))));
    }
    let mut text = String::new();
    if text.try_reserve_exact(raw.len()).is_err() {
        return Some(Text(None)); // no escape is shorter than the character it stands for
    }
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let (kind, after) = escape.split_at_checked(1)?;
        rest = after;
        text.push(match kind.as_bytes()[0] {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (first, after) = code_unit(rest)?;
                let second = after.strip_prefix("\\u").and_then(code_unit);
                let is_pair = (0xd800..0xdc00).contains(&first);
                rest = if is_pair { second?.1 } else { after };
                let units =
                    [first].into_iter().chain(second.filter(|_| is_pair).map(|unit| unit.0));
                char::decode_utf16(units).next()?.ok()?
            }
            itself => itself.into(), // a quote, a slash or a backslash
        });
    }
    text.push_str(rest);
    Some(Text(Some(Cow::Owned(text))))
}

/// A code unit of UTF-16 from its four digits, and what follows them.
fn code_unit(digits: &str) -> Option<(u16, &str)> {
    let (digits, rest) = digits.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

/// Writes and reads the variants of an enum as strings.
macro_rules! words {
    ($type:ident: $($word:literal = $variant:ident),+) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
                json.serialize_str(match self { $(Self::$variant => $word),+ })
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
                match $crate::checkpoint::json::Text::deserialize(json)?.0.as_deref() {
                    $(Some($word) => Ok(Self::$variant),)+
                    other => Err(serde::de::Error::unknown_variant(
                        other.unwrap_or_default(),
                        &[$($word),+],
                    )),
                }
            }
        }
    };
}
pub(super) use words;

/// Text from a file, as error messages show it: control characters escaped, and cut if it is long.
pub(super) struct Shown<T>(pub T);

/// In characters.
const LONGEST_SHOWN: usize = 200;

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(Limited { formatter, left: LONGEST_SHOWN }, "{}", self.0)
    }
}

struct Limited<'a, 'b> {
    formatter: &'a mut fmt::Formatter<'b>,
    left: usize,
}

impl fmt::Write for Limited<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars().take(self.left) {
            self.left -= 1;
            match c {
                _ if self.left == 0 => self.formatter.write_char('…')?,
                c if c.is_control() => write!(self.formatter, "{}", c.escape_default())?,
                c => self.formatter.write_char(c)?,
            }
        }
        Ok(())
    }
}
