//! CRC-32 checksums as 8 hexadecimal digits.

use super::json::Text;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

#[derive(Clone, Copy, PartialEq)]
pub(super) struct Checksum(pub u32);

impl Checksum {
    /// Capitals are refused, since a flipped bit turns letters into them.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let is_digit = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        let is_plain = digits.len() == 8 && digits.iter().all(is_digit);
        is_plain.then(|| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok().map(Self))?
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

impl Serialize for Checksum {
    fn serialize<S: Serializer>(&self, json: S) -> Result<S::Ok, S::Error> {
        json.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let digits = Text::deserialize(json)?.0.unwrap_or_default();
        let checksum = Self::parse(digits.as_bytes());
        checksum.ok_or_else(|| D::Error::custom("a checksum is not 8 hexadecimal digits"))
    }
}
