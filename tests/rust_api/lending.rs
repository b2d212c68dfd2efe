//! Arrays are lent for a call, and nothing of them is kept: not after a panic, and wherever they are in the next call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use radam::{
    AsTensor, Dtype, Error, GradSums, GroupId, GroupOptions, Optimizer, Options, ParamId,
    ParamOptions, StepOptions, StepReport, Tensor, bf16,
};

/// What threads may share and send.
#[test]
fn types_are_send_and_sync() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Optimizer>();
    check::<Options>();
    check::<GroupOptions>();
    check::<StepOptions>();
    check::<StepReport>();
    check::<GradSums>();
    check::<Error>();
    check::<(GroupId, ParamId)>();
    check::<Tensor>();
    fn is_error<T: std::error::Error>() {}
    is_error::<Error>();
}

pub fn one_param(len: usize) -> (Optimizer, ParamId) {
    let mut opt = Optimizer::new().unwrap();
    let group = opt.add_group(GroupOptions::new(0.1)).unwrap();
    let id = opt.add_param::<f32>(group, len, "weight").unwrap();
    (opt, id)
}

/// Slices, arrays, vectors and boxes, at another address in each step; those of before are freed and overwritten.
#[test]
fn arrays_may_be_anywhere_in_every_step() {
    const LEN: usize = 5;
    let (mut opt, id) = one_param(LEN);
    let (mut expected, mut weight) = ([0.5f32; LEN], vec![0.5f32; LEN]);
    let (mut reference, reference_id) = one_param(LEN);
    for step in 0..12 {
        let grad = [step as f32 - 3.0; LEN];
        reference.step(&mut [(reference_id, &mut expected, &grad)]).unwrap();
        weight = match step % 4 {
            0 => {
                opt.step(&mut [(id, &mut weight, &grad)]).unwrap();
                weight
            }
            1 => {
                let mut array: [f32; LEN] = weight.try_into().unwrap();
                opt.step(&mut [(id, &mut array, &grad.to_vec())]).unwrap();
                array.to_vec()
            }
            2 => {
                let mut boxed = weight.into_boxed_slice();
                opt.step(&mut [(id, &mut boxed, &grad)]).unwrap();
                boxed.into_vec()
            }
            _ => {
                let mut padded = [&[9.0; 3], &weight[..], &[9.0]].concat();
                opt.step(&mut [(id, &mut padded[3..3 + LEN], &grad[..])]).unwrap();
                assert!(padded[..3] == [9.0; 3] && padded[3 + LEN..] == [9.0]);
                padded[3..3 + LEN].to_vec()
            }
        };
        assert_eq!(weight, expected);
    }
    assert_ne!(weight, [0.5; LEN]);
}

/// Each tensor alone would be too small for that. A thread that wakes up too late does not take part.
#[test]
fn a_step_of_many_tensors_runs_on_several_threads() {
    const LEN: usize = 100_000;
    let mut opt =
        Optimizer::with_options(Options { num_threads: 2, ..Options::default() }).unwrap();
    let group = opt.add_group(GroupOptions::new(0.1)).unwrap();
    let ids: [_; 30] = std::array::from_fn(|number| {
        opt.add_param::<f32>(group, LEN, &number.to_string()).unwrap()
    });
    let (mut weights, grad) = (vec![vec![1.0f32; LEN]; ids.len()], vec![1.0f32; LEN]);
    let steps_on_two = (0..200).any(|_| {
        let mut tensors: Vec<_> =
            ids.into_iter().zip(&mut weights).map(|(id, weight)| (id, weight, &grad)).collect();
        opt.step(&mut tensors).unwrap().threads == 2
    });
    assert!(steps_on_two);
    assert!(weights.iter().flatten().all(|weight| *weight == weights[0][0] && *weight != 1.0));
}

/// Types of one's own are not given away, and may be of different kinds.
#[test]
fn references_are_stepped() {
    let (mut opt, first) = one_param(3);
    let released = GroupOptions { gradient_release: true, ..GroupOptions::new(0.1) };
    let released = opt.add_group(released).unwrap();
    let second = opt.add_param::<f32>(released, 3, "second").unwrap();
    let (mut a, mut b, grad) = ([1.0f32; 3], [1.0f32; 3], [1.0f32; 3]);
    let mut own = Fickle::Fine(first, &mut a, &grad);
    opt.step(&mut [&mut own]).unwrap();
    opt.step(&mut [&mut own as &mut dyn AsTensor]).unwrap();
    let mut tuple = (second, &mut b, &grad);
    opt.step_tensor(&mut tuple).unwrap();
    opt.step_tensor(&mut tuple).unwrap();
    assert!(a == b && a != [1.0; 3]);
}

