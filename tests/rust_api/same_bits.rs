//! Everything that is computed has the bits of the C API.

use std::ptr;

use radam::ffi::*;
use radam::{
    Dtype, Element, GradSums, GroupId, GroupOptions, Optimizer, Options, Q8State, State,
    StateDtype, StepOptions, Tensor, bf16, f16, update, update_q8,
};

use crate::driver::optimizer::{NO_PARAMS, Optimizer as COptimizer};
use crate::driver::{self, call, filled, outcome, toggle};
use crate::twin::{Pair, Twin, bytes, c_options, random};

/// No elements, one, some, and several pieces, the last of them not whole.
const LENS: [usize; 4] = [0, 1, 37, 40_000];

/// The Rust API's optimizer, the C API's, and the parameters of both.
struct Twins {
    opt: Optimizer,
    c: COptimizer,
    groups: Vec<GroupId>,
    params: Vec<Box<dyn Twin>>,
}

impl Twins {
    /// On several threads, which a step of one element is already worth.
    fn new(accumulation: bool) -> Self {
        let mut opt =
            Optimizer::with_options(Options { num_threads: 3, parallel_from: 1 }).unwrap();
        let mut c = COptimizer::new();
        opt.set_optimizer_accumulation(accumulation);
        c.set_accumulation(accumulation);
        assert_eq!(opt.optimizer_accumulation(), c.accumulation());
        Self { opt, c, groups: Vec::new(), params: Vec::new() }
    }

    fn add_group(&mut self, options: GroupOptions) -> (GroupId, u32) {
        let c_group = self.c.groups;
        self.c.add_group(&c_options(&options), NO_PARAMS);
        self.groups.push(self.opt.add_group(options).unwrap());
        (self.groups[c_group as usize], c_group)
    }

    /// Parameters of one dtype with gradients of another, of all lengths.
    fn add<T: Element, G: Element>(&mut self, (group, c_group): (GroupId, u32)) {
        for len in LENS {
            let name = format!("{} of {} by {}, {}", len, T::DTYPE, G::DTYPE, self.params.len());
            let (opt, c) = ((&mut self.opt, group), (&mut self.c, c_group));
            self.params.push(Box::new(Pair::<T, G>::add(opt, c, len, &name)));
        }
    }

    fn add_dtype<T: Element>(&mut self, options: GroupOptions) {
        let group = self.add_group(options);
        self.add::<T, f32>(group);
        self.add::<T, f64>(group);
        self.add::<T, f16>(group);
        self.add::<T, bf16>(group);
    }

    /// Steps both and checks that they agree. Every fifth parameter has no gradient, another one each time.
    fn step(&mut self, number: u64, options: &StepOptions, sums: Option<&radam_grad_sums>) {
        let (c, mut tensors) = (&mut self.c, Vec::new());
        let scale = if options.skip_nonfinite { 1e6 } else { 0.3 }; // f16 overflows
        for (index, param) in self.params.iter_mut().enumerate() {
            let id = param.c_id();
            let pauses = (index as u64 + number).is_multiple_of(5);
            let c_grad = c.params[id].grad.as_ref().unwrap().whole();
            let pointer = if pauses { ptr::null_mut() } else { c_grad.pointer() };
            param.fill_grad(c, number << 8 | index as u64, scale);
            call!(radam_set_grad(c.handle, id as u32, pointer));
            if !pauses {
                tensors.push(param.as_tensor());
            }
        }
        let c_options = radam_step_options {
            grad_scale: options.grad_scale,
            max_grad_norm: options.max_grad_norm,
            max_grad_value: options.max_grad_value,
            skip_nonfinite: toggle(options.skip_nonfinite),
            zero_grad: toggle(options.zero_grad),
            report_norms: toggle(options.report_norms),
            grad_sums: sums.map_or(ptr::null(), ptr::from_ref),
            ..driver::step_options()
        };
        let expected = c.step_with_report(&c_options);
        let report = self.opt.step_with(options, &mut tensors).unwrap();
        assert_eq!(report.params_stepped, expected.params_stepped);
        let measured =
            options.report_norms || options.max_grad_norm > 0.0 || options.skip_nonfinite;
        if measured || sums.is_some() {
            assert_eq!(report.skipped, expected.skipped != 0);
            assert_eq!(report.nonfinite, expected.nonfinite);
            let found =
                [report.grad_norm, report.clip_coefficient, report.update_norm, report.param_norm];
            let expected = [
                expected.grad_norm,
                expected.clip_coefficient,
                expected.update_norm,
                expected.param_norm,
            ];
            assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits));
        } else {
            assert!(report.grad_norm.is_nan());
        }
        self.check();
    }

    fn check(&mut self) {
        for param in &self.params {
            param.check(&mut self.opt, &self.c);
        }
        for (group, c_group) in self.groups.iter().zip(0..) {
            let found = self.opt.group_report(*group).unwrap();
            let c = self.c.group_report(c_group);
            assert_eq!((found.step, found.rectified), (c.step, c.rectified != 0));
            assert_eq!(
                [found.rho, found.rho_inf, found.r, found.effective_lr],
                [c.rho, c.rho_inf, c.r, c.effective_lr]
            );
            assert_eq!(
                [found.beta1_hat, found.beta2_hat, found.decay_factor],
                [c.beta1_hat, c.beta2_hat, c.decay_factor]
            );
        }
    }
}

