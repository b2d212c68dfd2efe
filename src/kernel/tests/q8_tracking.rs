//! How closely 8-bit state follows exact averages.

use super::*;
use crate::math::q8::BLOCK;

const LEN: usize = 4096;
const STEPS: u64 = 2000;
/// From here on the errors are those of a long run.
const WARM: u64 = 700;

/// A number of a normal distribution, the sum of twelve uniform ones.
fn normal(seed: u64, i: usize) -> f64 {
    let draw = |k| (hash(hash(seed.wrapping_mul(31) + k) ^ i as u64) >> 11) as f64;
    (1..=12).map(|k| draw(k) / (1u64 << 53) as f64).sum::<f64>() - 6.0
}

struct Errors {
    /// Root mean square of the error of the direction, over that of the direction.
    direction: f64,
    /// The mean of the root over the exact one.
    root: f64,
}

/// Runs Adam with these gradients, and compares the steps with those of averages in f64.
fn errors(beta2: f64, gradient: impl Fn(u64, usize) -> f64) -> Errors {
    const EPS: f64 = 1e-6;
    let dtype = Dtype::F32;
    let layout = Layout {
        param: dtype,
        grad: dtype,
        state: dtype,
        q8: true,
        copy: None,
        rounding: Rounding::Nearest,
    };
    let set = InstructionSet::available().last().unwrap();
    let (mut theta, mut grad) = (vec![0f32; LEN], vec![0f32; LEN]);
    let (mut directions, mut roots) = (vec![0i8; LEN], vec![0u8; LEN]);
    let mut words = vec![0u32; LEN / BLOCK];
    let (mut exp_avg, mut exp_avg_sq) = (vec![0f64; LEN], vec![0f64; LEN]);
    let (mut error, mut size, mut ratio, mut ratios) = (0.0, 0.0, 0.0, 0.0);
    for number in 1..=STEPS {
        let hat = |beta: f64| (beta.powi(number as i32) - beta) / (beta.powi(number as i32) - 1.0);
        let (beta1_hat, beta2_hat) = (hat(0.9), hat(beta2));
        let coefficients = Coefficients {
            l2: 0.0,
            decay: 0.0,
            beta1_hat,
            beta1_comp: 1.0 - beta1_hat,
            beta2_hat,
            beta2_comp: 1.0 - beta2_hat,
            step_size: 1.0,
            eps: EPS,
            grad_scale: 1.0,
            max_grad_value: f64::INFINITY,
        };
        let step = Step { rule: Rule::Rectified, decay: Decay::None, clips: false, coefficients };
        theta.fill(0.0);
        grad.iter_mut().enumerate().for_each(|(i, grad)| *grad = gradient(number, i) as f32);
        let view = TensorView {
            len: LEN,
            whole: LEN,
            first: 0,
            param: theta.as_mut_ptr().cast(),
            grad: grad.as_ptr().cast(),
            exp_avg: directions.as_mut_ptr().cast(),
            exp_avg_sq: roots.as_mut_ptr(),
            kahan_comp: ptr::null_mut(),
            state_scale: words.as_mut_ptr(),
            master_remainder: ptr::null_mut(),
            copy: ptr::null_mut(),
            noise: Noise::new(1, NameHash::of("weight"), number),
        };
        // SAFETY: the arrays are as long as `LEN` says.
        unsafe { Kernel::new(set, layout, false).run(&step, &view) };
        for i in 0..LEN {
            let grad = f64::from(grad[i]);
            exp_avg[i] = beta1_hat * exp_avg[i] + (1.0 - beta1_hat) * grad;
            exp_avg_sq[i] = beta2_hat * exp_avg_sq[i] + (1.0 - beta2_hat) * grad * grad;
            if number <= WARM {
                continue;
            }
            let exact = exp_avg[i] / (exp_avg_sq[i].sqrt() + EPS);
            error += (f64::from(-theta[i]) - exact).powi(2);
            size += exact * exact;
            let root = crate::math::q8::Scale::read(words[i / BLOCK]).root(roots[i]);
            if roots[i] > 0 && number % 97 == 0 {
                ratio += f64::from(root) / exp_avg_sq[i].sqrt();
                ratios += 1.0;
            }
        }
    }
    Errors { direction: (error / size).sqrt(), root: ratio / ratios }
}

#[test]
fn directions_and_roots_follow_exact_averages() {
    let size: Vec<f64> = (0..LEN).map(|i| normal(1, i)).collect();
    let mean: Vec<f64> = (0..LEN).map(|i| 0.2 * normal(2, i)).collect();
    let noise = |number: u64, i: usize| normal(number + 10, i);
    for beta2 in [0.99, 0.999] {
        let mild = errors(beta2, |number, i| (0.5 * size[i]).exp() * (mean[i] + noise(number, i)));
        println!("beta2 {beta2}: {:.4}, roots {:.5}", mild.direction, mild.root);
        assert!(mild.direction < 0.06, "{}", mild.direction);
        assert!((mild.root - 1.0).abs() < 0.003, "{}", mild.root);
        let wide = errors(beta2, |number, i| (2.0 * size[i]).exp() * (mean[i] + noise(number, i)));
        println!("wide: {:.4}, roots {:.5}", wide.direction, wide.root);
        assert!(wide.direction < 0.15, "{}", wide.direction);
        let is_there = |number: u64, i: usize| hash(hash(number) ^ i as u64).is_multiple_of(50);
        let sparse = errors(beta2, |number, i| {
            if is_there(number, i) { (0.5 * size[i]).exp() * noise(number, i) } else { 0.0 }
        });
        println!("sparse: {:.4}", sparse.direction);
        assert!(sparse.direction < 0.1, "{}", sparse.direction);
    }
}

/// Roots that are gradients of any size: an old root is multiplied by √β2, which in the first step is −0, and here always.
#[test]
fn roots_follow_gradients_without_an_average() {
    let size: Vec<f64> = (0..LEN).map(|i| normal(1, i)).collect();
    let mean = errors(0.0, |number, i| (2.0 * size[i]).exp() * normal(number + 10, i)).root;
    assert!((mean - 1.0).abs() < 0.1, "{mean}"); // some are beyond the 16 octaves of a scale
}