/// They have state of every kind, without elements.
#[test]
fn empty_parameters_are_stepped() {
    let mut opt = Optimizer::new().unwrap();
    let group = opt.add_group(GroupOptions::new(0.1)).unwrap();
    let id = opt.add_param::<bf16>(group, 0, "empty").unwrap();
    let none: [bf16; 0] = [];
    assert_eq!(opt.step(&mut [(id, &mut none.clone(), &none)]).unwrap().params_stepped, 1);
    assert_eq!(opt.state::<bf16>(id).unwrap().kahan_comp, Some(&mut [][..]));
}

#[test]
fn what_is_left_out_stays_as_it_is() {
    let (mut opt, first) = one_param(3);
    let group = opt.add_group(GroupOptions::new(0.1)).unwrap();
    let second = opt.add_param::<f32>(group, 3, "second").unwrap();
    let (mut a, mut b) = ([1.0f32; 3], [1.0f32; 3]);
    assert_eq!(opt.step(&mut [(first, &mut a, &[1.0f32; 3])]).unwrap().params_stepped, 1);
    opt.step(&mut [(second, &mut b, &[1.0f32; 3])]).unwrap();
    assert_eq!((a, opt.step_count(first).unwrap()), (b, 1));
    assert_eq!(opt.step(&mut [] as &mut [Tensor]).unwrap().params_stepped, 0);
    opt.set_frozen(second, true).unwrap();
    let both = &mut [(first, &mut a, &[1.0f32; 3]), (second, &mut b, &[1.0f32; 3])];
    assert_eq!(opt.step(both).unwrap().params_stepped, 1);
    assert_ne!(a, b);
}

/// The norm is that of all tensors of the call together.
#[test]
fn clipping_goes_by_all_tensors() {
    let mut opt = Optimizer::new().unwrap();
    let group = opt.add_group(GroupOptions { beta1: 0.0, ..GroupOptions::new(1.0) }).unwrap();
    let ids = [opt.add_param::<f64>(group, 1, "a"), opt.add_param::<f64>(group, 1, "b")]
        .map(Result::unwrap);
    let (mut a, mut b) = ([0.0f64], [0.0f64]);
    let options = StepOptions { max_grad_norm: 1.0, ..StepOptions::default() };
    let tensors = &mut [(ids[0], &mut a, &[30.0f64]), (ids[1], &mut b, &[-40.0f64])];
    let report = opt.step_with(&options, tensors).unwrap();
    assert_eq!(report.grad_norm, 50.0);
    // The first step is unrectified: it moves by lr times the clipped gradient.
    let coefficient = 1.0 / (50.0 + 1e-6);
    assert_eq!((a[0], b[0]), (-30.0 * coefficient, 40.0 * coefficient));
}

/// A tensor that panics when it is asked for its arrays.
enum Fickle<'a> {
    Fine(ParamId, &'a mut [f32], &'a [f32]),
    Panics,
}

impl AsTensor for Fickle<'_> {
    fn as_tensor(&mut self) -> Tensor<'_> {
        match self {
            Fickle::Fine(id, data, grad) => Tensor::new(*id, *data, *grad),
            Fickle::Panics => panic!("on purpose"),
        }
    }
}

#[test]
fn a_panic_in_the_middle_changes_nothing_and_leaves_nothing_behind() {
    let (mut opt, id) = one_param(4);
    let mut data = vec![1.0f32; 4];
    let before = opt.save_to_vec().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let grad = vec![1.0f32; 4]; // is freed while the panic goes up
        let fine = Fickle::Fine(id, &mut data, &grad);
        let _ = opt.step(&mut [fine, Fickle::Panics]);
    }));
    assert!(panicked.is_err());
    assert!(data == [1.0; 4] && opt.save_to_vec().unwrap() == before);
    assert_eq!(opt.step(&mut [] as &mut [Tensor]).unwrap().params_stepped, 0);
    // The parameter can be given again, which it could not if it still were.
    assert_eq!(opt.step(&mut [(id, &mut data, &[1.0f32; 4])]).unwrap().params_stepped, 1);
}

