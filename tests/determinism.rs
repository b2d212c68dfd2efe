//! The same bits everywhere: long runs of all features must give pinned hashes on every instruction set, with any
//! number of threads, at any alignment, and however tensors and steps are cut.

#[path = "determinism/coded.rs"]
mod coded;
mod common;
mod driver;
#[path = "determinism/engine.rs"]
mod engine;
#[path = "determinism/loose.rs"]
mod loose;
#[path = "determinism/run.rs"]
mod run;
#[path = "determinism/samples.rs"]
mod samples;
#[path = "determinism/variation.rs"]
mod variation;

use std::env;
use std::sync::atomic::Ordering;

use common::{run_on_a_gpu, these_tests};
use driver::device;
use driver::optimizer::Optimizer;
use engine::report_of_many;
use variation::{LOOPS, Slicing, Variation};

/// The hash of the run. It never changes: an optimization that changes it changes results.
const HASH: u64 = 0x595b_a4ba_1a9f_a39f;

/// The hashes of the run in `engine.rs`, with norms and without.
const ENGINE_HASHES: [u64; 2] = [0x6111_01da_631f_5640, 0xd42a_64cd_2ae4_f9aa];

/// The hash of the run with 8-bit state.
const CODED_HASH: u64 = 0x1ac5_2e75_bc12_be27;

/// The largest offset of a tensor, in elements: a cache line of the smallest ones.
const OFFSETS: usize = 32;

fn check(variations: impl IntoIterator<Item = Variation>) {
    for variation in variations {
        let engine_hash = ENGINE_HASHES[usize::from(!variation.norms)];
        for (hash, pinned) in [
            (run::hash_of(&variation), HASH),
            (engine::hash_of(&variation), engine_hash),
            (coded::hash_of(&variation), CODED_HASH),
        ] {
            assert_eq!(
                hash, pinned,
                "{hash:#018x} is not the pinned {pinned:#018x} with {variation:?}"
            );
        }
    }
}

/// Runs a test in a process of its own for each instruction set, since the library reads which one it is to use when it
/// is loaded. There the test runs its body.
fn with_each_instruction_set(test: &str, body: impl FnOnce()) {
    if env::var_os("RADAM_ISA").is_some() {
        return body();
    }
    for instruction_set in instruction_sets() {
        let mut child = these_tests();
        let output =
            child.args(["--exact", test]).env("RADAM_ISA", &instruction_set).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("1 passed"), "{instruction_set}: {text}");
    }
}

/// All that the machine has, as the library names them where it refuses another.
fn instruction_sets() -> Vec<String> {
    let mut child = these_tests();
    child.args(["--exact", "--ignored", "--nocapture", "a_refused_instruction_set"]);
    let output = child.env("RADAM_ISA", "none of these").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, names) = text.split_once("must be one of ").unwrap();
    names.split_once(", or").unwrap().0.split(", ").map(str::to_owned).collect()
}

#[test]
#[ignore = "for `instruction_sets`"]
fn a_refused_instruction_set() {
    // SAFETY: nothing else in this process looks at the environment, nor does the library, which has read it before.
    unsafe { env::remove_var("RADAM_ISA") };
    println!("{}", Optimizer::create(None).err().unwrap().message);
}

#[test]
fn there_are_instruction_sets_to_compare() {
    let sets = instruction_sets();
    println!("the instruction sets of this machine: {sets:?}");
    let compiled = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
    assert!(sets.len() > 1 || !compiled, "nothing to compare with");
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    with_each_instruction_set("every_instruction_set_gives_the_same_bits", || {
        check([Variation::PLAIN]);
    });
}

/// On a GPU with RADAM_TEST_DEVICE=cuda, and otherwise on what stands for one.
#[test]
fn a_gpu_gives_the_same_bits() {
    if !device::is_used() {
        return run_on_a_gpu(&["--exact", "a_gpu_gives_the_same_bits"]);
    }
    // There is no step without an optimizer.
    let plain = Variation { optimizers_of_loose: true, ..Variation::PLAIN };
    let offset = |data_offset, grad_offset| Variation { data_offset, grad_offset, ..plain.clone() };
    let pieces = |pieces| Variation { pieces, norms: false, ..plain.clone() };
    check([plain.clone(), offset(31, 8), pieces(64)]);
    check([Variation { reversed: true, for_each: false, ..plain.clone() }]);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    with_each_instruction_set("any_number_of_threads_gives_the_same_bits", || {
        check((1..=8).flat_map(|num_threads| {
            [true, false].map(|for_each| Variation { num_threads, for_each, ..Variation::PLAIN })
        }));
    });
}

#[test]
fn every_alignment_gives_the_same_bits() {
    with_each_instruction_set("every_alignment_gives_the_same_bits", || {
        check((0..OFFSETS).map(|offset| Variation {
            data_offset: offset,
            grad_offset: offset * 7 % OFFSETS,
            num_threads: 1 + offset as u32 % 2,
            ..Variation::PLAIN
        }));
    });
}

#[test]
fn tensors_in_pieces_give_the_same_bits() {
    with_each_instruction_set("tensors_in_pieces_give_the_same_bits", || {
        check([1, 2, 3, 7, 64].map(|pieces| Variation {
            num_threads: 1 + pieces as u32 % 3,
            pieces,
            norms: false,
            ..Variation::PLAIN
        }));
    });
}

#[test]
fn any_order_of_tensors_gives_the_same_bits() {
    check([1, 2].map(|num_threads| Variation { num_threads, reversed: true, ..Variation::PLAIN }));
}

#[test]
fn steps_in_slices_give_the_same_bits() {
    with_each_instruction_set("steps_in_slices_give_the_same_bits", || {
        let slicings = [Slicing::Time, Slicing::Both, Slicing::Chunks(1), Slicing::Chunks(3)];
        check(slicings.map(|slicing| Variation {
            for_each: slicing != Slicing::Both,
            slicing,
            ..Variation::PLAIN
        }));
    });
}

#[test]
fn the_threads_of_the_caller_give_the_same_bits() {
    check([true, false].map(|for_each| Variation {
        num_threads: 4,
        for_each,
        executor: true,
        ..Variation::PLAIN
    }));
    assert!(LOOPS.load(Ordering::Relaxed) > 0, "no step was worth them");
}

#[test]
fn whoever_measures_many_gradients_finds_the_same() {
    let alone = report_of_many(&Variation::PLAIN);
    let threads = Variation { num_threads: 4, ..Variation::PLAIN };
    let executor = Variation { executor: true, ..threads.clone() };
    let slices = Variation { slicing: Slicing::Chunks(3), ..Variation::PLAIN };
    for variation in [threads, executor, slices] {
        assert_eq!(report_of_many(&variation), alone, "{variation:?}");
    }
}

#[test]
fn a_tensor_with_an_optimizer_gives_the_same_bits_as_one_without() {
    with_each_instruction_set(
        "a_tensor_with_an_optimizer_gives_the_same_bits_as_one_without",
        || {
            check(
                [true, false].map(|optimizers_of_loose| Variation {
                    optimizers_of_loose,
                    ..Variation::PLAIN
                }),
            );
        },
    );
}
