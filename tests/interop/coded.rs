//! The 8-bit state of the library, and what `examples/interop/state_8bit.py` makes of the same moments.

use crate::common::{repository, scratch_dir, skip, succeed, target_dir, text};
use crate::driver::optimizer::Optimizer;
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::driver::{call, filled};
use crate::python;
use radam::ffi::*;
use safetensors::SafeTensors;
use std::ffi::CString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Lengths of parameters, and the `eps` of their groups. Shorter ones than 4096 elements are not coded.
const PARAMS: [(&str, usize, f64); 5] = [
    ("even", 8192, 1e-6),
    ("odd", 20_001, 1e-8),
    ("no eps", 6000, 0.0),
    ("large eps", 4096, 0.125),
    ("small", 4095, 1e-6),
];

/// A folder with NumPy from what `make deps` has downloaded.
fn numpy() -> Option<PathBuf> {
    let downloads = target_dir().join("python");
    if !downloads.join("installed").exists() {
        skip("8-bit state in NumPy, which make deps downloads");
        return None;
    }
    let folder = scratch_dir("interop-numpy");
    let mut pip = Command::new(downloads.join("venv/bin/pip"));
    pip.args(["--quiet", "install", "--no-index", "--no-compile", "--upgrade", "--target"]);
    pip.arg(&folder).arg("--find-links").arg(downloads.join("wheels"));
    succeed(pip.arg("numpy"));
    Some(folder)
}

/// Moments of blocks of every kind: with zeros, of one size and of many, and with any bits at all.
fn moments(len: usize) -> [Vec<f32>; 2] {
    let mut random = 1u64;
    let mut bits = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 32) as u32
    };
    let pairs = (0..len).map(|i| {
        let (any, more) = (bits(), bits());
        let even = |bits: u32| bits as f32 / 4_294_967_296.0 + 0.25;
        let sign = if more & 1 == 0 { 1.0 } else { -1.0 };
        let root = even(any);
        match i / 128 % 11 {
            0 => (0.0, 0.0),
            1 => (sign * root * even(more), root * root),
            2 => (f32::from_bits(any), f32::from_bits(more)), // NaN and infinities among them
            3 => (f32::from_bits(any), f32::from_bits(more & 0x7fff_ffff)),
            4 if i % 7 != 0 => (sign * root, 0.0),
            5 if i % 5 != 0 => (0.0, -0.0),
            6 => (f32::from_bits(more & 0x807f_ffff), f32::from_bits(any & 0x007f_ffff)),
            7 => (sign * 0.5, 0.25),
            8 => (sign * root, root * root * 2f32.powi((more % 60) as i32 - 30)),
            9 => {
                // Just less than 2 octaves from the least to the largest, which 254 codes of the finest scale do not reach.
                let above = [0, 16_600_000, any % 16_600_000][(i % 128).min(2)];
                let root = f32::from_bits(0.25f32.to_bits() + above);
                (sign * root, root * root)
            }
            _ => (sign * root * 1e-30, root * 1e-34),
        }
    });
    let (exp_avg, exp_avg_sq) = pairs.unzip();
    [exp_avg, exp_avg_sq]
}

#[test]
fn numpy_codes_and_decodes_as_the_library_does() {
    let Some(numpy) = numpy() else { return };
    let mut optimizer = Optimizer::new();
    let mut options = filled(radam_group_options_init);
    options.lr = 0.1;
    for (name, len, eps) in PARAMS {
        let name = Some(CString::new(name).unwrap());
        options.eps = eps;
        let params = [Param { name, ..Param::new(Tensor::new(RADAM_DTYPE_F32, len)) }];
        let [param] = optimizer.add_group(&options, params).collect::<Vec<_>>()[..] else {
            unreachable!()
        };
        for (which, values) in
            [RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ].into_iter().zip(moments(len))
        {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            optimizer.set_state(param, which, &bytes);
        }
    }
    let folder = scratch_dir("interop-coded");
    let mut check = python("tests/interop/check_state_8bit.py").unwrap();
    check.env("PYTHONPATH", &numpy);
    for (file, dtype) in
        [("f32", RADAM_DTYPE_F32), ("q8", RADAM_DTYPE_Q8), ("decoded", RADAM_DTYPE_F32)]
    {
        for group in 0..optimizer.groups {
            optimizer.change_group(group, |options| options.state_dtype = dtype);
        }
        optimizer.save_to(&folder.join(file));
        check.arg(folder.join(file));
    }
    let found = text(&succeed(check.arg(repository().join("docs/q8.md"))));
    assert_eq!(found, "4 parameters of 8 bits, and 1 of f32: the same bits\n");
}

/// The tool verifies and shows 8-bit state, here of a slice, and finds what is wrong with it.
#[test]
fn the_python_tool_knows_coded_state() {
    let Some(mut show) = python("examples/interop/radam_checkpoint.py") else { return };
    let mut options = filled(radam_group_options_init);
    (options.lr, options.state_dtype) = (0.1, RADAM_DTYPE_Q8);
    let name = Some(CString::new("w").unwrap());
    let slice = Param {
        name,
        grad: Some(Tensor::of(RADAM_DTYPE_F32, &[0.5; 130])),
        tensor_offset: 128,
        tensor_len: 5000,
        ..Param::new(Tensor::new(RADAM_DTYPE_F32, 130))
    };
    let mut optimizer = Optimizer::of(&options, [slice]);
    optimizer.step();
    let path = scratch_dir("interop-coded").join("slice.radam");
    optimizer.save_to(&path);
    let shown = text(&succeed(show.arg("show").arg(&path)));
    let line = "w: group 0, 130 elements, step 1, exp_avg I8, exp_avg_sq U8, state_scale U32";
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
    let found = text(&succeed(python("tests/interop/find_damage.py").unwrap().arg(&path)));
    assert!(found.contains("damage found\n") && found.contains("wrong values: none"), "{found}");
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).into()).collect()
}

