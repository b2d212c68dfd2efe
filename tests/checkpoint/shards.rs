//! Slices of tensors, saved by several optimizers and loaded into other slices or whole tensors.

use std::ops::Range;
use std::path::{Path, PathBuf};

use radam::ffi::*;

use crate::driver::STATES;
use crate::driver::optimizer::Optimizer;
use crate::driver::tensor::size_of_dtype;
use crate::file::{File, Random};
use crate::folder;
use crate::training::{Spec, group_options};

/// Tensors and their lengths; some are shorter than there are shards.
const TENSORS: [(&str, radam_dtype, usize); 4] = [
    ("weight", RADAM_DTYPE_F32, 101),
    ("scale", RADAM_DTYPE_BF16, 3),
    ("bias", RADAM_DTYPE_F64, 17),
    ("nothing", RADAM_DTYPE_F16, 0),
];
const MOST: usize = 5;

/// Where a tensor is cut into so many pieces, at places that look random.
fn cuts(len: usize, pieces: usize, random: &mut Random) -> Vec<Range<usize>> {
    let mut places: Vec<_> = (1..pieces).map(|_| random.below(len + 1)).collect();
    places.extend([0, len]);
    places.sort_unstable();
    places.windows(2).map(|ends| ends[0]..ends[1]).collect()
}

/// Optimizers that each have one piece of each tensor.
fn shards(count: usize, random: &mut Random) -> Vec<Optimizer> {
    let cut: Vec<_> = TENSORS.iter().map(|(_, _, len)| cuts(*len, count, random)).collect();
    let optimizer = |shard: usize| {
        let specs = TENSORS.iter().zip(&cut).map(|((name, dtype, len), cuts)| {
            let Range { start, end } = cuts[shard];
            Spec::slice(name, *dtype, end - start, start as u64, *len as u64)
        });
        Optimizer::of(&group_options(), &specs.collect::<Vec<_>>())
    };
    (0..count).map(optimizer).collect()
}

fn whole() -> Optimizer {
    let specs = TENSORS.map(|(name, dtype, len)| Spec::new(name, dtype, len));
    Optimizer::of(&group_options(), &specs)
}

fn save(optimizers: &[Optimizer], folder: &Path, what: &str) -> Vec<PathBuf> {
    let path = |shard: usize| folder.join(format!("{what}-{shard}"));
    optimizers
        .iter()
        .enumerate()
        .map(|(shard, optimizer)| {
            optimizer.save_to(&path(shard));
            path(shard)
        })
        .collect()
}

fn paths(files: &[PathBuf]) -> Vec<&Path> {
    files.iter().map(PathBuf::as_path).collect()
}

/// The state and the data of all shards, put together, are those of the whole.
fn check_together(optimizers: &[Optimizer], whole: &Optimizer, what: &str) {
    for (param, (name, _, _)) in TENSORS.iter().enumerate() {
        let data: Vec<_> =
            optimizers.iter().flat_map(|shard| shard.params[param].data.bytes()).collect();
        assert!(data == whole.params[param].data.bytes(), "{what}: {name} has other data");
        for (which, array) in STATES {
            let of = |shard: &Optimizer| shard.state(param, which).0;
            let together: Vec<_> = optimizers.iter().flat_map(of).collect();
            assert!(together == of(whole), "{what}: {array} of {name} has other bits");
        }
        for shard in optimizers {
            assert_eq!(shard.step_count(param), whole.step_count(param), "{what}: steps of {name}");
        }
    }
}

/// Gives new shards the data of the whole, as the caller would.
fn copy_data(optimizers: &mut [Optimizer], whole: &Optimizer) {
    let mut starts = TENSORS.map(|_| 0);
    for shard in optimizers {
        for ((shard, whole), start) in shard.params.iter().zip(&whole.params).zip(&mut starts) {
            let part = whole.data.part(*start..*start + shard.data.len);
            shard.data.repeat(&part.bytes(), 0);
            *start += shard.data.len;
        }
    }
}

#[test]
fn any_cuts_load_into_any_others() {
    let folder = folder("any_cuts");
    let mut random = Random(3);
    let (mut middle, mut end) = (whole(), whole());
    middle.steps(1..10);
    end.steps(1..20);
    for round in 0..4 {
        for from in 1..=MOST {
            let mut savers = shards(from, &mut random);
            savers.iter_mut().for_each(|shard| shard.steps(1..10));
            check_together(&savers, &middle, "before saving");
            let mut files = save(&savers, &folder, &format!("{round}-{from}"));
            for to in 1..=MOST {
                files.rotate_left(1); // their order does not matter
                let mut loaders = shards(to, &mut random);
                loaders.iter_mut().for_each(|shard| shard.steps(20..20 + to as u64));
                copy_data(&mut loaders, &middle);
                for shard in &mut loaders {
                    shard.load_from(&paths(&files)).unwrap();
                }
                check_together(&loaders, &middle, &format!("{from} into {to}"));
                loaders.iter_mut().for_each(|shard| shard.steps(10..20));
                check_together(&loaders, &end, &format!("{from} into {to}, stepped on"));
            }
            let mut one = whole();
            one.copy_data(&middle.all_data());
            one.load_from(&paths(&files)).unwrap();
            one.steps(10..20);
            assert!(one.picture() == end.picture(), "{from} into a whole");
        }
    }
    // And a whole into shards.
    let files = save(std::slice::from_ref(&middle), &folder, "whole");
    let mut loaders = shards(3, &mut random);
    copy_data(&mut loaders, &middle);
    loaders.iter_mut().for_each(|shard| shard.load_from(&paths(&files)).unwrap());
    check_together(&loaders, &middle, "a whole into 3");
}

