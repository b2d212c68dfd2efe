//! The formulas of 8-bit state, beside those they stand for.

use super::*;
use crate::math::rule::tests::Number;

const EPS: f32 = 1e-6;

/// A word and its codes.
fn encoded(exp_avg: &[f32], exp_avg_sq: &[f32]) -> (u32, Vec<i8>, Vec<u8>) {
    let (mut directions, mut roots) = (vec![0; exp_avg.len()], vec![0; exp_avg.len()]);
    let word = encode_moments(exp_avg, exp_avg_sq, EPS, &mut directions, &mut roots);
    (word, directions, roots)
}

/// From one element to the next, roots grow by this factor, and directions go around.
fn moments(growth: f32) -> (Vec<f32>, Vec<f32>) {
    let root = |i: usize| 1e-3 * growth.powi(i as i32);
    let exp_avg = |i: usize| (i as f32 * 0.7).sin() * 1.5 * (root(i) + EPS);
    ((0..BLOCK).map(exp_avg).collect(), (0..BLOCK).map(|i| root(i) * root(i)).collect())
}

#[test]
fn moments_are_coded_by_the_nearest_codes() {
    // Over 0.2, 1.3, 2.7, 5.4 and 12.4 octaves. Of 254 codes there are 128 an octave, 64, 32 or 16.
    for (growth, shift) in [(1.001, 16), (1.007, 16), (1.015, 17), (1.03, 18), (1.07, 19)] {
        let (exp_avg, exp_avg_sq) = moments(growth);
        let (word, directions, roots) = encoded(&exp_avg, &exp_avg_sq);
        let scale = Scale::read(word);
        assert_eq!(scale.shift, shift, "{growth}");
        for i in 0..BLOCK {
            let root = exp_avg_sq[i].sqrt();
            let off = (scale.direction(directions[i]) - exp_avg[i] / (root + EPS)).abs();
            assert!(off <= 0.501 * scale.unit, "direction {i} is off by {off}");
            // Between the two roots around, in which a step has the same bits.
            let off = scale.root(roots[i]).to_bits().abs_diff(root.to_bits());
            assert!(off <= (1 << shift) / 2, "root {i} is off by {off}");
            let (m, v) = scale.moments(directions[i], roots[i], EPS);
            let off = (m / (v.sqrt() + EPS) - exp_avg[i] / (root + EPS)).abs();
            assert!(off <= 0.501 * scale.unit, "m of element {i} is off by {off}");
            assert!((v.sqrt() / root - 1.0).abs() <= 0.03, "v of element {i} is {v}");
        }
        assert!(directions.iter().any(|code| code.unsigned_abs() >= 125), "of 126 codes");
        assert!(roots[BLOCK - 1] >= 254, "{}, of 255 codes", roots[BLOCK - 1]);
    }
}

#[test]
fn moments_that_are_none_start_anew_and_no_other_notices() {
    let (mut exp_avg, mut exp_avg_sq) = moments(1.03);
    for (i, (m, v)) in [
        (0.1, f32::INFINITY),
        (f32::NAN, 0.1),
        (0.1, f32::NAN),
        (f32::INFINITY, 0.1),
        (1e38, 1e-38),
    ]
    .into_iter()
    .enumerate()
    {
        (exp_avg[i], exp_avg_sq[i]) = (0.0, 0.0);
        let expected = encoded(&exp_avg, &exp_avg_sq);
        (exp_avg[i], exp_avg_sq[i]) = (m, v);
        assert_eq!(encoded(&exp_avg, &exp_avg_sq), expected, "{m} {v}");
    }
    (exp_avg[7], exp_avg_sq[7]) = (0.0, -0.0);
    let (_, directions, roots) = encoded(&exp_avg, &exp_avg_sq);
    assert_eq!((directions[7], roots[7]), (0, 0));
}

