//! The 8-bit state of the library, and what `examples/interop/state_8bit.py` makes of the same moments.

use crate::common::{repository, scratch_dir, skip, succeed, target_dir, text};
use crate::driver::optimizer::Optimizer;
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::driver::filled;
use crate::python;
use radam::ffi::*;
use std::ffi::CString;
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