/// Slices of one tensor "w" of 10 elements.
fn slice(range: Range<usize>) -> Optimizer {
    let len = range.len();
    let spec = Spec::slice("w", RADAM_DTYPE_F32, len, range.start as u64, 10);
    Optimizer::of(&group_options(), &[spec])
}

fn trained(range: Range<usize>) -> Optimizer {
    let mut optimizer = slice(range);
    optimizer.steps(1..4);
    optimizer
}

fn refused(folder: &Path, savers: &[Optimizer], here: &mut Optimizer, words: &[&str]) {
    let files = save(savers, folder, "refused");
    here.step_number(9);
    let before = here.picture();
    let outcome = here.load_from(&paths(&files));
    here.check_refusal(outcome, &before, RADAM_ERROR_MISMATCH, words);
}

#[test]
fn gaps_are_told() {
    let folder = folder("gaps");
    let mut here = slice(0..10);
    refused(&folder, &[trained(0..4), trained(6..10)], &mut here, &["elements 4 to 5 of \"w\""]);
    refused(&folder, &[trained(1..10)], &mut here, &["elements 0 to 0 of \"w\""]);
    refused(&folder, &[trained(0..9)], &mut here, &["elements 9 to 9 of \"w\""]);
    refused(&folder, &[trained(0..5)], &mut slice(5..10), &["elements 5 to 9 of \"w\""]);
    // What a shard does not have need not be there.
    let files = save(&[trained(0..4), trained(6..10)], &folder, "enough");
    slice(7..9).load_from(&paths(&files)).unwrap();
    slice(1..4).load_from(&[&files[0]]).unwrap();
}

#[test]
fn overlapping_slices_are_taken_once() {
    let folder = folder("overlapping");
    let savers = [trained(0..6), trained(0..6), trained(2..4), trained(4..10), trained(5..10)];
    let files = save(&savers, &folder, "overlapping");
    let mut here = slice(0..10);
    here.load_from(&paths(&files)).unwrap();
    let expected = trained(0..10);
    for (which, _) in STATES {
        assert!(here.state(0, which) == expected.state(0, which));
    }
}

#[test]
fn other_steps_and_totals_are_told() {
    let folder = folder("other_steps");
    let mut later = trained(5..10);
    later.step_number(4);
    refused(
        &folder,
        &[trained(0..5), later],
        &mut slice(0..10),
        &["\"w\" has different step counts"],
    );
    let other = |total_len| {
        let spec = Spec::slice("w", RADAM_DTYPE_F32, 5, 5, total_len);
        let mut optimizer = Optimizer::of(&group_options(), &[spec]);
        optimizer.steps(1..4);
        optimizer
    };
    let words = ["\"w\" has 11 elements in the file and 10"];
    refused(&folder, &[trained(0..5), other(11)], &mut slice(0..10), &words);
    refused(&folder, &[other(11)], &mut slice(5..10), &words);
    let mut alone = Optimizer::of(&group_options(), &[Spec::new("w", RADAM_DTYPE_F32, 5)]);
    refused(&folder, &[trained(0..5)], &mut alone, &["\"w\" has 10 elements in the file and 5"]);
    let mut bf16 = Optimizer::of(&group_options(), &[Spec::slice("w", RADAM_DTYPE_BF16, 5, 5, 10)]);
    bf16.steps(1..4);
    refused(
        &folder,
        &[trained(0..5), bf16],
        &mut slice(0..10),
        &["exp_avg of \"w\" is BF16 in the file"],
    );
}

/// A file that is damaged spoils all of them.
#[test]
fn one_damaged_file_is_enough() {
    let folder = folder("one_damaged");
    let files = save(&[trained(0..5), trained(5..10)], &folder, "damaged");
    let mut bytes = std::fs::read(&files[1]).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&files[1], bytes).unwrap();
    let mut here = slice(0..10);
    here.step_number(1);
    let before = here.picture();
    let outcome = here.load_from(&paths(&files));
    here.check_refusal(
        outcome,
        &before,
        RADAM_ERROR_CORRUPT,
        &["damaged-1\": ", "\"w\"", "checksum"],
    );
    std::fs::remove_file(&files[1]).unwrap();
    let outcome = here.load_from(&paths(&files));
    here.check_refusal(outcome, &before, RADAM_ERROR_IO, &[files[1].to_str().unwrap()]);
    slice(0..5).load_from(&[&files[0]]).unwrap();
}

/// The header says which slice of which tensor is where.
#[test]
fn slices_are_in_the_header() {
    let json = File::of(&trained(3..7).save()).json;
    for entry in ["len\\\":4", "offset\\\":3", "total_len\\\":10"] {
        assert!(json.contains(entry), "no {entry} in {json}");
    }
    assert!(json.contains("\"shape\":[4]"), "{json}");
    assert_eq!(
        trained(3..7).state(0, RADAM_STATE_EXP_AVG).0.len(),
        4 * size_of_dtype(RADAM_DTYPE_F32)
    );
}