/// Where only the root would be rounded to 0, m would be divided by eps.
#[test]
fn what_moves_has_a_root() {
    let (mut exp_avg, mut exp_avg_sq) = ([1.0; BLOCK], [1.0; BLOCK]);
    (exp_avg[3], exp_avg_sq[3]) = (1e-12, 1e-24);
    let (_, directions, roots) = encoded(&exp_avg, &exp_avg_sq);
    assert_eq!((directions[3], roots[3]), (0, 0));
    exp_avg[3] = 1e-6;
    let (_, directions, roots) = encoded(&exp_avg, &exp_avg_sq);
    assert_eq!((directions[3] > 0, roots[3]), (true, 1));
}

#[test]
fn no_moments_are_a_fresh_block() {
    let (word, directions, roots) = encoded(&[0.0; 5], &[0.0; 5]);
    let scale = Scale::read(word);
    assert_eq!((directions, roots), (vec![0; 5], vec![0; 5]));
    assert_eq!((scale.shift, f32::from_bits(scale.base)), (FINEST, 2.0f32.powi(-63)));
    assert_eq!(Scale::read(0), Scale { unit: 0.0, shift: WIDEST, base: 0 });
}

/// One that never moves must not make the steps of all others wider.
#[test]
fn an_element_without_moments_is_no_least_root() {
    let (mut exp_avg, mut exp_avg_sq) = moments(1.001);
    (exp_avg[9], exp_avg_sq[9]) = (0.0, 0.0);
    let (word, _, roots) = encoded(&exp_avg, &exp_avg_sq);
    assert_eq!((Scale::read(word).shift, roots[9]), (FINEST, 0));
}

#[test]
fn the_largest_root_has_the_last_code() {
    let root = 1.0f32; // the bits of which are a multiple of all steps
    for shift in FINEST..=WIDEST {
        let least = Least::Root(root.to_bits() - (200 << shift));
        let extremes = Extremes { root: root.to_bits(), direction: 1.0f32.to_bits(), least };
        let encoder = Encoder::choose(extremes, 1.0, 1.0);
        assert_eq!(encoder.shift, shift);
        assert_eq!(encoder.encode(1.0, root, 0), (126, 255));
    }
}

/// Which are in units of 1 - β̂1, and may point the other way.
#[test]
fn directions_are_coded_in_their_unit() {
    for beta1_comp in [0.1f32, -0.1] {
        let least = Least::Root(1.0f32.to_bits());
        let extremes = Extremes { root: 1.0f32.to_bits(), direction: 20.0f32.to_bits(), least };
        let encoder = Encoder::choose(extremes, beta1_comp, 1.0);
        for direction in [20.0, 10.0, -5.0f32] {
            let (code, _) = encoder.encode(direction, 1.0, Fractions::HALF);
            let unit = Scale::read(encoder.word).unit;
            let off = code as f32 * unit - direction * beta1_comp;
            assert!(off.abs() < 0.51 * unit, "{direction} is off by {off}");
            let expected = direction * beta1_comp.signum() / 20.0 * 126.0;
            assert!((code as f32 - expected).abs() < 1.5, "{code}, not {expected}");
        }
    }
}

#[test]
fn steps_between_roots_are_as_fine_as_what_is_known_allows() {
    const ROOT: u32 = 127 << 23;
    let shift = |least| Extremes { root: ROOT, direction: 0, least }.shift(0.5);
    // 254 of the finest codes, and a little more.
    assert_eq!(
        [250 << FINEST, 255 << FINEST].map(|range| shift(Least::Root(ROOT - range))),
        [16, 17]
    );
    // At half the old root, which is an octave below: 2^23.
    let old = Scale { unit: 1.0, shift: FINEST, base: ROOT - (224 << FINEST) };
    let by_code = |code_less_1| shift(Least::OldCode { code_less_1, old });
    assert_eq!([by_code(98), by_code(99)], [17, 16], "125 and 124 steps, and an octave");
    let old_of_3_octaves = Scale { base: ROOT - (3 << 23), ..old };
    let least = Least::OldCode { code_less_1: 1, old: old_of_3_octaves };
    assert_eq!(shift(least), 18, "4 octaves, less 2 of 128 steps");
    // Code 1 may have stood for less, and without an old root nothing is known.
    let near = Scale { base: ROOT - (1 << FINEST), ..old };
    let by_code = |code_less_1| shift(Least::OldCode { code_less_1, old: near });
    assert_eq!([by_code(0), by_code(1), by_code(255)], [FINEST + 1, FINEST, WIDEST]);
}

