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
}

#[derive(Debug)]
pub(crate) struct Error {
    pub status: Status,
    pub message: String,
}

pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Formats the message, which is cut off if memory runs out.
    #[cold]
    pub fn new(status: Status, message: fmt::Arguments) -> Self {
        let mut writer = FallibleWriter(String::new());
        let _ = writer.write_fmt(message);
        Self { status, message: writer.0 }
    }
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
/// What grows item by item gets a sixteenth more than it needs: seldom anything to move, and little
/// to waste.
pub(crate) fn reserve<T>(items: &mut Vec<T>, additional: usize, what: &str) -> Result<()> {
    let needed = items.len() + additional;
    if needed <= items.capacity() {
        return Ok(());
    }
    let room = if items.capacity() == 0 { additional } else { additional.max(needed / 16) };
    items.try_reserve_exact(room).map_err(|_| {
        error!(OutOfMemory, "there is no memory for {additional} more {what}; nothing was changed")
    })
}
