//! What is wrong gets an error with a sentence, and changes nothing.

use radam::{
    Dtype, Error, GradSums, GroupId, GroupOptions, Optimizer, Options, ParamId, ParamOptions,
    Q8State, State, StateDtype, StepOptions, bf16, f16, update, update_q8,
};

use crate::lending::one_param;

/// Checks the kind of an error, that its sentence has these words, and that it does not speak of the C API.
#[track_caller]
fn check<T: std::fmt::Debug>(outcome: Result<T, Error>, kind: fn(String) -> Error, words: &str) {
    let error = outcome.unwrap_err();
    let sentence = error.to_string();
    assert_eq!(error, kind(sentence.clone()));
    assert!(sentence.contains(words), "{sentence}");
    assert!(!["radam_", "NULL", "0x"].iter().any(|c| sentence.contains(c)), "{sentence}");
}

/// An optimizer with two parameters and a third one that is stepped by itself, after a step of the first.
fn trained() -> (Optimizer, [GroupId; 2], [ParamId; 3], Vec<f32>) {
    let (mut opt, first) = one_param(3);
    let group = opt.add_group(GroupOptions::new(0.1)).unwrap();
    let released = GroupOptions { gradient_release: true, ..GroupOptions::new(0.1) };
    let released = opt.add_group(released).unwrap();
    let second = opt.add_param::<f32>(group, 3, "second").unwrap();
    let third = opt.add_param::<f32>(released, 3, "third").unwrap();
    let mut data = vec![1.0f32; 3];
    opt.step(&mut [(first, &mut data, &[1.0f32; 3])]).unwrap();
    (opt, [group, released], [first, second, third], data)
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let (mut opt, _, [first, second, third], mut a) = trained();
    let unknown = {
        let (mut other, _, [.., last], _) = trained();
        let group = other.add_group(GroupOptions::new(0.1)).unwrap();
        assert!(other.param_id("third").unwrap() == last);
        other.add_param::<f32>(group, 3, "fourth").unwrap()
    };
    let (saved, mut b) = (opt.save_to_vec().unwrap(), [5.0f32; 3]);
    let grad = [1.0f32; 3];
    // In each, the tensor that comes first is fine.
    macro_rules! refused {
        ($kind:ident, $words:literal, $id:expr, $data:expr, $grad:expr) => {{
            let fine = radam::Tensor::new(first, &mut a, &grad);
            let outcome = opt.step(&mut [fine, radam::Tensor::new($id, $data, $grad)]);
            check(outcome, Error::$kind, $words);
            assert!(a == [0.9; 3] && b == [5.0; 3]);
            assert!(opt.save_to_vec().unwrap() == saved);
        }};
    }
    let mut again = a.clone();
    refused!(
        InvalidArgument,
        "the parameter \"weight\" (id 0) is given twice",
        first,
        &mut again,
        &grad
    );
    refused!(
        InvalidArgument,
        "the data of the parameter \"second\" (id 1) has 2 elements; it was added with 3",
        second,
        &mut b[..2],
        &grad
    );
    refused!(
        InvalidArgument,
        "the gradient of the parameter \"second\" (id 1) has 4 elements",
        second,
        &mut b,
        &[1.0f32; 4]
    );
    refused!(
        InvalidArgument,
        "the data of the parameter \"second\" (id 1) is f64; it was added with f32",
        second,
        &mut [0.0f64; 3],
        &grad
    );
    refused!(
        InvalidArgument,
        "the gradient of the parameter \"second\" (id 1) is bf16",
        second,
        &mut b,
        &[bf16::ONE; 3]
    );
    refused!(
        InvalidArgument,
        "param is 3; the optimizer's parameters are 0 to 2",
        unknown,
        &mut b,
        &grad
    );
    refused!(InvalidState, "gradient_release is on for group 2", third, &mut b, &grad);
    check(
        opt.measure(&mut [(second, &mut b, &[1.0f32; 4])]),
        Error::InvalidArgument,
        "has 4 elements",
    );
    check(opt.step_tensor((first, &mut a, &grad)), Error::InvalidState, "gradient_release is off");
    check(
        opt.step_tensor((third, &mut a, &[f16::ONE; 3])),
        Error::InvalidArgument,
        "the gradient of the parameter \"third\" (id 2) is f16",
    );
    opt.remove_param(second).unwrap();
    check(opt.step(&mut [(second, &mut b, &grad)]), Error::InvalidArgument, "was removed");
    assert_eq!(opt.step(&mut [(first, &mut a, &grad)]).unwrap().params_stepped, 1);
}

