//! The programs of `make gpu` that need the driver alone (tests/gpu), with what stands for it where no GPU is.

mod common;

use common::{Link, build_c, stand_in, succeed, text, with_libraries};

fn has_the_bits_of_the_cpu(program: &str) {
    let Some(stand_in) = stand_in(program) else { return };
    let program = build_c(&format!("tests/gpu/{program}.c"), Link::Shared);
    let output = text(&succeed(&mut with_libraries(stand_in, &program)));
    assert!(output.ends_with("have the bits of the CPU\n"), "{output}");
}

#[test]
fn small_steps() {
    has_the_bits_of_the_cpu("small_steps");
}

#[test]
fn graphs() {
    has_the_bits_of_the_cpu("graphs");
}