fn decayed() -> GroupOptions {
    GroupOptions { weight_decay: 0.1, ..GroupOptions::new(0.01) }
}

/// Of all dtypes at once, with gradients of every dtype.
fn steps_of_all_dtypes(options: GroupOptions, accumulation: bool) {
    let mut twins = Twins::new(accumulation);
    twins.add_dtype::<f32>(options);
    twins.add_dtype::<f64>(options);
    twins.add_dtype::<f16>(options);
    twins.add_dtype::<bf16>(options);
    let plain = StepOptions::default();
    for (number, options) in (0..).zip([
        plain,
        StepOptions { grad_scale: 0.25, max_grad_norm: 0.5, ..plain },
        StepOptions { max_grad_value: 0.05, zero_grad: true, ..plain },
        StepOptions { report_norms: true, ..plain },
        StepOptions { skip_nonfinite: true, zero_grad: true, ..plain },
        plain,
        plain,
        StepOptions { max_grad_norm: 0.5, report_norms: true, ..plain },
    ]) {
        twins.opt.set_lr(twins.groups[0], 0.02 / (1 + number) as f64).unwrap();
        twins.c.set_lr(0, 0.02 / (1 + number) as f64);
        twins.step(number, &options, None);
    }
    assert!(twins.opt.save_to_vec().unwrap() == twins.c.save(), "the checkpoints differ");
}

#[test]
fn steps_with_an_l2_penalty() {
    steps_of_all_dtypes(decayed(), false);
}

#[test]
fn steps_with_decoupled_decay_and_f32_state() {
    let options = GroupOptions { decouple_wd: true, kahan_sum: Some(true), ..decayed() };
    let mut twins = Twins::new(false);
    for state_dtype in [None, Some(Dtype::F32.into())] {
        twins.add_dtype::<f16>(GroupOptions { state_dtype, ..options });
        twins.add_dtype::<bf16>(GroupOptions { state_dtype, for_each: false, ..options });
    }
    (0..8).for_each(|number| twins.step(number, &StepOptions::default(), None));
}

#[test]
fn steps_with_every_other_option() {
    steps_of_all_dtypes(
        GroupOptions {
            beta1: 0.8,
            beta2: 0.98,
            eps: 1e-5,
            max_lr: Some(0.1),
            decouple_lr: true,
            maximize: true,
            kahan_sum: Some(false),
            rectify_threshold: 4.0,
            unrectified: false,
            ..decayed()
        },
        false,
    );
    steps_of_all_dtypes(GroupOptions { rectify: false, ..decayed() }, true);
}

#[test]
fn steps_with_remainders_and_stochastic_rounding() {
    let mut twins = Twins::new(false);
    for state_dtype in [None, Some(Dtype::F32.into())] {
        let options = GroupOptions { state_dtype, seed: 0x5eed, ..decayed() };
        twins.add_dtype::<bf16>(GroupOptions { master_remainder: true, ..options });
        twins.add_dtype::<bf16>(GroupOptions { stochastic_rounding: true, ..options });
    }
    (0..8).for_each(|number| twins.step(number, &StepOptions::default(), None));
}