/// Whatever mode the calling thread is in, which it keeps: denormals are not flushed to zero.
#[cfg(target_arch = "x86_64")]
#[test]
fn calls_compute_in_the_default_floating_point_mode() {
    use radam::{State, update};
    use std::arch::asm;
    const DEFAULT: u32 = 0x1f80;
    const FLUSHING: u32 = DEFAULT | 1 << 15;
    fn in_flushing_mode<R>(call: impl FnOnce() -> R) -> R {
        let mut after = 0u32;
        // SAFETY: a valid mode, and in the end the one of before.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &FLUSHING, options(nostack)) };
        let result = call();
        // SAFETY: writes the 4 bytes of the mode; as above.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &mut after, options(nostack));
            asm!("ldmxcsr [{}]", in(reg) &DEFAULT, options(nostack));
        }
        assert_eq!(after & FLUSHING, FLUSHING);
        result
    }
    let (mut opt, id) = one_param(1);
    let (mut data, grad) = ([0.0f32], [f32::MIN_POSITIVE / 4.0]);
    in_flushing_mode(|| opt.step(&mut [(id, &mut data, &grad)])).unwrap();
    assert_eq!(opt.state::<f32>(id).unwrap().exp_avg, grad);

    let ([mut exp_avg, mut exp_avg_sq], options) = ([[0.0f32]; 2], GroupOptions::new(0.1));
    let (exp_avg, exp_avg_sq) = (&mut exp_avg, &mut exp_avg_sq);
    let mut state = State { exp_avg, exp_avg_sq, kahan_comp: None, master_remainder: None };
    in_flushing_mode(|| update(&mut data, &grad, &mut state, &options, 1)).unwrap();
    assert_eq!(state.exp_avg, grad);

    let sums = in_flushing_mode(|| GradSums::measure(&[f64::MIN_POSITIVE.sqrt() / 2.0])).unwrap();
    assert_eq!(in_flushing_mode(|| sums.norm()), f64::MIN_POSITIVE.sqrt() / 2.0);
}

/// Of one optimizer, on many threads at once.
#[test]
fn gradient_release_runs_on_many_threads() {
    const COUNT: usize = 8;
    let run = |parallel: bool| {
        let mut opt = Optimizer::new().unwrap();
        let options = GroupOptions { gradient_release: true, ..GroupOptions::new(0.01) };
        let group = opt.add_group(options).unwrap();
        let ids: Vec<_> = (0..COUNT)
            .map(|number| opt.add_param::<f32>(group, 3000, &number.to_string()).unwrap())
            .collect();
        let mut weights = vec![vec![1.0f32; 3000]; COUNT];
        let step = |id: ParamId, weight: &mut Vec<f32>| {
            for step in 0..50 {
                let grad = vec![(step as f32).sin(); 3000];
                opt.step_tensor((id, &mut *weight, &grad)).unwrap();
            }
        };
        let step = &step;
        thread::scope(|scope| {
            for (id, weight) in ids.into_iter().zip(&mut weights) {
                match parallel {
                    true => drop(scope.spawn(move || step(id, weight))),
                    false => step(id, weight),
                }
            }
        });
        (weights, opt.save_to_vec().unwrap())
    };
    assert!(run(true) == run(false));
}

/// What a parameter was added with can be asked for, and adds the same parameter again.
#[test]
fn options_of_a_parameter_are_those_it_was_added_with() {
    let mut opt = Optimizer::new().unwrap();
    let groups = [0, 1].map(|_| opt.add_group(GroupOptions::new(0.1)).unwrap());
    let shard = ParamOptions {
        grad_dtype: Some(Dtype::F32),
        tensor_offset: 5,
        tensor_len: 100,
        ..ParamOptions::new::<bf16>(12, "shard")
    };
    let id = opt.add_param_with(groups[1], &shard).unwrap();
    assert_eq!(opt.param_options(id).unwrap(), (groups[1], shard));
    let whole = opt.add_param::<f64>(groups[0], 3, "whole").unwrap();
    let (group, options) = opt.param_options(whole).unwrap();
    assert_eq!(
        (group, options.name, options.len, options.dtype),
        (groups[0], "whole", 3, Dtype::F64)
    );
    opt.remove_param(whole).unwrap();
    assert!(matches!(opt.param_options(whole), Err(Error::InvalidArgument(_))));
}
