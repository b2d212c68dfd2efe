//! Files of other programs with biased moments, as torch has them.

use std::fs;

use radam::ffi::*;

use crate::driver::filled;
use crate::driver::optimizer::Optimizer;
use crate::file::{File, crc32};
use crate::folder;
use crate::training::{Spec, group_options};

const BETA1: f64 = 0.75;
const BETA2: f64 = 0.875;
const LEN: usize = 3;

fn bytes_of<const N: usize, T: Copy>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

/// The least that a file needs: everything that may be left out is.
fn file(moments: &str, dtype: &str, step: u64, exp_avg: &[u8], exp_avg_sq: &[u8]) -> Vec<u8> {
    let manifest = format!(
        "{{\"format\":1,\"moments\":\"{moments}\",\"groups\":[{{\"lr\":0.5,\"beta1\":{BETA1},\
         \"beta2\":{BETA2},\"weight_decay\":0,\"eps\":1e-8,\"max_lr\":0.5}}],\
         \"params\":[{{\"name\":\"w\",\"group\":0,\"len\":{LEN},\"step\":{step},\"checksums\":\
         {{\"exp_avg\":\"{:08x}\",\"exp_avg_sq\":\"{:08x}\"}}}}]}}",
        crc32(exp_avg),
        crc32(exp_avg_sq),
    );
    let (rows, flat) = ([1, LEN as u64, 1], [LEN as u64]);
    let tensors =
        [("w.exp_avg", dtype, &rows[..], exp_avg), ("w.exp_avg_sq", dtype, &flat[..], exp_avg_sq)];
    File::new(&manifest, &tensors).bytes()
}

fn optimizer(dtype: radam_dtype) -> Optimizer {
    let mut options = group_options();
    options.kahan_sum = RADAM_OFF;
    let mut optimizer = Optimizer::of(&options, &[Spec::new("w", dtype, LEN)]);
    optimizer.steps(1..3);
    optimizer
}

const EXP_AVG: [f64; LEN] = [0.1875, -0.5, 3e-5];
const EXP_AVG_SQ: [f64; LEN] = [0.25, 0.75, 1e-9];

#[test]
fn biased_moments_are_divided() {
    let mut optimizer = optimizer(RADAM_DTYPE_F64);
    let [exp_avg, exp_avg_sq] =
        [EXP_AVG, EXP_AVG_SQ].map(|values| bytes_of(&values, f64::to_le_bytes));
    for step in [1, 2, 7, 100, 1_000_000] {
        optimizer.load(&file("biased", "F64", step, &exp_avg, &exp_avg_sq)).unwrap();
        assert_eq!(optimizer.step_count(0), step);
        for (which, values, beta) in
            [(RADAM_STATE_EXP_AVG, EXP_AVG, BETA1), (RADAM_STATE_EXP_AVG_SQ, EXP_AVG_SQ, BETA2)]
        {
            let found = optimizer.state(0, which).0;
            for (found, value) in found.chunks(8).zip(values) {
                let found = f64::from_le_bytes(found.try_into().unwrap());
                let expected = value / (1.0 - beta.powi(step as i32));
                assert!((found / expected - 1.0).abs() < 1e-15, "{found} for {expected}, {step}");
            }
        }
        assert_eq!(optimizer.group_options(0).lr, 0.5);
    }
}

/// Each is divided in f64 and rounded once.
#[test]
fn biased_moments_of_f32_and_bf16_are_rounded_once() {
    use half::bf16;
    let step = 3;
    let divided = |value: f64, beta: f64| value / (1.0 - beta.powi(step as i32));
    let mut optimizer32 = optimizer(RADAM_DTYPE_F32);
    let floats = [EXP_AVG, EXP_AVG_SQ].map(|values| values.map(|value| value as f32));
    let [exp_avg, exp_avg_sq] = floats.map(|values| bytes_of(&values, f32::to_le_bytes));
    optimizer32.load(&file("biased", "F32", step, &exp_avg, &exp_avg_sq)).unwrap();
    let expected = floats[0].map(|value| divided(value.into(), BETA1) as f32);
    assert_eq!(optimizer32.state(0, RADAM_STATE_EXP_AVG).0, bytes_of(&expected, f32::to_le_bytes));
    let expected = floats[1].map(|value| divided(value.into(), BETA2) as f32);
    assert_eq!(
        optimizer32.state(0, RADAM_STATE_EXP_AVG_SQ).0,
        bytes_of(&expected, f32::to_le_bytes)
    );

    let mut optimizer16 = optimizer(RADAM_DTYPE_BF16);
    let floats = [EXP_AVG, EXP_AVG_SQ].map(|values| values.map(bf16::from_f64));
    let [exp_avg, exp_avg_sq] = floats.map(|values| bytes_of(&values, bf16::to_le_bytes));
    optimizer16.load(&file("biased", "BF16", step, &exp_avg, &exp_avg_sq)).unwrap();
    let expected = floats[0].map(|value| bf16::from_f64(divided(value.into(), BETA1)));
    assert_eq!(optimizer16.state(0, RADAM_STATE_EXP_AVG).0, bytes_of(&expected, bf16::to_le_bytes));
}