#[test]
fn steps_with_state_of_8_bits() {
    let options = GroupOptions { state_dtype: Some(StateDtype::Q8), seed: 0x5eed, ..decayed() };
    let mut twins = Twins::new(false);
    twins.add_dtype::<f32>(options);
    twins.add_dtype::<f16>(options);
    twins.add_dtype::<bf16>(GroupOptions { master_remainder: true, ..options });
    twins.add_dtype::<bf16>(GroupOptions { stochastic_rounding: true, ..options });
    (0..8).for_each(|number| twins.step(number, &StepOptions::default(), None));
    assert!(twins.opt.save_to_vec().unwrap() == twins.c.save(), "the checkpoints differ");
}

#[test]
fn update_q8_is_a_step_of_an_optimizer() {
    fn run<T: Element>(zero: T, start: T, options: GroupOptions) {
        const LEN: usize = 5001;
        let options = GroupOptions { state_dtype: Some(StateDtype::Q8), seed: 3, ..options };
        let mut opt = Optimizer::new().unwrap();
        let group = opt.add_group(options).unwrap();
        let id = opt.add_param::<T>(group, LEN, "param.0").unwrap();
        let (mut stepped, mut updated) = ([start; LEN], [start; LEN]);
        let (mut exp_avg, mut exp_avg_sq, mut state_scale) = ([0; LEN], [0; LEN], [0; 40]);
        let (mut kahan_comp, mut master_remainder) = ([zero; LEN], [0; LEN]);
        let mut state = Q8State {
            exp_avg: &mut exp_avg,
            exp_avg_sq: &mut exp_avg_sq,
            state_scale: &mut state_scale,
            kahan_comp: Some(&mut kahan_comp),
            master_remainder: Some(&mut master_remainder),
        };
        for step in 1..=8 {
            let mut grad = [start; LEN];
            grad[step as usize..].fill(stepped[0]);
            opt.step(&mut [(id, &mut stepped, &grad)]).unwrap();
            update_q8(&mut updated, &grad, &mut state, &options, step).unwrap();
        }
        assert!(bytes(&stepped) == bytes(&updated) && bytes(&stepped) != bytes(&[start; LEN]));
        let kept = opt.state_q8::<T>(id).unwrap();
        assert!(kept.exp_avg == exp_avg && kept.exp_avg_sq == exp_avg_sq);
        assert!(kept.state_scale == state_scale && state_scale.iter().all(|word| *word != 0));
        if let Some(kept) = kept.kahan_comp {
            assert!(bytes(kept) == bytes(&kahan_comp));
        }
        if let Some(kept) = kept.master_remainder {
            assert!(bytes(kept) == bytes(&master_remainder) && kept != [0; LEN]);
        }
    }
    run(0f32, 1f32, decayed());
    run(f16::ZERO, f16::ONE, decayed());
    run(bf16::ZERO, bf16::ONE, decayed());
    run(bf16::ZERO, bf16::ONE, GroupOptions { master_remainder: true, ..decayed() });
}

/// By the sums of gradients that are twice as many, of which half are in another process.
#[test]
fn steps_by_sums_of_several_processes() {
    let mut twins = Twins::new(false);
    twins.add_dtype::<f32>(decayed());
    let elsewhere = random(RADAM_DTYPE_F32, 100_000, 5, 0.5);
    for number in 0..4 {
        let mut c_sums = filled(radam_grad_sums_init);
        for (index, param) in twins.params.iter_mut().enumerate() {
            param.fill_grad(&twins.c, number << 8 | index as u64, 0.3);
        }
        let mut tensors: Vec<Tensor> =
            twins.params.iter_mut().map(|param| param.as_tensor()).collect();
        let mut sums = twins.opt.measure(&mut tensors).unwrap();
        for id in 0..twins.c.params.len() {
            let grad = twins.c.params[id].grad.as_ref().unwrap().pointer();
            call!(radam_set_grad(twins.c.handle, id as u32, grad));
        }
        call!(radam_measure(twins.c.handle, &mut c_sums));
        assert_eq!(sums.words(), c_sums.words);

        let (pointer, len) = (elsewhere.pointer(), elsewhere.len as u64);
        // SAFETY: the tensor has so many elements.
        let status = unsafe { radam_measure_tensor(RADAM_DTYPE_F32, pointer, len, &mut c_sums) };
        outcome(status, ptr::null()).unwrap();
        let floats: Vec<f32> = elsewhere.values().iter().map(|value| *value as f32).collect();
        sums += &GradSums::measure(&floats).unwrap();
        let words: [i64; 72] = sums.words();
        assert_eq!(words, c_sums.words);
        assert_eq!(GradSums::from_words(&words).unwrap(), sums);

        let options =
            StepOptions { max_grad_norm: 0.5, grad_sums: Some(&sums), ..StepOptions::default() };
        twins.step(number, &options, Some(&c_sums));
    }
}

