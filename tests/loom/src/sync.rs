//! loom in the place of the standard library.

pub(crate) use loom::hint;

/// loom's macro does not know initializers that are constants.
macro_rules! local {
    (static $name:ident: $type:ty = const $value:block) => {
        loom::thread_local!(static $name: $type = $value)
    };
}
pub(crate) use local as thread_local;

pub(crate) mod thread {
    pub(crate) use loom::thread::{spawn, yield_now};
    pub(crate) use std::thread::panicking;

    pub(crate) fn sleep(_: std::time::Duration) {
        yield_now();
    }
}

/// loom takes SeqCst for AcqRel, so that two threads may both miss what the other one has just stored. A load that
/// writes back what it finds always finds the last value. (So a load that should be SeqCst and is not is found, but not
/// such a store.)
pub(crate) mod atomic {
    use loom::sync::atomic as loom;
    pub(crate) use loom::{AtomicU32, AtomicU64, Ordering};
    use std::ops::Deref;

    macro_rules! atomic {
        ($($name:ident($value:ty): $write_back:expr;)*) => {$(
            #[derive(Debug, Default)]
            pub(crate) struct $name(loom::$name);

            impl $name {
                pub fn new(value: $value) -> Self {
                    Self(loom::$name::new(value))
                }

                pub fn load(&self, order: Ordering) -> $value {
                    let write_back: fn(&loom::$name) -> $value = $write_back;
                    if order == Ordering::SeqCst { write_back(&self.0) } else { self.0.load(order) }
                }
            }

            impl Deref for $name {
                type Target = loom::$name;

                fn deref(&self) -> &loom::$name {
                    &self.0
                }
            }
        )*};
    }

    atomic! {
        AtomicBool(bool): |atomic| atomic.fetch_or(false, Ordering::Acquire);
        AtomicUsize(usize): |atomic| atomic.fetch_add(0, Ordering::Acquire);
    }
}