#[test]
fn debiased_moments_and_those_before_the_first_step_stay() {
    let mut optimizer = optimizer(RADAM_DTYPE_F64);
    let [exp_avg, exp_avg_sq] =
        [EXP_AVG, EXP_AVG_SQ].map(|values| bytes_of(&values, f64::to_le_bytes));
    for (moments, step) in [("debiased", 7), ("biased", 0)] {
        optimizer.load(&file(moments, "F64", step, &exp_avg, &exp_avg_sq)).unwrap();
        assert_eq!(optimizer.state(0, RADAM_STATE_EXP_AVG).0, exp_avg);
        assert_eq!(optimizer.state(0, RADAM_STATE_EXP_AVG_SQ).0, exp_avg_sq);
    }
    optimizer.refuses(
        &file("halved", "F64", 7, &exp_avg, &exp_avg_sq),
        RADAM_ERROR_CORRUPT,
        &["`halved`", "`debiased`"],
    );
}

/// Loads a file of f64 moments as f32 state, without its options.
fn convert(file: &[u8]) -> radam_status {
    let optimizer = optimizer(RADAM_DTYPE_F32);
    let mut options: radam_load_options = filled(radam_load_options_init);
    (options.hyperparameters, options.convert_state) = (RADAM_OFF, RADAM_ON);
    let (bytes, len) = (file.as_ptr().cast(), file.len() as u64);
    // SAFETY: the buffer has so many bytes.
    unsafe { radam_load_from_buffer(optimizer.handle, bytes, len, &options) }
}

/// Nothing is divided by what 1 − β^t is for other betas, also where the options of the file are of no interest.
#[test]
fn biased_moments_need_betas_that_can_be() {
    let [exp_avg, exp_avg_sq] =
        [EXP_AVG, EXP_AVG_SQ].map(|values| bytes_of(&values, f64::to_le_bytes));
    let folder = folder("biased");
    for (name, sound) in [("beta1", BETA1), ("beta2", BETA2)] {
        for beta in ["1.0", "1.5", "-1.0", "-0.25", "1e300"] {
            let file = |moments: &str| {
                File::of(&file(moments, "F64", 7, &exp_avg, &exp_avg_sq))
                    .replaced(&format!("\\\"{name}\\\":{sound}"), &format!("\\\"{name}\\\":{beta}"))
                    .bytes()
            };
            let path = folder.join(format!("{name}={beta}"));
            let mut optimizer = optimizer(RADAM_DTYPE_F64);
            let before = optimizer.picture();
            for hyperparameters in [RADAM_ON, RADAM_OFF] {
                fs::write(&path, file("biased")).unwrap();
                let loaded = optimizer.load_with(&[&path], RADAM_AUTO, hyperparameters);
                let refusal = loaded.expect_err(beta);
                assert_eq!(refusal.status, RADAM_ERROR_MISMATCH, "{}", refusal.message);
                for word in [name, "\"w\"", &format!("{:?}", beta.parse::<f64>().unwrap())] {
                    assert!(refusal.message.contains(word), "no {word} in {}", refusal.message);
                }
                assert!(optimizer.picture() == before, "{name} of {beta} changed something");
            }
            // Nor if the moments become those of another dtype.
            assert_eq!(convert(&file("biased")), RADAM_ERROR_MISMATCH, "{name} of {beta}");
            assert_eq!(convert(&file("debiased")), RADAM_OK);
            // Where nothing is divided, the betas of the file are not used.
            fs::write(&path, file("debiased")).unwrap();
            optimizer.load_with(&[&path], RADAM_AUTO, RADAM_OFF).unwrap();
        }
    }
}
