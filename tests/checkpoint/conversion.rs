//! Loading state of another dtype (`radam_load_options.convert_state`).

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use radam::ffi::*;

use crate::driver::optimizer::Optimizer;
use crate::driver::{Refusal, STATES, filled};
use crate::file::{File, crc32};
use crate::folder;
use crate::training::{Spec, group_options};

const BLOCK: usize = 128;
const LEN: usize = 4096 + 200;
/// The slices of a tensor of LEN elements, cut at blocks.
const SLICES: [Range<usize>; 3] = [0..2048, 2048..2048 + BLOCK, 2048 + BLOCK..LEN];

fn options(state_dtype: radam_dtype) -> radam_group_options {
    radam_group_options { state_dtype, ..group_options() }
}

/// With gradients that have passed.
fn trained(options: &radam_group_options, spec: &Spec) -> Optimizer {
    let mut optimizer = Optimizer::of(options, [spec]);
    optimizer.steps(1..4);
    optimizer
}

fn save(optimizers: &[&Optimizer], folder: &Path) -> Vec<PathBuf> {
    let paths: Vec<_> = (0..optimizers.len()).map(|i| folder.join(i.to_string())).collect();
    optimizers.iter().zip(&paths).for_each(|(optimizer, path)| optimizer.save_to(path));
    paths
}

fn convert_with(
    to: &mut Optimizer,
    files: &[PathBuf],
    change: impl FnOnce(&mut radam_load_options),
) -> Result<(), Refusal> {
    let mut options: radam_load_options = filled(radam_load_options_init);
    options.convert_state = RADAM_ON;
    change(&mut options);
    to.load_shards(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>(), &options)
}

fn convert(to: &mut Optimizer, files: &[PathBuf]) {
    convert_with(to, files, |_| {}).unwrap();
}

fn states(optimizer: &Optimizer) -> Vec<(Vec<u8>, radam_dtype)> {
    STATES.iter().map(|(which, _)| optimizer.state(0, *which)).collect()
}

/// The files that an optimizer with such options would have, with `from` as the dtype of its state, become what they
/// become when they are loaded by one like that, whose state_dtype then changes.
fn check(folder: &Path, files: &[PathBuf], spec: &Spec, from: radam_dtype, to: radam_dtype) {
    let mut expected = Optimizer::of(&options(from), [spec]);
    expected.load_from(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>()).unwrap();
    expected.change_group(0, |options| options.state_dtype = to);
    let mut found = Optimizer::of(&options(to), [spec]);
    convert(&mut found, files);
    let what = format!("{} of {from} as {to} in {}", spec.dtype, folder.display());
    assert!(states(&found) == states(&expected), "{what}");
    assert_eq!(found.step_count(0), 3);
}

#[test]
fn state_becomes_what_it_becomes_in_memory() {
    let folder = folder("conversion");
    let [whole, small] = [LEN, 5].map(|len| move |dtype| Spec::new("a", dtype, len));
    for dtype in [RADAM_DTYPE_F32, RADAM_DTYPE_BF16, RADAM_DTYPE_F16] {
        for from in [0, RADAM_DTYPE_F32, RADAM_DTYPE_Q8] {
            for to in [0, RADAM_DTYPE_F32, RADAM_DTYPE_Q8] {
                for spec in [whole(dtype), small(dtype)] {
                    let files = save(&[&trained(&options(from), &spec)], &folder);
                    check(&folder, &files, &spec, from, to);
                }
                // A whole that becomes slices, and slices that become a whole.
                let slice = |Range { start, end }: Range<usize>| {
                    Spec::slice("a", dtype, end - start, start as u64, LEN as u64)
                };
                let files = save(&[&trained(&options(from), &whole(dtype))], &folder);
                for range in SLICES {
                    check(&folder, &files, &slice(range), from, to);
                }
                let shards = SLICES.map(|range| trained(&options(from), &slice(range)));
                let files = save(&shards.each_ref(), &folder);
                check(&folder, &files, &whole(dtype), from, to);
            }
        }
    }
}

