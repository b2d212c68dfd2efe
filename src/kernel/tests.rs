//! Every instruction set, held equal to the portable loops bit for bit, whatever the bits mean.

use super::dtype::Dtype;
use super::element::Element;
use super::{Arrays, Dtypes, InstructionSet, Kernel, Mixed, Noise, convert_array};
use crate::math::{Coefficients, Decay, Rule, Step};
use half::{bf16, f16};
use std::ptr;

const DTYPES: [Dtype; 4] = [Dtype::F32, Dtype::F64, Dtype::F16, Dtype::Bf16];

/// Every way to step: with coefficients that make all terms matter.
fn steps() -> Vec<Step> {
    let coefficients = Coefficients {
        l2: 0.011,
        decay: 0.003,
        beta1_hat: 0.87,
        beta1_comp: 0.13,
        beta2_hat: 0.993,
        beta2_comp: 0.007,
        step_size: 0.021,
        eps: 1e-6,
        grad_scale: 0.37,
        max_grad_value: 0.11,
    };
    // So small that the roots of denormal moments show.
    let tiny_eps = Coefficients { eps: 1e-30, ..coefficients };
    let ways = [
        (Rule::Rectified, coefficients),
        (Rule::Rectified, tiny_eps),
        (Rule::Unrectified, coefficients),
        (Rule::Accumulate, coefficients),
    ];
    let decays = [Decay::None, Decay::L2, Decay::Decoupled];
    ways.into_iter()
        .flat_map(|way| decays.map(|decay| (way, decay)))
        .flat_map(|((rule, coefficients), decay)| {
            [false, true].map(|clips| Step { rule, decay, clips, coefficients })
        })
        .collect()
}

fn dtypes() -> impl Iterator<Item = Dtypes> {
    DTYPES.into_iter().flat_map(|param| {
        DTYPES.into_iter().flat_map(move |grad| {
            [param, Dtype::F32].map(move |state| Dtypes { param, grad, state, out: None })
        })
    })
}

/// The arrays of a parameter, as bytes.
#[derive(Clone)]
struct Tensors {
    dtypes: Dtypes,
    len: usize,
    kahan_sum: bool,
    /// The parameter, its gradient, `exp_avg`, `exp_avg_sq` and `kahan_comp`, aligned for any dtype.
    arrays: [Vec<u64>; 5],
}

impl Tensors {
    fn new(
        dtypes: Dtypes,
        len: usize,
        kahan_sum: bool,
        mut bits: impl FnMut(Dtype, usize, usize) -> u64,
    ) -> Self {
        let Dtypes { param, grad, state, .. } = dtypes;
        let mut array = 0;
        let arrays = [param, grad, state, state, state].map(|dtype| {
            let mut words = vec![0; len + 1];
            for i in 0..len {
                let bits = bits(dtype, array, i).to_le_bytes();
                let at = words.as_mut_ptr().cast::<u8>().wrapping_add(i * dtype.size());
                // SAFETY: there is a word for each element, and none is larger.
                unsafe { at.copy_from_nonoverlapping(bits.as_ptr(), dtype.size()) };
            }
            array += 1;
            words
        });
        Self { dtypes, len, kahan_sum, arrays }
    }

    fn stepped_by(mut self, instruction_set: InstructionSet, step: &Step) -> Self {
        let arrays = self.pointers(ptr::null_mut());
        // SAFETY: the arrays are as long as `len` says, and their own; the instruction set is there.
        unsafe { Kernel::new(instruction_set, self.dtypes, step.clips).run(step, &arrays) };
        self
    }

    /// Steps as f32 with remainders, which it returns too, or with random rounding.
    fn stepped_as_f32(
        mut self,
        instruction_set: InstructionSet,
        step: &Step,
        stochastic: bool,
    ) -> (Self, Vec<u64>) {
        let mut remainders = self.arrays[4].clone();
        let mixed = if stochastic {
            Mixed::Stochastic { noise: Noise::new(7, 8, 9), first: 1024 }
        } else {
            Mixed::WithRemainder { remainder: remainders.as_mut_ptr().cast() }
        };
        let arrays = self.pointers(ptr::null_mut());
        // SAFETY: the arrays are as long as `len` says, and their own; the instruction set is there.
        unsafe { mixed.run(instruction_set, step, &arrays, self.dtypes) };
        (self, remainders)
    }

