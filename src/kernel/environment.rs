//! The environment variable RADAM_ISA, read when the library is loaded. C lets any thread of the program set variables
//! later, and reading them meanwhile would be reading memory that is moved.

use std::env;
use std::fmt;
use std::sync::OnceLock;

/// The value of a variable, as far as it matters: no instruction set has a name of so many bytes.
#[derive(Clone, Copy)]
pub(super) struct Value {
    bytes: [u8; LONGEST],
    len: usize,
}

const LONGEST: usize = 32;

/// What RADAM_ISA was. Where an initializer of the program calls the library before ours has run, it is read then.
pub(super) fn wanted() -> Option<Value> {
    AT_LOADING.get().copied().unwrap_or_else(read)
}

static AT_LOADING: OnceLock<Option<Value>> = OnceLock::new();

fn read() -> Option<Value> {
    env::var_os("RADAM_ISA").map(|value| Value::new(value.as_encoded_bytes()))
}

/// What the loader runs. (WebAssembly has no environment.)
#[cfg(any(unix, windows))]
#[used]
#[cfg_attr(windows, unsafe(link_section = ".CRT$XCU"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(all(unix, not(target_vendor = "apple")), unsafe(link_section = ".init_array"))]
static INITIALIZER: extern "C" fn() = {
    extern "C" fn read_at_loading() {
        let _ = AT_LOADING.set(read());
    }
    read_at_loading
};

impl Value {
    fn new(value: &[u8]) -> Self {
        let len = value.len().min(LONGEST);
        let mut bytes = [0; LONGEST];
        bytes[..len].copy_from_slice(&value[..len]);
        Self { bytes, len }
    }

    pub fn is(&self, name: &str) -> bool {
        self.bytes[..self.len] == *name.as_bytes()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let cut = if self.len == LONGEST { "…" } else { "" };
        write!(formatter, "{}{cut}", self.bytes[..self.len].escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_was_read_before_the_program_began() {
        let now = read().map(|value| value.to_string());
        assert_eq!(AT_LOADING.get().map(|value| value.map(|value| value.to_string())), Some(now));
    }

    #[test]
    fn values_are_shown_without_control_characters_and_cut() {
        assert!(Value::new(b"avx2").is("avx2") && !Value::new(b"avx2").is("avx"));
        assert_eq!(Value::new(b"\x1b[2J").to_string(), "\\x1b[2J");
        assert_eq!(Value::new(&[b'a'; 100]).to_string(), "a".repeat(LONGEST) + "…");
    }
}