/// Codes stay codes, although what is beside them changes.
#[test]
fn codes_are_not_coded_again() {
    let folder = folder("codes");
    let codes = |optimizer: &Optimizer| {
        [RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ, RADAM_STATE_SCALE]
            .map(|which| optimizer.state(0, which).0)
    };
    let [wide, narrow] =
        [RADAM_DTYPE_F32, RADAM_DTYPE_BF16].map(|dtype| Spec::new("a", dtype, LEN));
    for kahan_sum in [RADAM_OFF, RADAM_ON] {
        let options = radam_group_options { kahan_sum, ..options(RADAM_DTYPE_Q8) };
        for (there, here) in [(&narrow, &narrow), (&wide, &narrow), (&narrow, &wide)] {
            let there = trained(&options, there);
            let mut here = Optimizer::of(&options, [here]);
            convert(&mut here, &save(&[&there], &folder));
            assert!(codes(&here) == codes(&there));
        }
    }
}

/// State of 16 bits is not rounded from f64 to f32 first. The numbers are next to the middle of two that bf16 has.
#[test]
fn numbers_are_rounded_once() {
    const EXP_AVG: ([f64; 2], [u16; 2]) = ([1.0 + 1.0 / 256.0 + 1e-10, -0.75], [0x3f81, 0xbf40]);
    const EXP_AVG_SQ: ([f64; 2], [u16; 2]) = ([3.0, 1.0 - 1.0 / 512.0 - 1e-11], [0x4040, 0x3f7f]);
    let folder = folder("rounded_once");
    let spec = |dtype| Spec::new("a", dtype, 2);
    let options = radam_group_options { kahan_sum: RADAM_OFF, ..group_options() };
    let arrays = [(RADAM_STATE_EXP_AVG, EXP_AVG), (RADAM_STATE_EXP_AVG_SQ, EXP_AVG_SQ)];
    let mut there = trained(&options, &spec(RADAM_DTYPE_F64));
    for (which, (numbers, _)) in arrays {
        there.set_state(0, which, &numbers.map(f64::to_le_bytes).concat());
    }
    let mut here = Optimizer::of(&options, [&spec(RADAM_DTYPE_BF16)]);
    convert(&mut here, &save(&[&there], &folder));
    for (which, (_, bits)) in arrays {
        assert_eq!(here.state(0, which).0, bits.map(u16::to_le_bytes).concat());
    }
}