#[test]
fn step_options_out_of_range_are_refused() {
    let (mut opt, _, [first, _, third], mut data) = trained();
    let (saved, grad) = (opt.save_to_vec().unwrap(), [1.0f32; 3]);
    let plain = StepOptions::default();
    for (words, options) in [
        ("grad_scale is 0.0", StepOptions { grad_scale: 0.0, ..plain }),
        ("max_grad_norm is -1.0", StepOptions { max_grad_norm: -1.0, ..plain }),
        ("max_grad_value is inf", StepOptions { max_grad_value: f64::INFINITY, ..plain }),
        (
            "zero_grad is on, but the gradient of the parameter \"weight\" (id 0) is borrowed as &",
            StepOptions { zero_grad: true, ..plain },
        ),
    ] {
        let outcome = opt.step_with(&options, &mut [(first, &mut data, &grad)]);
        check(outcome, Error::InvalidArgument, words);
    }
    let clip = StepOptions { max_grad_norm: 1.0, ..plain };
    let outcome = opt.step_tensor_with(&clip, (third, &mut data, &grad));
    check(outcome, Error::InvalidArgument, "max_grad_norm is 1.0 without grad_sums");
    assert!(data == [0.9; 3] && opt.save_to_vec().unwrap() == saved);
}

#[test]
fn groups_and_parameters_that_cannot_be_are_refused() {
    let (mut opt, [group, released], [first, ..], _) = trained();
    let saved = opt.save_to_vec().unwrap();
    let good = GroupOptions::new(0.1);
    for (words, options) in [
        ("lr is -1.0", GroupOptions::new(-1.0)),
        ("lr is NaN", GroupOptions::new(f64::NAN)),
        ("beta1 is 1.0", GroupOptions { beta1: 1.0, ..good }),
        ("max_lr is inf", GroupOptions { max_lr: Some(f64::INFINITY), ..good }),
        ("max_lr is 0", GroupOptions { decouple_lr: true, ..GroupOptions::new(0.0) }),
        (
            "stochastic_rounding is on, and so is master_remainder",
            GroupOptions { master_remainder: true, stochastic_rounding: true, ..good },
        ),
    ] {
        check(opt.add_group(options), Error::InvalidArgument, words);
        check(opt.set_group_options(group, options), Error::InvalidArgument, words);
    }
    let f32_only = GroupOptions { master_remainder: true, ..good };
    check(opt.set_group_options(group, f32_only), Error::InvalidArgument, "bf16 parameters only");
    check(opt.set_lr(group, -1.0), Error::InvalidArgument, "lr is -1.0");
    check(opt.set_weight_decay(group, -1.0), Error::InvalidArgument, "weight_decay is -1.0");
    assert_eq!(opt.group_options(released).unwrap().max_lr, Some(0.1));
    // In C, these are a struct that was not initialised.
    let zeros = GroupOptions { beta1: 0.0, beta2: 0.0, eps: 0.0, ..good };
    assert!(Optimizer::new().unwrap().add_group(zeros).is_ok());

    check(opt.add_param::<f32>(group, 3, "second"), Error::InvalidArgument, "name is \"second\"");
    check(opt.add_param::<f32>(group, 3, ""), Error::InvalidArgument, "name is empty");
    check(opt.add_param::<f32>(group, usize::MAX / 2, "x"), Error::InvalidArgument, "len is");
    let shard =
        ParamOptions { tensor_offset: 8, tensor_len: 10, ..ParamOptions::new::<f32>(3, "x") };
    check(opt.add_param_with(group, &shard), Error::InvalidArgument, "tensor_offset is 8");
    check(opt.param_id("x"), Error::InvalidArgument, "name is \"x\", which no parameter has");
    check(opt.state::<f64>(first), Error::InvalidArgument, "is read as f64; it is f32");
    check(
        opt.state_q8::<f32>(first),
        Error::InvalidArgument,
        "is read as q8; it is f32, which state",
    );
    assert!(opt.save_to_vec().unwrap() == saved);

    let options = Options { num_threads: 1025, ..Options::default() };
    check(Optimizer::with_options(options), Error::InvalidArgument, "num_threads is 1025");
    let mut words = GradSums::new().words();
    words[3] = -1;
    check(GradSums::from_words(&words), Error::InvalidArgument, "words[3] is -1");
}