    /// Steps with a copy, which it returns too, as numbers.
    fn stepped_and_copied(
        mut self,
        instruction_set: InstructionSet,
        step: &Step,
        dtype: Dtype,
    ) -> (Self, Vec<u64>) {
        self.dtypes.out = Some(dtype);
        let mut copy = vec![0u64; self.len + 1];
        let arrays = self.pointers(copy.as_mut_ptr().cast());
        let kernel = Kernel::new(instruction_set, self.dtypes, step.clips);
        // SAFETY: as above.
        unsafe { kernel.run(step, &arrays) };
        let arrays = [copy, vec![], vec![], vec![], vec![]];
        let copy = Tensors { arrays, ..self.clone() };
        let bits = copy.bits_of(0, dtype).collect();
        (self, bits)
    }

    fn pointers(&mut self, out: *mut u8) -> Arrays {
        let [param, grad, exp_avg, exp_avg_sq, kahan_comp] =
            self.arrays.each_mut().map(|array| array.as_mut_ptr().cast::<u8>());
        let kahan_comp = if self.kahan_sum { kahan_comp } else { ptr::null_mut() };
        Arrays { len: self.len, param, grad, exp_avg, exp_avg_sq, kahan_comp, out }
    }

    /// All elements' bits, those of every NaN being the same: which of two NaN an addition hands on
    /// is the compiler's choice.
    fn bits(&self) -> impl Iterator<Item = u64> {
        let Dtypes { param, grad, state, .. } = self.dtypes;
        let dtypes = [param, grad, state, state, state];
        dtypes.into_iter().enumerate().flat_map(|(array, dtype)| self.bits_of(array, dtype))
    }

    fn bits_of(&self, array: usize, dtype: Dtype) -> impl Iterator<Item = u64> {
        (0..self.len).map(move |i| {
            let at = self.arrays[array].as_ptr().cast::<u8>().wrapping_add(i * dtype.size());
            // SAFETY: there is a word for each element, and none is larger.
            unsafe {
                let value = match dtype {
                    Dtype::F32 => at.cast::<f32>().read() as f64,
                    Dtype::F64 => at.cast::<f64>().read(),
                    Dtype::F16 => at.cast::<f16>().read().load() as f64,
                    Dtype::Bf16 => at.cast::<bf16>().read().load() as f64,
                };
                if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
            }
        })
    }
}

/// Steps the tensors in every way on every instruction set.
fn check(tensors: &Tensors) {
    for step in steps() {
        let expected = tensors.clone().stepped_by(InstructionSet::Portable, &step);
        for set in InstructionSet::available() {
            let found = tensors.clone().stepped_by(set, &step);
            let differing =
                found.bits().zip(expected.bits()).position(|(ours, theirs)| ours != theirs);
            let Tensors { dtypes, len, kahan_sum, .. } = *tensors;
            assert_eq!(differing, None, "{set:?} {dtypes:?} {len} {kahan_sum} {step:?}");
        }
    }
}