#[test]
fn fractions_are_multiples_of_the_golden_ratio() {
    let fractions = Fractions(0x1234_5678);
    // In Python: (0x12345678 + i * 0x9e3779b1) & 0xffffff.
    assert_eq!(
        [0, 1, 2, 127].map(|i| fractions.of(i)),
        [0x34_5678, 0x6b_d029, 0xa3_49da, 0xb9_b547]
    );
}

/// The rule as it is without codes, in f64.
#[test]
fn steps_are_those_of_the_rule() {
    let coefficients = Coefficients {
        l2: 0.05,
        decay: 0.03,
        beta1_hat: 0.8,
        beta1_comp: 0.2,
        beta2_hat: 0.9,
        beta2_comp: 0.1,
        step_size: 0.7,
        eps: 0.01,
        grad_scale: 0.5,
        max_grad_value: 1.0,
    };
    let of_codes = Q8Coefficients::<Number>::of(&coefficients);
    let close = |found: Number, expected: f64| {
        assert!((found.0 - expected).abs() < 1e-12, "{found:?}, not {expected}");
    };
    let (theta, grad, root) = (0.3, 0.9, 0.4);
    let prepared = |clips, decay, grad| of_codes.grad(clips, decay, Number(theta), Number(grad));
    close(prepared(false, Decay::None, grad), grad);
    close(prepared(false, Decay::L2, grad), grad + 0.05 * theta);
    close(prepared(true, Decay::Decoupled, grad), 0.5 * grad);
    close(prepared(true, Decay::L2, 8.0), 1.0 + 0.05 * theta);

    // The old direction is 5 of its unit, which is 0.3; the new ones and m are in units of 0.2.
    let unit = Number(0.3) * of_codes.keep;
    let (exp_avg, exp_avg_sq) = of_codes.moments(Number(5.0), unit, Number(root), Number(grad));
    let m = 0.8 * (5.0 * 0.3) * (root + 0.01) + 0.2 * grad;
    close(exp_avg, m / 0.2);
    close(exp_avg_sq, 0.9 * root * root + 0.1 * grad * grad);
    let direction = of_codes.direction(exp_avg, Number(root));
    close(direction, m / (root + 0.01) / 0.2);
    let lowered = |rule, decay| of_codes.lowered(rule, decay, Number(theta), exp_avg, direction);
    close(lowered(Rule::Rectified, Decay::None), 0.7 * m / (root + 0.01));
    close(lowered(Rule::Rectified, Decay::L2), 0.7 * m / (root + 0.01));
    close(lowered(Rule::Unrectified, Decay::None), 0.7 * m);
    close(lowered(Rule::Unrectified, Decay::Decoupled), 0.7 * m + 0.03 * theta);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_block_is_finite_if_its_largest_direction_is_in_true_units() {
    let are_finite = |root: f32, direction: f32, beta1_comp| {
        let least = Least::Root(0);
        let extremes = Extremes { root: root.to_bits(), direction: direction.to_bits(), least };
        are_extremes_finite(extremes, beta1_comp)
    };
    let large = 1.5 * 2.0f32.powi(127);
    assert!(are_finite(f32::MAX, 1.0, 1.0) && are_finite(1.0, large, -0.1));
    assert!(!are_finite(1.0, large, 1.0) && !are_finite(f32::INFINITY, 1.0, 0.1));
    assert!(!are_finite(1.0, f32::INFINITY, 0.1) && !are_finite(1.0, f32::NAN, 0.1));
}