#[test]
fn state_of_8_bits_is_read_as_what_it_is() {
    let mut opt = Optimizer::new().unwrap();
    let options = GroupOptions {
        state_dtype: Some(StateDtype::Q8),
        kahan_sum: Some(true),
        ..GroupOptions::new(0.1)
    };
    let group = opt.add_group(options).unwrap();
    check(opt.add_param::<f64>(group, 5000, "wide"), Error::InvalidArgument, "state_dtype is q8");
    let coded = opt.add_param::<bf16>(group, 5000, "coded").unwrap();
    let small = opt.add_param::<bf16>(group, 4095, "small").unwrap();
    let words = "is read as bf16; it is q8, which state_q8 reads";
    check(opt.state::<bf16>(coded), Error::InvalidArgument, words);
    check(opt.state_q8::<f32>(coded), Error::InvalidArgument, "read as one of f32; it is of bf16");
    check(opt.state_q8::<bf16>(small), Error::InvalidArgument, "it is f32, which state reads");
    let state = opt.state_q8::<bf16>(coded).unwrap();
    assert_eq!((state.exp_avg.len(), state.exp_avg_sq.len()), (5000, 5000));
    assert_eq!((state.state_scale.len(), state.kahan_comp.unwrap().len()), (40, 5000));

    let (mut exp_avg, mut exp_avg_sq, mut state_scale) = ([0; 129], [0; 129], [0; 2]);
    let mut updated = |exp_avg_len, scale_len, step| {
        let mut state = Q8State {
            exp_avg: &mut exp_avg[..exp_avg_len],
            exp_avg_sq: &mut exp_avg_sq,
            state_scale: &mut state_scale[..scale_len],
            kahan_comp: None,
            master_remainder: None,
        };
        update_q8(&mut [1f32; 129], &[1f32; 129], &mut state, &GroupOptions::new(0.1), step)
    };
    updated(129, 2, 1).unwrap();
    check(updated(128, 2, 2), Error::InvalidArgument, "exp_avg has 128 elements");
    let words =
        "state_scale has 1 elements; it must have 2, one for each 128 of param, which has 129";
    check(updated(129, 1, 2), Error::InvalidArgument, words);
    check(updated(129, 2, 0), Error::InvalidArgument, "step is 0");
}

#[test]
fn updates_with_wrong_arrays_are_refused() {
    let mut param = [bf16::ONE; 3];
    let options = GroupOptions::new(0.1);
    let [mut exp_avg, mut exp_avg_sq, mut short] = [vec![0f32; 3], vec![0f32; 3], vec![0f32; 2]];
    let mut state = State {
        exp_avg: &mut exp_avg,
        exp_avg_sq: &mut exp_avg_sq,
        kahan_comp: None,
        master_remainder: None,
    };
    let mut refused = |grad: &[f32], state: &mut State<f32>, options, step, words| {
        let outcome = update(&mut param, grad, state, &options, step);
        check(outcome, Error::InvalidArgument, words);
        assert_eq!(param, [bf16::ONE; 3]);
    };
    refused(
        &[0.0; 4],
        &mut state,
        options,
        1,
        "grad has 4 elements; it must have as many as param, which has 3",
    );
    refused(&[0.0; 3], &mut state, options, 1, "kahan_comp is None");
    let remainder = GroupOptions { master_remainder: true, ..options };
    refused(&[0.0; 3], &mut state, remainder, 1, "master_remainder is None");
    let no_kahan = GroupOptions { kahan_sum: Some(false), ..options };
    refused(&[0.0; 3], &mut state, no_kahan, 0, "step is 0");
    let wide = GroupOptions { state_dtype: Some(Dtype::F64.into()), ..no_kahan };
    update(&mut [bf16::ONE; 3], &[0f32; 3], &mut state, &wide, 1).unwrap();
    state.kahan_comp = Some(&mut short);
    refused(&[0.0; 3], &mut state, options, 1, "kahan_comp has 2 elements");
    state.exp_avg = &mut [];
    refused(&[0.0; 3], &mut state, options, 1, "exp_avg has 0 elements");
}