fn hash(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Any bits at all: numbers of every size, infinities and NaN, the second moment negative too.
fn any_bits(_: Dtype, array: usize, i: usize) -> u64 {
    hash(hash(array as u64 + 1).wrapping_add(i as u64))
}

/// Ordinary numbers, some of them denormal or zero, near 1, or huge.
fn numbers(dtype: Dtype, array: usize, i: usize) -> u64 {
    let random = any_bits(dtype, array, i);
    let unit = (random >> 40) as f64 / (1u64 << 24) as f64 - if array == 3 { 0.0 } else { 0.5 };
    let scale = [1.0, 1e-3, 1e-5, 1e-7, 1e-38, 1e-40, 1e4, 1e30, 0.0, -0.0][random as usize % 10];
    store(dtype, unit * scale)
}

/// The bits of a number in the dtype.
fn store(dtype: Dtype, value: f64) -> u64 {
    match dtype {
        Dtype::F32 => (value as f32).to_bits().into(),
        Dtype::F64 => value.to_bits(),
        Dtype::F16 => f16::store(value as f32).to_bits().into(),
        Dtype::Bf16 => bf16::store(value as f32).to_bits().into(),
    }
}

#[test]
fn ordinary_numbers_denormals_and_huge_ones_come_out_the_same() {
    for dtypes in dtypes() {
        for kahan_sum in [false, true] {
            check(&Tensors::new(dtypes, 4099, kahan_sum, numbers));
        }
    }
}

#[test]
fn any_bits_come_out_the_same() {
    for dtypes in dtypes() {
        for kahan_sum in [false, true] {
            check(&Tensors::new(dtypes, 2053, kahan_sum, any_bits));
        }
    }
}

#[test]
fn every_length_comes_out_the_same() {
    for len in 0..=80 {
        for dtypes in dtypes().filter(|dtypes| dtypes.grad == dtypes.param) {
            check(&Tensors::new(dtypes, len, true, numbers));
        }
    }
}

/// Each array in turn goes through all values of its 16 bits, beside ordinary numbers.
#[test]
fn every_16_bit_value_comes_out_the_same_in_every_place() {
    for dtype in [Dtype::F16, Dtype::Bf16] {
        for through in 0..5 {
            let dtypes = Dtypes { param: dtype, grad: dtype, state: dtype, out: None };
            check(&Tensors::new(dtypes, 1 << 16, true, |dtype, array, i| {
                if array == through { i as u64 } else { numbers(dtype, array, i) }
            }));
        }
    }
}

/// The bits of a NaN of the dtype: quiet or signalling, of either sign, with any payload.
fn nan(dtype: Dtype, i: usize) -> u64 {
    const PAYLOADS: [u64; 6] = [0, 1, 0x8000, 0x7fff, !0, 0x5555_5555_5555_5555];
    let (payload, sign, quiet) = (PAYLOADS[i % 6], i / 6 % 2, i / 12 % 2);
    let (bits, fraction) = match dtype {
        Dtype::F32 => (32, 23),
        Dtype::F64 => (64, 52),
        Dtype::F16 => (16, 10),
        Dtype::Bf16 => (16, 7),
    };
    let exponent = (1 << (bits - 1)) - (1 << fraction);
    let payload = payload & ((1 << (fraction - 1)) - 1);
    let quiet = if payload == 0 { 1 } else { quiet as u64 };
    (sign as u64) << (bits - 1) | exponent | quiet << (fraction - 1) | payload
}

/// Which elements of the parameter, `exp_avg`, `exp_avg_sq` and `kahan_comp` are NaN after a step, where
/// those of one array were, and the others are numbers of ordinary size.
fn nan_after(step: &Step, kahan_sum: bool, through: usize) -> [bool; 4] {
    let was = |array| array == through;
    let moves = step.rule != Rule::Accumulate;
    let scaled = step.clips && step.coefficients.grad_scale.is_nan();
    let grad = was(1) || scaled || moves && step.decay == Decay::L2 && was(0);
    let (m, v) = (grad || was(2), grad || was(3));
    let root = step.rule == Rule::Rectified && v;
    let param = was(0) || moves && (m || root || kahan_sum && was(4));
    [param, m, v, if moves && kahan_sum { param } else { was(4) }]
}

fn check_nan(
    dtypes: Dtypes,
    kahan_sum: bool,
    stepped: impl Fn(Tensors, InstructionSet, &Step) -> Tensors,
) {
    const LEN: usize = 101;
    let mut steps = steps();
    // What a norm comes to whose gradients had such a NaN.
    for bits in (0..24).map(|i| nan(Dtype::F32, i) as u32) {
        let mut step = Step { clips: true, ..steps[0] };
        step.coefficients.grad_scale = f32::from_bits(bits).into();
        steps.extend([Rule::Rectified, Rule::Accumulate].map(|rule| Step { rule, ..step }));
    }
    for (through, step) in (0..=5).flat_map(|through| steps.iter().map(move |s| (through, s))) {
        let is_nan = |i: usize| i % 4 == 1;
        let tensors = Tensors::new(dtypes, LEN, kahan_sum, |dtype, array, i| {
            let number = store(dtype, 0.25 + (i % 8) as f64 / 8.0);
            if array == through && is_nan(i) { nan(dtype, i / 4) } else { number }
        });
        let [with, without] = [through, 6].map(|through| nan_after(step, kahan_sum, through));
        for set in InstructionSet::available() {
            let found = stepped(tensors.clone(), set, step);
            let state = dtypes.state;
            let arrays = [(0, dtypes.param), (2, state), (3, state), (4, state)];
            for (number, (array, dtype)) in arrays.into_iter().enumerate() {
                for (i, bits) in found.bits_of(array, dtype).enumerate() {
                    let expected = if is_nan(i) { with[number] } else { without[number] };
                    let value = f64::from_bits(bits);
                    assert!(
                        value.is_nan() == expected && (expected || value.abs() < 100.0),
                        "{set:?} {dtypes:?} {kahan_sum} NaN in {through} {step:?}: {array}[{i}] is {value}"
                    );
                }
            }
        }
    }
}

#[test]
fn nan_of_any_bits_shows_where_it_must_and_nowhere_else() {
    for dtypes in dtypes() {
        for kahan_sum in [false, true] {
            check_nan(dtypes, kahan_sum, |tensors, set, step| tensors.stepped_by(set, step));
        }
    }
}

#[test]
fn nan_of_any_bits_shows_in_bf16_that_is_stepped_as_f32() {
    for dtypes in dtypes().filter(|dtypes| dtypes.param == Dtype::Bf16) {
        for stochastic in [false, true] {
            check_nan(dtypes, false, |mut tensors, set, step| {
                let kahan_comp = std::mem::replace(&mut tensors.arrays[4], vec![0; 102]);
                let (mut stepped, _) = tensors.stepped_as_f32(set, step, stochastic);
                stepped.arrays[4] = kahan_comp;
                stepped
            });
        }
    }
}

#[test]
fn bf16_that_is_stepped_as_f32_comes_out_the_same() {
    let of_bf16 = |dtypes: &Dtypes| dtypes.param == Dtype::Bf16;
    for (dtypes, stochastic) in dtypes().filter(of_bf16).flat_map(|d| [(d, false), (d, true)]) {
        for (len, bits) in [(2053, numbers as fn(_, _, _) -> _), (1031, any_bits)] {
            let tensors = Tensors::new(dtypes, len, false, bits);
            check_pairs(&tensors, |tensors, set, step| {
                tensors.stepped_as_f32(set, step, stochastic)
            });
        }
    }
}

#[test]
fn copies_come_out_the_same() {
    let masters = |dtypes: &Dtypes| matches!(dtypes.param, Dtype::F32 | Dtype::F64);
    for dtypes in dtypes().filter(masters) {
        for out in [Dtype::Bf16, Dtype::F16, Dtype::F32] {
            for (len, bits) in [(2053, numbers as fn(_, _, _) -> _), (519, any_bits)] {
                let tensors = Tensors::new(dtypes, len, out == Dtype::F16, bits);
                check_pairs(&tensors, |tensors, set, step| {
                    tensors.stepped_and_copied(set, step, out)
                });
            }
        }
    }
}

/// Steps the tensors in every way on every instruction set, with another array that comes out.
fn check_pairs(
    tensors: &Tensors,
    stepped: impl Fn(Tensors, InstructionSet, &Step) -> (Tensors, Vec<u64>),
) {
    for step in steps() {
        let bits = |set| {
            let (tensors, other) = stepped(tensors.clone(), set, &step);
            (tensors.bits().collect::<Vec<_>>(), other)
        };
        let expected = bits(InstructionSet::Portable);
        for set in InstructionSet::available() {
            let Tensors { dtypes, len, .. } = *tensors;
            assert!(bits(set) == expected, "{set:?} {dtypes:?} {len} {step:?}");
        }
    }
}

#[test]
fn conversions_come_out_the_same() {
    for (from, to) in DTYPES.into_iter().flat_map(|from| DTYPES.map(|to| (from, to))) {
        for (array, bits) in [(0, any_bits as fn(_, _, _) -> _), (1, numbers)] {
            let dtypes = Dtypes { param: from, grad: to, state: to, out: None };
            let tensors = Tensors::new(dtypes, 4099, false, |dtype, _, i| bits(dtype, array, i));
            let converted = |set| {
                let Tensors { mut arrays, .. } = tensors.clone();
                let (source, target) = (arrays[0].as_ptr().cast(), arrays[1].as_mut_ptr().cast());
                // SAFETY: there is a word for each element; the instruction set is there.
                unsafe { convert_array(set, from, source, to, target, 4099) };
                Tensors { arrays, ..tensors.clone() }.bits().collect::<Vec<_>>()
            };
            let expected = converted(InstructionSet::Portable);
            for set in InstructionSet::available() {
                assert!(converted(set) == expected, "{set:?} {from:?} {to:?}");
            }
        }
    }
}

/// The value of an element with these bits, by an implementation that is not ours.
fn value(dtype: Dtype, bits: u64) -> f64 {
    match dtype {
        Dtype::F32 => f32::from_bits(bits as u32).into(),
        Dtype::F64 => f64::from_bits(bits),
        Dtype::F16 => f16::from_bits(bits as u16).to_f64(),
        Dtype::Bf16 => bf16::from_bits(bits as u16).to_f64(),
    }
}

/// The bits of the number of the dtype that is nearest to a value which is no NaN, ties to even.
fn nearest(dtype: Dtype, value: f64) -> u64 {
    let (precision, least_exponent) = match dtype {
        Dtype::F32 => return (value as f32).to_bits().into(),
        Dtype::F64 => return value.to_bits(),
        Dtype::F16 => (11, -14),
        Dtype::Bf16 => (8, -126),
    };
    // In units of the last place, where the value is exact, rounding is exact; and what it gives, half's
    // conversions only have to store. What they make of a value too large is infinite.
    let exponent = (value.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    let unit = 2f64.powi(exponent.max(least_exponent) - (precision - 1));
    let rounded = if value.is_finite() { (value / unit).round_ties_even() * unit } else { value };
    match dtype {
        Dtype::F16 => f16::from_f64(rounded).to_bits().into(),
        _ => bf16::from_f64(rounded).to_bits().into(),
    }
}

/// All bits that there are of 16, and of more those around ties and in steps through the rest.
fn bits_to_convert(dtype: Dtype) -> Vec<u64> {
    let upper = 0..=0xffff_u64;
    match dtype {
        Dtype::F16 | Dtype::Bf16 => upper.collect(),
        Dtype::F32 => upper
            .flat_map(|upper| {
                [0, 1, 0x0fff, 0x1000, 0x1001, 0x3000, 0x7fff, 0x8000, 0x8001, 0xffff]
                    .map(|lower| upper << 16 | lower)
            })
            .collect(),
        Dtype::F64 => {
            let near = |bits: u64| {
                let value = f64::from(f32::from_bits(bits as u32)).to_bits();
                [value.wrapping_sub(1), value, value + 1, value + (1 << 28)]
            };
            let strides = (0..1 << 16).map(|i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            bits_to_convert(Dtype::F32).into_iter().flat_map(near).chain(strides).collect()
        }
    }
}

#[test]
fn conversions_are_exact_or_nearest_and_keep_every_bit_between_equal_dtypes() {
    for from in DTYPES {
        let sources = bits_to_convert(from);
        let dtypes = Dtypes { param: from, grad: from, state: Dtype::F64, out: None };
        let tensors =
            Tensors::new(
                dtypes,
                sources.len(),
                false,
                |_, array, i| {
                    if array == 0 { sources[i] } else { 0 }
                },
            );
        for to in DTYPES {
            for set in InstructionSet::available() {
                let Tensors { mut arrays, len, .. } = tensors.clone();
                let (source, target) = (arrays[0].as_ptr().cast(), arrays[2].as_mut_ptr().cast());
                // SAFETY: there is a word for each element; the instruction set is there.
                unsafe { convert_array(set, from, source, to, target, len) };
                for (i, source) in sources.iter().enumerate() {
                    let mut word = [0; 8];
                    let at = arrays[2].as_ptr().cast::<u8>().wrapping_add(i * to.size());
                    // SAFETY: there is a word for each element, and none is larger.
                    unsafe { word.as_mut_ptr().copy_from_nonoverlapping(at, to.size()) };
                    let (found, exact) = (u64::from_le_bytes(word), value(from, *source));
                    let place =
                        || format!("{set:?}: {source:#x} of {from:?} is {found:#x} in {to:?}");
                    if from == to {
                        assert!(found == *source, "{}", place());
                    } else if exact.is_nan() {
                        assert!(value(to, found).is_nan(), "{}", place());
                    } else {
                        assert!(found == nearest(to, exact), "{}", place());
                    }
                }
            }
        }
    }
}

/// More elements than 32 bits can count, in a few megabytes: every array is the same small window of
/// memory over and over. The average of gradients counts how often each element was stepped.
#[cfg(target_os = "linux")]
#[test]
fn tensors_of_more_than_2_to_the_32_elements_are_stepped_to_their_end() {
    const WINDOW: usize = 1 << 22; // elements
    const LEN: usize = (1 << 32) + 33;
    let dtypes = Dtypes { param: Dtype::Bf16, grad: Dtype::Bf16, state: Dtype::F32, out: None };
    let coefficients = Coefficients { beta1_hat: 1.0, beta1_comp: 1.0, ..steps()[0].coefficients };
    let step = Step { rule: Rule::Unrectified, decay: Decay::None, clips: false, coefficients };
    let param = RepeatedWindow::new(2, LEN, WINDOW);
    let grad = RepeatedWindow::new(2, LEN, WINDOW);
    let [exp_avg, exp_avg_sq] = [(); 2].map(|()| RepeatedWindow::new(4, LEN, WINDOW));
    let one = bf16::store(1.0);
    // SAFETY: the arrays are as long as they say; that some elements share memory only means that
    // they are stepped one after another. The instruction set is there.
    let counts = unsafe {
        std::slice::from_raw_parts_mut(grad.start.cast::<bf16>(), WINDOW).fill(one);
        let arrays = Arrays {
            len: LEN,
            param: param.start,
            grad: grad.start,
            exp_avg: exp_avg.start,
            exp_avg_sq: exp_avg_sq.start,
            kahan_comp: ptr::null_mut(),
            out: ptr::null_mut(),
        };
        Kernel::new(InstructionSet::available().last().unwrap(), dtypes, false).run(&step, &arrays);
        std::slice::from_raw_parts(exp_avg.start.cast::<f32>(), WINDOW)
    };
    let (times, rest) = ((LEN / WINDOW) as f32, LEN % WINDOW);
    assert!(counts[..rest].iter().all(|count| *count == times + 1.0));
    assert!(counts[rest..].iter().all(|count| *count == times));
}

/// A little memory, mapped one time after another.
#[cfg(target_os = "linux")]
struct RepeatedWindow {
    start: *mut u8,
    bytes: usize,
}

#[cfg(target_os = "linux")]
impl RepeatedWindow {
    /// Room for `len` elements of a size, which are a window of zeros repeated.
    fn new(size: usize, len: usize, window: usize) -> Self {
        let (bytes, window_bytes) = ((len * size).next_multiple_of(window * size), window * size);
        // SAFETY: all addresses that are mapped over are those that the first call has reserved.
        unsafe {
            let file = libc::memfd_create(c"window".as_ptr(), 0);
            assert_eq!(libc::ftruncate(file, window_bytes as libc::off_t), 0);
            let reserve = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let start = libc::mmap(ptr::null_mut(), bytes, libc::PROT_NONE, reserve, -1, 0);
            for at in (0..bytes).step_by(window_bytes) {
                let (place, access) = (start.byte_add(at), libc::PROT_READ | libc::PROT_WRITE);
                let over = libc::MAP_SHARED | libc::MAP_FIXED;
                assert_eq!(libc::mmap(place, window_bytes, access, over, file, 0), place);
            }
            libc::close(file);
            Self { start: start.cast(), bytes }
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for RepeatedWindow {
    fn drop(&mut self) {
        // SAFETY: nobody uses the window any more.
        unsafe { libc::munmap(self.start.cast(), self.bytes) };
    }
}
