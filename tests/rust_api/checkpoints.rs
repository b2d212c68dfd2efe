//! Saving and loading.

use std::fs;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use radam::{Error, GroupOptions, LoadOptions, Optimizer, ParamId, ParamOptions};

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust_api");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn optimizer(lr: f64, options: &ParamOptions) -> (Optimizer, ParamId) {
    let mut opt = Optimizer::new().unwrap();
    let group = opt.add_group(GroupOptions { weight_decay: 0.1, ..GroupOptions::new(lr) }).unwrap();
    let id = opt.add_param_with(group, options).unwrap();
    (opt, id)
}

fn weight(len: usize) -> ParamOptions<'static> {
    ParamOptions::new::<f32>(len, "weight")
}

fn steps(opt: &mut Optimizer, id: ParamId, data: &mut [f32], numbers: std::ops::Range<u32>) {
    for number in numbers {
        let grad: Vec<f32> =
            data.iter().enumerate().map(|(i, x)| x + (i as f32 + number as f32).sin()).collect();
        opt.step(&mut [(id, &mut *data, &grad)]).unwrap();
    }
}

#[test]
fn a_run_continues_with_the_same_bits() {
    const LEN: usize = 1000;
    let (mut whole, id) = optimizer(0.01, &weight(LEN));
    let mut expected = vec![1.0f32; LEN];
    steps(&mut whole, id, &mut expected, 0..20);

    let (mut first, id) = optimizer(0.01, &weight(LEN));
    let mut data = vec![1.0f32; LEN];
    steps(&mut first, id, &mut data, 0..10);
    let path = file("continues.radam");
    first.save(&path).unwrap();
    let bytes = first.save_to_vec().unwrap();
    assert!(fs::read(&path).unwrap() == bytes);
    for from_file in [true, false] {
        let (mut second, id) = optimizer(0.5, &weight(LEN));
        let mut data = data.clone();
        match from_file {
            true => second.load(&path).unwrap(),
            false => second.load_from_slice(&bytes, LoadOptions::default()).unwrap(),
        }
        steps(&mut second, id, &mut data, 10..20);
        assert!(data == expected && second.save_to_vec().unwrap() == whole.save_to_vec().unwrap());
    }
    let (mut own_options, _) = optimizer(0.5, &weight(LEN));
    let group = own_options.add_group(GroupOptions::new(0.25)).unwrap();
    own_options.add_param::<f32>(group, 1, "new").unwrap();
    let options = LoadOptions { strict: false, hyperparameters: false, ..LoadOptions::default() };
    own_options.load_with(&path, options).unwrap();
    let id = own_options.param_id("weight").unwrap();
    assert_eq!(own_options.step_count(id).unwrap(), 10);
    assert_eq!(own_options.lr(group).unwrap(), 0.25);
}

#[test]
fn shards_are_combined() {
    const LEN: usize = 100;
    let (mut whole, id) = optimizer(0.01, &weight(LEN));
    let mut data = vec![1.0f32; LEN];
    steps(&mut whole, id, &mut data, 0..5);
    let state = |opt: &mut Optimizer, id| opt.state::<f32>(id).unwrap().exp_avg_sq.to_vec();
    let all = state(&mut whole, id);
    let paths = [(0, 30), (30, LEN)].map(|(start, end)| {
        let shard = ParamOptions {
            tensor_offset: start as u64,
            tensor_len: LEN as u64,
            ..weight(end - start)
        };
        let (mut part, id) = optimizer(0.01, &shard);
        part.state::<f32>(id).unwrap().exp_avg_sq.copy_from_slice(&all[start..end]);
        part.set_step_count(id, 5).unwrap();
        let path = file(&format!("shard{start}.radam"));
        part.save(&path).unwrap();
        path
    });
    let (mut loaded, id) = optimizer(0.01, &weight(LEN));
    loaded.load_shards(&paths, LoadOptions::default()).unwrap();
    assert_eq!((state(&mut loaded, id), loaded.step_count(id).unwrap()), (all, 5));
}

#[test]
fn what_cannot_be_loaded_changes_nothing() {
    let (mut opt, id) = optimizer(0.01, &weight(300_000));
    steps(&mut opt, id, &mut vec![1.0f32; 300_000], 0..1);
    let good = opt.save_to_vec().unwrap();
    let (mut other, _) = optimizer(0.01, &weight(7));
    let outcome = other.load_from_slice(&good, LoadOptions::default());
    let Err(Error::Mismatch(sentence)) = outcome else { panic!("{outcome:?}") };
    assert!(sentence.contains("300000 elements in the file and 7"), "{sentence}");

    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let outcome = opt.load_from_slice(&damaged, LoadOptions::default());
    assert!(matches!(outcome, Err(Error::Corrupt(_))), "{outcome:?}");
    let outcome = opt.load(file("no such file"));
    assert!(matches!(outcome, Err(Error::Io(_))), "{outcome:?}");
    assert!(opt.save_to_vec().unwrap() == good);
}

/// A closure may cancel, or panic, and neither leaves anything behind.
#[test]
fn progress_is_reported_and_may_cancel() {
    let (mut opt, id) = optimizer(0.01, &weight(600_000));
    steps(&mut opt, id, &mut vec![1.0f32; 600_000], 0..1);
    let path = file("progress.radam");
    let mut calls = Vec::new();
    opt.save_with(&path, |done, total| {
        calls.push((done, total));
        ControlFlow::Continue(())
    })
    .unwrap();
    let size = fs::metadata(&path).unwrap().len();
    assert!(calls.len() > 4 && calls.is_sorted());
    assert!(calls.last() == Some(&(size, size)));

    let saved = fs::read(&path).unwrap();
    steps(&mut opt, id, &mut vec![1.0f32; 600_000], 1..2);
    let before = opt.save_to_vec().unwrap();
    let outcome = opt.save_with(&path, |_, _| ControlFlow::Break(()));
    assert!(matches!(outcome, Err(Error::Io(_))), "{outcome:?}");
    let mut cancel = |_, _| ControlFlow::Break(());
    let options = LoadOptions { progress: Some(&mut cancel), ..LoadOptions::default() };
    let outcome = opt.load_with(&path, options);
    assert!(matches!(outcome, Err(Error::Io(_))), "{outcome:?}");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        opt.save_with(&path, |_, _| panic!("on purpose")).unwrap();
    }));
    assert!(panicked.is_err());
    assert!(fs::read(&path).unwrap() == saved && !path.with_extension("radam.tmp").exists());
    assert!(opt.save_to_vec().unwrap() == before);
}