/// A file after a change of its text.
fn changed(file: &Path, from: &str, to: &str) -> PathBuf {
    let bytes = File::of(&fs::read(file).unwrap()).replaced(from, to).bytes();
    let path = file.with_extension("changed");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn what_cannot_be_converted_is_told() {
    let folder = folder("not_converted");
    let (f32, q8) = (options(RADAM_DTYPE_F32), options(RADAM_DTYPE_Q8));
    let plain = radam_group_options { kahan_sum: RADAM_OFF, ..q8 };
    let narrow = Spec::new("a", RADAM_DTYPE_BF16, LEN);
    let refuses = |options: &radam_group_options, spec: &Spec, file: &Path, words: &[&str]| {
        let mut here = trained(options, spec);
        let before = here.picture();
        for hyperparameters in [RADAM_ON, RADAM_OFF] {
            let outcome = convert_with(&mut here, &[file.to_owned()], |options| {
                (options.strict, options.hyperparameters) = (RADAM_OFF, hyperparameters);
            });
            here.check_refusal(outcome, &before, RADAM_ERROR_MISMATCH, words);
        }
    };
    let compensated = save(&[&trained(&f32, &narrow)], &folder).remove(0);
    let words = ["kahan_comp in the file and no compensation in the optimizer"];
    refuses(&plain, &narrow, &compensated, &words);
    let same_dtype = radam_group_options { state_dtype: RADAM_DTYPE_F32, ..plain };
    refuses(&same_dtype, &narrow, &compensated, &["\"a\" has kahan_comp in the file only"]);
    refuses(
        &q8,
        &narrow,
        &changed(&compensated, "\\\"eps\\\":1e-6", "\\\"eps\\\":-1"),
        &["eps", "-1"],
    );

    let coded = save(&[&trained(&q8, &narrow)], &folder).remove(0);
    let biased = changed(&coded, "\\\"debiased\\\"", "\\\"biased\\\"");
    refuses(&q8, &narrow, &biased, &["\"a\" are biased, which 8-bit state cannot be"]);
    refuses(&f32, &narrow, &biased, &["\"a\" are biased, which 8-bit state cannot be"]);

    // An array that is not listed, though it is there.
    let json = File::of(&fs::read(&coded).unwrap()).json;
    let start = json.find("\\\"exp_avg_sq\\\":").unwrap();
    let entry = &json[start..start + json[start..].find(',').unwrap() + 1];
    let path = changed(&coded, entry, "");
    let words = ["\"a\" has exp_avg_sq in the optimizer only"];
    refuses(&f32, &narrow, &path, &words);
    refuses(&q8, &narrow, &path, &words);

    // An array that has no place, beside those that have one.
    let listed = format!("{{\\\"master_remainder\\\":\\\"{:08x}\\\",", crc32(&[]));
    let path = changed(&coded, "\\\"checksums\\\":{", &format!("\\\"checksums\\\":{listed}"));
    let end = File::of(&fs::read(&coded).unwrap()).data.len();
    let tensor = format!("{{\"dtype\":\"I16\",\"shape\":[0],\"data_offsets\":[{end},{end}]}}");
    let first = "{\"__metadata__\"";
    let path = changed(&path, first, &format!("{{\"a.master_remainder\":{tensor},{}", &first[1..]));
    refuses(&f32, &narrow, &path, &["\"a\" has master_remainder in the file only"]);
}

/// Blocks are coded and decoded whole, or not at all.
#[test]
fn no_block_is_cut() {
    let folder = folder("cut_blocks");
    let slice = |Range { start, end }: Range<usize>| {
        Spec::slice("a", RADAM_DTYPE_F32, end - start, start as u64, LEN as u64)
    };
    let (f32, q8) = (options(RADAM_DTYPE_F32), options(RADAM_DTYPE_Q8));
    let attempt = |from: &radam_group_options,
                   pieces: &[(usize, usize)],
                   to: &radam_group_options,
                   here: Range<usize>| {
        let pieces = pieces.iter().map(|(start, end)| trained(from, &slice(*start..*end)));
        let pieces: Vec<_> = pieces.collect();
        let files = save(&pieces.iter().collect::<Vec<_>>(), &folder);
        let outcome = convert_with(&mut Optimizer::of(to, [&slice(here)]), &files, |_| {});
        outcome.map_err(|refusal| {
            assert_eq!(refusal.status, RADAM_ERROR_MISMATCH);
            assert!(refusal.message.contains("cuts a block"), "{}", refusal.message);
        })
    };
    let at = 1280;
    for cut in [at - 1, at + 1, at + BLOCK / 2] {
        assert!(attempt(&f32, &[(0, cut), (cut, LEN)], &q8, 0..LEN).is_err(), "coded from {cut}");
        let overlapping = [(0, cut), (at - BLOCK, LEN)];
        assert!(attempt(&f32, &overlapping, &q8, 0..LEN).is_err(), "coded up to {cut}");
        assert!(attempt(&q8, &[(0, LEN)], &f32, cut..LEN).is_err(), "decoded from {cut}");
        // Where codes end does not matter, or where a slice or the tensor does.
        attempt(&q8, &[(0, LEN)], &f32, 0..cut).unwrap();
        attempt(&f32, &[(0, LEN)], &q8, 0..cut).unwrap();
        attempt(&f32, &[(0, cut)], &q8, 0..cut).unwrap();
    }
    attempt(&f32, &[(0, at), (at, LEN)], &q8, 0..LEN).unwrap();
    attempt(&q8, &[(0, LEN)], &f32, at..LEN).unwrap();
    attempt(&f32, &[(0, at), (at, LEN)], &q8, at..LEN).unwrap();
}
