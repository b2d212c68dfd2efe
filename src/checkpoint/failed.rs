//! What a message says of a file that the system refuses.

use crate::error::{Error, error};
use std::fmt;
use std::io;
use std::path::Path;

pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    error!(Io, "cannot {what} \"{}\": {}", path.display(), Reason(error))
}

/// What the system says. The standard library says the same, but aborts if it has no memory to say it with. It is in English
/// whatever the program's locale is: to translate it, the C library would read the environment, which another thread may be
/// changing.
pub(super) struct Reason<'a>(pub &'a io::Error);

impl fmt::Display for Reason<'_> {
    #[cfg(unix)]
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        use std::ffi::{CStr, OsStr};
        use std::os::unix::ffi::OsStrExt;
        #[cfg(not(target_env = "musl"))]
        const ALL: std::ffi::c_int = libc::LC_ALL_MASK;
        #[cfg(target_env = "musl")] // which the crate libc leaves out
        const ALL: std::ffi::c_int = std::ffi::c_int::MAX;
        let Some(code) = self.0.raw_os_error() else { return self.0.fmt(formatter) };
        let mut text = [0u8; 256];
        // SAFETY: the C locale is there for ever and allocates nothing; the thread gets back the locale that it had;
        // and the text is not longer than the buffer.
        unsafe {
            let english = libc::newlocale(ALL, c"C".as_ptr(), std::ptr::null_mut());
            let before = libc::uselocale(english);
            libc::strerror_r(code, text.as_mut_ptr().cast(), text.len());
            libc::uselocale(before);
        }
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
        write!(formatter, "{} (os error {code})", OsStr::from_bytes(text.to_bytes()).display())
    }

    #[cfg(not(unix))]
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

pub(super) fn being_written(temporary: &Path) -> Error {
    error!(
        Io,
        "another save is writing \"{}\"; saves at the same time need different paths",
        temporary.display()
    )
}

/// `kind` is what is at the path in the place of a file.
pub(super) fn no_file(what: &str, path: &Path, kind: &str) -> Error {
    error!(Io, "cannot {what} \"{}\": it is {kind}, and not a regular file", path.display())
}