#[test]
fn gradient_release_steps_one_by_one() {
    let mut twins = Twins::new(false);
    let group = twins.add_group(GroupOptions { gradient_release: true, ..decayed() });
    twins.add::<f32, bf16>(group);
    twins.add::<f64, f64>(group);
    let options = StepOptions { max_grad_value: 0.1, report_norms: true, ..StepOptions::default() };
    let c_options = radam_step_options {
        max_grad_value: 0.1,
        report_norms: RADAM_ON,
        ..driver::step_options()
    };
    for number in 0..8 {
        for param in &mut twins.params {
            param.fill_grad(&twins.c, number, 0.3);
            let grad = twins.c.params[param.c_id()].grad.as_ref().unwrap().pointer();
            let (id, mut c_report) = (param.c_id() as u32, filled(radam_step_report_init));
            let (null, handle) = (ptr::null_mut(), twins.c.handle);
            call!(radam_step_tensor(handle, id, null, grad, &c_options, &mut c_report));
            let report = twins.opt.step_tensor_with(&options, param.as_tensor()).unwrap();
            assert_eq!(report.update_norm.to_bits(), c_report.update_norm.to_bits());
            assert_eq!(report.grad_norm.to_bits(), c_report.grad_norm.to_bits());
        }
        twins.check();
    }
}

#[test]
fn update_is_a_step_of_an_optimizer() {
    fn run<T: Element, S: Element>(zero: S, start: T, options: GroupOptions) {
        const LEN: usize = 1001;
        let options = GroupOptions { state_dtype: Some(S::DTYPE.into()), ..options };
        let mut opt = Optimizer::new().unwrap();
        let group = opt.add_group(options).unwrap();
        let id = opt.add_param::<T>(group, LEN, "param.0").unwrap();
        let (mut stepped, mut updated) = ([start; LEN], [start; LEN]);
        let [mut exp_avg, mut exp_avg_sq, mut kahan_comp] = [[zero; LEN]; 3];
        let mut master_remainder = [0; LEN];
        let mut state = State {
            exp_avg: &mut exp_avg,
            exp_avg_sq: &mut exp_avg_sq,
            kahan_comp: Some(&mut kahan_comp),
            master_remainder: Some(&mut master_remainder),
        };
        for step in 1..=8 {
            let mut grad = [start; LEN];
            grad[step as usize..].fill(stepped[0]);
            opt.step(&mut [(id, &mut stepped, &grad)]).unwrap();
            update(&mut updated, &grad, &mut state, &options, step).unwrap();
        }
        assert!(bytes(&stepped) == bytes(&updated) && bytes(&stepped) != bytes(&[start; LEN]));
        let kept = opt.state::<S>(id).unwrap();
        assert!(bytes(kept.exp_avg) == bytes(state.exp_avg));
        assert!(bytes(kept.exp_avg_sq) == bytes(state.exp_avg_sq));
        if let Some(kept) = kept.kahan_comp {
            assert!(bytes(kept) == bytes(&kahan_comp));
        }
        if let Some(kept) = kept.master_remainder {
            assert!(bytes(kept) == bytes(&master_remainder) && kept != [0; LEN]);
        }
    }
    run(0f32, 1f32, decayed());
    run(0f64, 1f64, decayed());
    run(f16::ZERO, f16::ONE, decayed());
    run(bf16::ZERO, bf16::ONE, decayed());
    run(0f32, bf16::ONE, decayed());
    run(0f32, bf16::ONE, GroupOptions { master_remainder: true, ..decayed() });
    run(0f32, bf16::ONE, GroupOptions { stochastic_rounding: true, seed: 3, ..decayed() });
}
