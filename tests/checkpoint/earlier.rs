//! Files of earlier versions of the library load, and training continues from them.
//!
//! radam 0.1.0 saved the files in `format1/`. Their expected contents are here.

use std::path::Path;

use radam::ffi::*;

use crate::driver::STATES;
use crate::driver::optimizer::Optimizer;
use crate::training::{Spec, group_options};

/// A parameter, its step count, and the bytes of its arrays in the order of `STATES`.
type Expected<'a> = (Spec, u64, [&'a str; 4]);

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

/// Loads the file into an optimizer whose options are others, and goes on beside one that was given what the
/// file has by other functions. `storage` copies the options that say how state is stored, which are not in files.
fn goes_on(
    file: &str,
    groups: &[(radam_group_options, Vec<Expected>)],
    storage: fn(&radam_group_options, &mut radam_group_options),
    finish: fn(&mut Optimizer),
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoint/format1").join(file);
    let (mut loaded, mut expected) = (Optimizer::new(), Optimizer::new());
    for (options, params) in groups {
        let specs: Vec<_> = params.iter().map(|(spec, ..)| spec.clone()).collect();
        let mut others = group_options();
        (others.lr, others.beta1, others.weight_decay, others.seed) = (0.5, 0.5, 0.25, 3);
        storage(options, &mut others);
        loaded.add_group(&others, &specs);
        expected.add_group(options, &specs);
    }
    loaded.step_number(77);
    loaded.copy_data(&expected.all_data());
    loaded.load_from(&[&path]).unwrap();
    let params = groups.iter().flat_map(|(_, params)| params);
    for (param, (spec, steps, arrays)) in params.enumerate() {
        assert_eq!(loaded.step_count(param), *steps, "{}", spec.name);
        expected.set_step_count(param, *steps);
        for ((which, array), hex) in STATES.into_iter().zip(arrays) {
            let found = loaded.state(param, which).0;
            assert_eq!(found, bytes(hex), "{array} of {}", spec.name);
            if !found.is_empty() {
                expected.set_state(param, which, &found);
            }
        }
    }
    finish(&mut expected);
    assert!(loaded.picture() == expected.picture(), "{file}: other options");
    for step in 1..20 {
        if step == 10 {
            loaded.set_accumulation(false);
            expected.set_accumulation(false);
        }
        loaded.step_number(step);
        expected.step_number(step);
    }
    assert!(loaded.picture() == expected.picture(), "{file}: other bits after some steps");
}

#[test]
fn f32_and_f64_of_version_0_1() {
    let mut first = group_options();
    first.decouple_wd = RADAM_ON;
    first.seed = u64::MAX;
    first.eps = 1e-7;
    let mut second = group_options();
    second.lr = 0.1 / 3.0;
    second.beta2 = 0.999;
    second.maximize = RADAM_ON;
    second.rectify = RADAM_OFF;
    second.seed = 0;
    second.weight_decay = 0.0;
    second.max_lr = 1e-300;
    let weight = [
        "87832f3efa169b3d7e0473beba848cbd80ccd1bc",
        "b78e853e78769d3ee6c0b03e3fc5853e0055943e",
        "",
        "",
    ];
    let bias = ["933da9bde89fbabd", "e581803e040b883e", "", ""];
    let scale = [
        "68936dc0c1f1973fc0bd25cb65e1c03f9e5e07b3c10fb5bf",
        "f33c092cc642ca3f45829b0cd5eab23f925345d55f69d83f",
        "",
        "",
    ];
    goes_on(
        "f32_f64.radam",
        &[
            (
                first,
                vec![
                    (Spec::new("weight", RADAM_DTYPE_F32, 5), 8, weight),
                    (Spec::slice("bias", RADAM_DTYPE_F32, 2, 3, 8), 8, bias),
                ],
            ),
            (second, vec![(Spec::new("scale", RADAM_DTYPE_F64, 3), 4, scale)]),
        ],
        |_, _| {},
        |optimizer| {
            optimizer.set_frozen(2, true);
            optimizer.set_accumulation(true);
        },
    );
}

#[test]
fn bf16_and_f16_of_version_0_1() {
    let mut masters = group_options();
    masters.master_remainder = RADAM_ON;
    masters.state_dtype = RADAM_DTYPE_F32;
    let mut plain = group_options();
    plain.kahan_sum = RADAM_OFF;
    plain.rectify = RADAM_ON;
    let weight = ["b43d3a3cdb3ed3bd23bf", "c13e843ec33e5a3ef63e", "ccba493999b958399c3a", ""];
    let master = ["a0d571bde728a83e4d06063e", "21c6f53e2771c53ed6cb9e3e", "", "86fac0f22366"];
    let f16 = ["ccb2111b6fab31ae", "6c3690345934e332", "", ""];
    let name = "ünïcode \"w\" \\";
    goes_on(
        "bf16_f16.radam",
        &[
            (group_options(), vec![(Spec::new(name, RADAM_DTYPE_BF16, 5), 8, weight)]),
            (masters, vec![(Spec::new("master", RADAM_DTYPE_BF16, 3), 8, master)]),
            (
                plain,
                vec![
                    (Spec::new("f16", RADAM_DTYPE_F16, 4), 8, f16),
                    (Spec::new("empty", RADAM_DTYPE_F16, 0), 8, [""; 4]),
                ],
            ),
        ],
        |options, others| {
            others.master_remainder = options.master_remainder;
            others.state_dtype = options.state_dtype;
            others.kahan_sum = options.kahan_sum;
        },
        |_| {},
    );
}
