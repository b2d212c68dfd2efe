//! Errors.

use crate::error::{self, Status};
use std::fmt;

/// Why a call failed, with a sentence that names the argument, its value and what is allowed.
///
/// A call that fails has changed nothing, unless its documentation names an exception. `Display` gives the sentence, at
/// most 2047 bytes in which control characters of names and paths are escaped; do not parse it, since its wording may
/// change in any version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument has a value that is not allowed.
    InvalidArgument(String),
    /// The call does not apply to the optimizer in its present state.
    InvalidState(String),
    /// Another thread is stepping the same parameter.
    Busy(String),
    /// There is not enough memory.
    OutOfMemory(String),
    /// A file could not be read or written, or a progress closure cancelled the call.
    Io(String),
    /// The checkpoint is damaged, or the file is not a checkpoint.
    Corrupt(String),
    /// The checkpoint does not fit the optimizer, or has a format of a later version.
    Mismatch(String),
}

impl From<error::Error> for Error {
    fn from(error::Error { status, message }: error::Error) -> Self {
        let kind = match status {
            Status::InvalidArgument => Self::InvalidArgument,
            Status::InvalidState => Self::InvalidState,
            Status::Busy => Self::Busy,
            Status::OutOfMemory => Self::OutOfMemory,
            Status::Io => Self::Io,
            Status::Corrupt => Self::Corrupt,
            Status::Mismatch => Self::Mismatch,
            // Slices are never NULL; handles, caught panics and devices are of the C API.
            Status::NullPointer | Status::InvalidHandle | Status::Panic | Status::Device => {
                Self::InvalidArgument
            }
        };
        kind(message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(match self {
            Self::InvalidArgument(sentence)
            | Self::InvalidState(sentence)
            | Self::Busy(sentence)
            | Self::OutOfMemory(sentence)
            | Self::Io(sentence)
            | Self::Corrupt(sentence)
            | Self::Mismatch(sentence) => sentence,
        })
    }
}

impl std::error::Error for Error {}
