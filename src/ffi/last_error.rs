//! The message of the last error of each optimizer, and of each thread.

use crate::error::LONGEST_MESSAGE;
use std::cell::{RefCell, UnsafeCell};
use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The message of an optimizer's last error.
///
/// It is beside the optimizer and not in it, since concurrent calls keep errors too.
pub(super) struct LastError {
    locked: AtomicBool,
    message: UnsafeCell<String>,
}

// SAFETY: the message is touched only by the thread that locked it.
unsafe impl Sync for LastError {}

impl LastError {
    pub const fn new() -> Self {
        Self { locked: AtomicBool::new(false), message: UnsafeCell::new(String::new()) }
    }

    pub fn keep(&self, message: String) {
        self.with(|kept| *kept = message);
    }

    /// Copies the message, as `radam_last_error` describes.
    pub fn copy(&self, buffer: &mut [u8]) -> u64 {
        self.with(|kept| copy(kept.as_bytes(), buffer)).unwrap_or_else(|| copy(b"", buffer))
    }

    /// The lock is held only while a message is copied. If it does not become free, the thread that holds it was left
    /// behind by a fork, and this gives up.
    fn with<R>(&self, body: impl FnOnce(&mut String) -> R) -> Option<R> {
        for attempt in 0..10_000 {
            if !self.locked.swap(true, Ordering::Acquire) {
                // SAFETY: this thread has locked it.
                let result = body(unsafe { &mut *self.message.get() });
                self.locked.store(false, Ordering::Release);
                return Some(result);
            }
            if attempt < 100 { hint::spin_loop() } else { thread::yield_now() }
        }
        None
    }
}

/// The message of a thread's last error. It is an array: a string would have to be freed when the thread ends, and the
/// library may have been unloaded by then.
struct ThreadError {
    len: usize,
    bytes: [u8; LONGEST_MESSAGE],
}

thread_local! {
    static OF_THREAD: RefCell<ThreadError> =
        const { RefCell::new(ThreadError { len: 0, bytes: [0; LONGEST_MESSAGE] }) };
}

/// Keeps the message of this thread's last error.
pub(super) fn keep_for_thread(message: &str) {
    OF_THREAD.with_borrow_mut(|kept| {
        debug_assert!(message.len() <= LONGEST_MESSAGE);
        kept.len = message.len();
        kept.bytes[..kept.len].copy_from_slice(message.as_bytes());
    });
}

/// Copies this thread's message, as `radam_last_error` describes.
pub(super) fn copy_of_thread(buffer: &mut [u8]) -> u64 {
    OF_THREAD.with_borrow(|kept| copy(&kept.bytes[..kept.len], buffer))
}

/// Copies a message and a NUL, as much as fits into the buffer, and returns the size of the whole.
pub(super) fn copy(message: &[u8], buffer: &mut [u8]) -> u64 {
    if let Some(room) = buffer.len().checked_sub(1) {
        let len = cut(message, room);
        buffer[..len].copy_from_slice(&message[..len]);
        buffer[len] = 0;
    }
    message.len() as u64 + 1
}

/// The largest length up to `room` at which no UTF-8 character is cut.
fn cut(message: &[u8], room: usize) -> usize {
    if message.len() <= room {
        return message.len();
    }
    let is_continuation = |byte: u8| byte & 0xc0 == 0x80;
    (0..=room).rev().find(|len| !is_continuation(message[*len])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters() {
        let mut buffer = [b'#'; 8];
        assert_eq!(copy("αβγ".as_bytes(), &mut buffer[..6]), 7);
        assert_eq!(&buffer, "αβ\0###".as_bytes());
        assert_eq!(copy("αβγ".as_bytes(), &mut buffer[..7]), 7);
        assert_eq!(&buffer, "αβγ\0#".as_bytes());
        assert_eq!(copy(b"abc", &mut []), 4);
    }

    #[test]
    fn a_thread_keeps_the_longest_message() {
        keep_for_thread(&"a".repeat(LONGEST_MESSAGE));
        let mut buffer = [1; 2 * LONGEST_MESSAGE];
        assert_eq!(copy_of_thread(&mut buffer), LONGEST_MESSAGE as u64 + 1);
        assert_eq!(&buffer[LONGEST_MESSAGE - 1..=LONGEST_MESSAGE], b"a\0");
        keep_for_thread("");
        assert_eq!(copy_of_thread(&mut buffer), 1);
        assert_eq!(buffer[0], 0);
    }

    #[test]
    fn a_lock_that_never_comes_free_is_done_without() {
        let error = LastError::new();
        error.keep("kept".to_owned());
        error.locked.store(true, Ordering::Relaxed);
        error.keep("lost".to_owned());
        let mut buffer = [1; 8];
        assert_eq!(error.copy(&mut buffer), 1);
        error.locked.store(false, Ordering::Relaxed);
        assert_eq!(error.copy(&mut buffer), 5);
    }
}
