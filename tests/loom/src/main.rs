//! The library's own synchronisation, in every order of steps: its source files, with loom's atomics in the place of
//! the standard library's and with stubs of what they only use. A model fails if a value can be seen that was not
//! handed on, dropped while it is in use, or waited for without end.

// What the models do not call.
#![allow(dead_code, unused_macros, unused_imports)]

#[path = "../../../src/error.rs"]
mod error;
mod ffi;
mod optimizer;
mod sync;
mod system;

fn model(name: &str, body: fn()) {
    let start = std::time::Instant::now();
    loom::model(body);
    println!("{name}: {:.1} s", start.elapsed().as_secs_f64());
}

fn main() {
    ffi::run();
    system::run();
}
