//! The safetensors crate reads the files.

use std::collections::BTreeSet;

use radam::ffi::*;
use safetensors::tensor::{Dtype, SafeTensors};

use crate::driver::STATES;
use crate::driver::optimizer::Optimizer;
use crate::driver::tensor::size_of_dtype;
use crate::training::{Spec, group_options};

fn dtype_name(dtype: radam_dtype) -> Dtype {
    match dtype {
        RADAM_DTYPE_F64 => Dtype::F64,
        RADAM_DTYPE_F32 => Dtype::F32,
        RADAM_DTYPE_F16 => Dtype::F16,
        RADAM_DTYPE_BF16 => Dtype::BF16,
        _ => Dtype::I16,
    }
}

#[test]
fn safetensors_reads_what_is_saved() {
    let mut optimizer = Optimizer::new();
    // The sizes of elements mixed, and lengths that are odd, so that data in this order would not be aligned.
    let specs = [
        Spec::new("a.bf16", RADAM_DTYPE_BF16, 3),
        Spec::new("b/f64", RADAM_DTYPE_F64, 1),
        Spec::new("c \"f16\" \\ \n ünïcode 🦀", RADAM_DTYPE_F16, 7),
        Spec::new("d f32", RADAM_DTYPE_F32, 5),
        Spec::new("empty", RADAM_DTYPE_F32, 0),
        Spec::new("__metadata__", RADAM_DTYPE_F32, 1),
        Spec::new("radam.checksum", RADAM_DTYPE_BF16, 1),
    ];
    optimizer.add_group(&group_options(), &specs);
    let mut options = group_options();
    options.master_remainder = RADAM_ON;
    let masters = [Spec::new("master", RADAM_DTYPE_BF16, 9)];
    optimizer.add_group(&options, &masters);
    options.state_dtype = RADAM_DTYPE_F32;
    optimizer.add_group(&options, &[Spec::new("master, f32", RADAM_DTYPE_BF16, 1)]);
    optimizer.steps(1..20);

    let bytes = optimizer.save();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let names = specs.iter().chain(&masters).map(|spec| spec.name.as_str()).chain(["master, f32"]);
    let mut expected = BTreeSet::new();
    for (param, name) in names.enumerate() {
        for (which, end) in STATES {
            let (array, dtype) = optimizer.state(param, which);
            if array.is_empty() {
                continue;
            }
            let name = format!("{name}.{end}");
            let tensor = file.tensor(&name).unwrap();
            let elements = array.len() / size_of_dtype(dtype);
            assert_eq!(tensor.dtype(), dtype_name(dtype), "{name}");
            assert_eq!(tensor.shape(), [elements], "{name}");
            assert!(tensor.data() == array, "{name} has other bytes");
            let place = tensor.data().as_ptr() as usize - bytes.as_ptr() as usize;
            assert_eq!(place % size_of_dtype(dtype), 0, "{name} is at byte {place}");
            expected.insert(name);
        }
    }
    let found: BTreeSet<_> = file.names().into_iter().map(String::from).collect();
    assert_eq!(found, expected);
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().clone().unwrap();
    assert!(metadata["radam"].contains("\"moments\":\"debiased\""), "{metadata:?}");
    assert_eq!(metadata["radam.checksum"].len(), 8);

    let before = optimizer.picture();
    optimizer.steps(20..30);
    optimizer.copy_data(&before.data());
    optimizer.load(&bytes).unwrap();
    assert!(optimizer.picture() == before, "names with anything in them are not found again");
}

/// A name may have a dot and the end of an array's name.
#[test]
fn names_that_contain_one_another_are_apart() {
    let names = ["a", "a.exp_avg", "a.exp_avg.exp_avg", "a.exp_avg_sq"];
    let specs = names.iter().enumerate().map(|(i, name)| Spec::new(name, RADAM_DTYPE_F32, i + 1));
    let mut optimizer = Optimizer::of(&group_options(), &specs.collect::<Vec<_>>());
    optimizer.steps(1..5);
    let (bytes, before) = (optimizer.save(), optimizer.picture());
    assert_eq!(SafeTensors::deserialize(&bytes).unwrap().len(), 8);
    optimizer.steps(5..9);
    optimizer.copy_data(&before.data());
    optimizer.load(&bytes).unwrap();
    assert!(optimizer.picture() == before);
}