/// The training run of `interop/generate.py` that an 8-bit optimizer has begun, in groups of this `state_dtype`.
fn resumed(weights: &[f64], state_dtype: radam_dtype, checkpoint: &[u8]) -> Optimizer {
    let mut optimizer = Optimizer::new();
    let mut options = filled(radam_group_options_init);
    (options.lr, options.state_dtype) = (123.0, state_dtype); // the former comes with the checkpoint
    let (weight, bias) = weights.split_at(4096);
    for (name, values) in [("layer.weight", weight), ("layer.bias", bias)] {
        let param = Param {
            grad: Some(Tensor::new(RADAM_DTYPE_F32, values.len())),
            name: Some(CString::new(name).unwrap()),
            ..Param::new(Tensor::of(RADAM_DTYPE_F32, values))
        };
        optimizer.add_group(&options, [param]);
    }
    optimizer.load(checkpoint).unwrap();
    optimizer
}

/// How far the weights are from others after some steps, by the root mean square of the way there.
fn apart(mut optimizer: Optimizer, before: &[f64], after: &[f64]) -> f64 {
    for _ in 0..10 {
        for Param { data, grad, .. } in &optimizer.params {
            let gradient = |i: usize| {
                let (pull, target) = ((i % 5 + 1) as f64 / 4.0, ((i * 7 % 11) as f64 - 5.0) / 4.0);
                pull * (data.get(i) - target)
            };
            grad.as_ref().unwrap().fill((0..data.len).map(gradient));
        }
        optimizer.step();
    }
    let found = optimizer.params.iter().flat_map(|param| param.data.values());
    let square = |(one, other): (f64, &f64)| (one - other).powi(2);
    let way: f64 = before.iter().copied().zip(after).map(square).sum();
    (found.zip(after).map(square).sum::<f64>() / way).sqrt()
}

/// `torch_radam.py` has decoded what the packages saved. Its codes are those that the library makes of the same, and
/// training goes on from them, not much farther from the packages than these are from f32 state.
#[test]
fn trainings_of_bitsandbytes_and_torchao_go_on() {
    for package in ["bitsandbytes", "torchao"] {
        let read = |what: &str| {
            fs::read(repository().join(format!("tests/interop/{package}_{what}.safetensors")))
        };
        let (f32_file, q8_file) = (read("f32").unwrap(), read("q8").unwrap());
        let weights = read("weights").unwrap();
        let weights = SafeTensors::deserialize(&weights).unwrap();
        let [before, after] =
            ["before", "after"].map(|when| floats(weights.tensor(when).unwrap().data()));
        let mut converted = resumed(&before, RADAM_DTYPE_F32, &f32_file);
        assert_eq!([converted.step_count(0), converted.step_count(1)], [10, 7], "{package}");
        for group in 0..2 {
            converted.change_group(group, |options| options.state_dtype = RADAM_DTYPE_Q8);
        }
        let coded = resumed(&before, RADAM_DTYPE_Q8, &q8_file);
        for which in [RADAM_STATE_EXP_AVG, RADAM_STATE_EXP_AVG_SQ, RADAM_STATE_SCALE] {
            assert!(coded.state(0, which).0.len() >= 128, "{package}");
            for param in 0..2 {
                let states = [&coded, &converted].map(|optimizer| optimizer.state(param, which));
                assert!(states[0] == states[1], "{package}: array {which} of parameter {param}");
            }
        }
        let f32_state = resumed(&before, RADAM_DTYPE_F32, &f32_file);
        let anew = resumed(&before, RADAM_DTYPE_F32, &f32_file);
        call!(radam_reset_state(anew.handle, u32::MAX));
        let errors = [f32_state, coded, anew].map(|optimizer| apart(optimizer, &before, &after));
        println!("{package}: {errors:.4?} apart with f32 state, 8-bit state, and none");
        assert!(errors[0] < 0.05 && errors[1] < 0.05 && errors[2] > 0.065, "{package}: {errors:?}");
    }
}

/// With parameters of bf16, and a compensation of the same dtype; that of the small one is f32, as its moments are.
#[test]
fn the_library_loads_codes_of_bf16_parameters() {
    let mut optimizer = Optimizer::new();
    let mut options = filled(radam_group_options_init);
    (options.lr, options.state_dtype) = (123.0, RADAM_DTYPE_Q8);
    for (name, len) in [("layer.weight", 4096), ("layer.bias", 4)] {
        let name = Some(CString::new(name).unwrap());
        optimizer.add_group(
            &options,
            [Param { name, ..Param::new(Tensor::new(RADAM_DTYPE_BF16, len)) }],
        );
    }
    let given = fs::read(repository().join("tests/interop/coded_bf16.safetensors")).unwrap();
    optimizer.load(&given).unwrap();
    assert_eq!([optimizer.step_count(0), optimizer.step_count(1)], [10, 7]);
    let saved = optimizer.save();
    let [given, saved] = [&given, &saved].map(|file| SafeTensors::deserialize(file).unwrap());
    assert_eq!([given.len(), saved.len()], [7; 2]);
    for (array, tensor) in given.tensors() {
        let other = saved.tensor(&array).unwrap();
        assert_eq!(tensor.dtype(), other.dtype(), "{array}");
        assert!(tensor.data() == other.data(), "{array}");
    }
}
