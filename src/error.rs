//! What a failed call tells its caller: a status and a message, one sentence.

use std::fmt::{self, Write};

/// The kinds of failure, with the numbers of `RADAM_ERROR_...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    NullPointer = 1,
    InvalidHandle,
    InvalidArgument,
    Busy,
    InvalidState,
    OutOfMemory,
    Io,
    Corrupt,
    Mismatch,
    Panic,
    Device,
}

#[derive(Debug)]
pub(crate) struct Error {
    pub status: Status,
    pub message: String,
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// How many bytes of UTF-8 a message has at most.
pub(crate) const LONGEST_MESSAGE: usize = 2047;

impl Error {
    /// Formats the message, which is cut off if memory runs out.
    #[cold]
    pub fn new(status: Status, message: fmt::Arguments) -> Self {
        let mut writer = Escaping(FallibleWriter(String::new()));
        let _ = writer.write_fmt(message);
        Self { status, message: shortened(writer.0.0) }
    }
}

/// Writes text without what changes how a terminal or a log shows the rest of it: control characters, line separators
/// and marks for the direction of writing. Names and paths may have them.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        let is_harmful = |c: char| {
            let is_mark = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            c.is_control() || is_mark
        };
        while let Some((at, c)) = text.char_indices().find(|(_, c)| is_harmful(*c)) {
            write!(self.0, "{}{}", &text[..at], c.escape_default())?;
            text = &text[at + c.len_utf8()..];
        }
        self.0.write_str(text)
    }
}

/// Cuts the middle out of a message that is too long: it begins with the argument, and ends with what would be right.
fn shortened(message: String) -> String {
    const CUT: &str = "…";
    const HALF: usize = (LONGEST_MESSAGE - CUT.len()) / 2;
    if message.len() <= LONGEST_MESSAGE {
        return message;
    }
    let is_boundary = |at: &usize| message.is_char_boundary(*at);
    let start = (0..=HALF).rfind(is_boundary).unwrap_or(0);
    let end = (message.len() - HALF..=message.len()).find(is_boundary).unwrap_or(message.len());
    let mut short = FallibleWriter(String::new());
    let _ = write!(short, "{}{CUT}{}", &message[..start], &message[end..]);
    short.0
}

/// The text, or `None` where there is no memory for it.
pub(crate) fn try_format(text: fmt::Arguments) -> Option<String> {
    let mut writer = FallibleWriter(String::new());
    writer.write_fmt(text).ok()?;
    Some(writer.0)
}

/// A string that fails to grow instead of aborting.
pub(crate) struct FallibleWriter(pub String);

impl Write for FallibleWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // A text that is written at once gets just the memory that it needs, and longer ones grow as usual.
        let is_first = self.0.capacity() == 0;
        let reserve = if is_first { String::try_reserve_exact } else { String::try_reserve };
        reserve(&mut self.0, text.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(text);
        Ok(())
    }
}

/// `error!(InvalidArgument, "lr is {lr}; …")`: an [`Error`] of that [`Status`].
macro_rules! error {
    ($status:ident, $($message:tt)+) => {
        $crate::error::Error::new(
            $crate::error::Status::$status,
            format_args!($($message)+),
        )
    };
}
pub(crate) use error;

/// Returns with an [`error!`] unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($error:tt)+) => {
        if !$condition {
            return Err($crate::error::error!($($error)+));
        }
    };
}
pub(crate) use ensure;

/// Makes room for `additional` more items, which then can be pushed without allocating.
///
/// What grows item by item, or is cleared in between, gets a sixteenth more than it had: seldom anything to move, and little
/// to waste.
pub(crate) fn reserve<T>(items: &mut Vec<T>, additional: usize, what: &str) -> Result<()> {
    let needed = items.len() + additional;
    if needed <= items.capacity() {
        return Ok(());
    }
    let grown = items.capacity() + items.capacity() / 16;
    items.try_reserve_exact(needed.max(grown) - items.len()).map_err(|_| {
        error!(OutOfMemory, "there is no memory for {additional} more {what}; nothing was changed")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_no_control_characters() {
        let name = "a\nb\u{1b}[31m\u{9b}\u{7f}\u{202e}é";
        let message = error!(Io, "name is \"{name}\"").message;
        assert_eq!(message, r#"name is "a\nb\u{1b}[31m\u{9b}\u{7f}\u{202e}é""#);
    }

    #[test]
    fn messages_that_are_too_long_keep_their_beginning_and_their_end() {
        for name in ["a", "é", "€", "𝄞", "\n"].map(|c| c.repeat(10_000)) {
            let message = error!(Io, "name is \"{name}\"; it must be short").message;
            assert!((LONGEST_MESSAGE - 8..=LONGEST_MESSAGE).contains(&message.len()));
            assert!(message.starts_with("name is \"") && message.ends_with("\"; it must be short"));
            assert_eq!(message.matches('…').count(), 1);
        }
        let longest = "a".repeat(LONGEST_MESSAGE);
        assert_eq!(error!(Io, "{longest}").message, longest);
    }
}
