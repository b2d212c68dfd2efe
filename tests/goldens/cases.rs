//! The inputs: sets of hyperparameters, initial parameters and gradients, computed as in `generate.py`; and the reference
//! values that it has written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use radam::ffi::*;

use crate::driver::tensor::number;

pub const LEN: usize = 16;
pub const STEPS: u64 = 500;
pub const CHECKPOINTS: [u64; 7] = [1, 4, 5, 6, 7, 50, 500];

/// Parameters by step, at the checkpoints.
pub type Trajectory = BTreeMap<u64, Vec<f64>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decay {
    None,
    L2,
    Decoupled,
    FullyDecoupled,
}

pub const DECAYS: [Decay; 4] = [Decay::None, Decay::L2, Decay::Decoupled, Decay::FullyDecoupled];

impl Decay {
    pub fn name(self) -> &'static str {
        match self {
            Decay::None => "none",
            Decay::L2 => "l2",
            Decay::Decoupled => "decoupled",
            Decay::FullyDecoupled => "fully_decoupled",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
}

pub const DTYPES: [Dtype; 4] = [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16];

impl Dtype {
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F64 => "f64",
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        }
    }

    pub fn value(self, bits: u64) -> f64 {
        number(self.constant(), bits)
    }

    /// As the library is told.
    pub fn constant(self) -> radam_dtype {
        match self {
            Dtype::F64 => RADAM_DTYPE_F64,
            Dtype::F32 => RADAM_DTYPE_F32,
            Dtype::F16 => RADAM_DTYPE_F16,
            Dtype::Bf16 => RADAM_DTYPE_BF16,
        }
    }

    /// The nearest value of this dtype.
    pub fn round(self, value: f64) -> f64 {
        match self {
            Dtype::F64 => value,
            Dtype::F32 => (value as f32).into(),
            Dtype::F16 => nearest(value, 11, -14),
            Dtype::Bf16 => nearest(value, 8, -126),
        }
    }

    /// Half a unit in the last place of 1: the relative error that rounding to this dtype brings.
    pub fn rounding_error(self) -> f64 {
        match self {
            Dtype::F64 => 2f64.powi(-53),
            Dtype::F32 => 2f64.powi(-24),
            Dtype::F16 => 2f64.powi(-11),
            Dtype::Bf16 => 2f64.powi(-8),
        }
    }
}

/// The nearest number of so many bits whose exponent is not too small; of two, the one whose last bit
/// is 0. `half` would take what is only near the middle for the middle, since it looks at the upper 32
/// bits of an f64.
fn nearest(value: f64, bits: i32, smallest_exponent: i32) -> f64 {
    let exponent = (value.to_bits() >> 52 & 0x7ff) as i32 - 1023;
    let last_place = 2f64.powi(exponent.max(smallest_exponent) - (bits - 1));
    (value / last_place).round_ties_even() * last_place
}

/// One set of hyperparameters: a line of `sets.txt`.
#[derive(Clone, Debug)]
pub struct Set {
    pub name: String,
    seed: u64,
    pub max_lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    l2: f64,
    decoupled: f64,
    fully_decoupled: f64,
    grad_exponent: i32,
    pub scheduled: bool,
    pub rectify: bool,
    pub maximize: bool,
    /// Parameters move in every n-th step only.
    pub accumulate: u64,
    /// Steps are rectified while ρ is above it.
    pub threshold: f64,
    /// Whether parameters move in steps that are not rectified.
    pub unrectified: bool,
}

impl Set {
    fn parse(seed: usize, line: &str) -> Set {
        let column: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(column.len(), 15, "{line}");
        let real = |index: usize| column[index].parse::<f64>().unwrap();
        Set {
            name: column[0].into(),
            seed: seed as u64,
            max_lr: real(1),
            beta1: real(2),
            beta2: real(3),
            eps: real(4),
            l2: real(5),
            decoupled: real(6),
            fully_decoupled: real(7),
            grad_exponent: column[8].parse().unwrap(),
            scheduled: column[9] == "warmup",
            rectify: column[10] == "on",
            maximize: column[11] == "on",
            accumulate: column[12].parse().unwrap(),
            threshold: real(13),
            unrectified: column[14] == "on",
        }
    }

    pub fn weight_decay(&self, decay: Decay) -> f64 {
        match decay {
            Decay::None => 0.0,
            Decay::L2 => self.l2,
            Decay::Decoupled => self.decoupled,
            Decay::FullyDecoupled => self.fully_decoupled,
        }
    }

    /// A linear warm-up, then smoothly down to zero.
    pub fn lr_at(&self, step: u64) -> f64 {
        let warmup = 50;
        if !self.scheduled {
            self.max_lr
        } else if step <= warmup {
            self.max_lr * step as f64 / warmup as f64
        } else {
            let x = (step - warmup) as f64 / (STEPS - warmup) as f64;
            self.max_lr * (1.0 - x * x * (3.0 - 2.0 * x))
        }
    }

    pub fn updates_at(&self, step: u64) -> bool {
        step.is_multiple_of(self.accumulate)
    }

    /// Whether the set is one that optimi and torch know; they rectify above 5 and never wait.
    pub fn is_usual(&self) -> bool {
        self.threshold == 5.0 && self.unrectified
    }

    /// Whether gradients and their squares are normal numbers of this dtype.
    pub fn fits(&self, dtype: Dtype) -> bool {
        dtype != Dtype::F16 || (-6..8).contains(&self.grad_exponent)
    }

    pub fn draw(&self, stream: u64, step: u64, element: usize) -> u64 {
        splitmix64(self.seed << 48 | stream << 40 | step << 16 | element as u64)
    }

    pub fn initial_params(&self) -> Vec<f64> {
        let param = |element| {
            let bits = self.draw(0, 0, element);
            let magnitude = (64 + bits % 192) as f64 * 2f64.powi(-7 - ((bits >> 32) % 4) as i32);
            if bits >> 40 & 1 == 1 { -magnitude } else { magnitude }
        };
        (0..LEN).map(param).collect()
    }

    pub fn grads(&self, step: u64) -> Vec<f64> {
        let grad = |element| {
            let mean = (self.draw(1, 0, element) % 81) as f64 - 40.0;
            let noise = (self.draw(2, step, element) % 161) as f64 - 80.0;
            (mean + noise) * 2f64.powi(self.grad_exponent - 7)
        };
        (0..LEN).map(grad).collect()
    }
}

fn splitmix64(x: u64) -> u64 {
    let mut x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

pub fn sets() -> Vec<Set> {
    let text = read("sets.txt");
    text.lines().skip(2).enumerate().map(|(seed, line)| Set::parse(seed, line)).collect()
}

pub fn set(name: &str) -> Set {
    sets().into_iter().find(|set| set.name == name).unwrap()
}

/// One file of reference vectors.
pub struct Vectors {
    blocks: BTreeMap<String, Trajectory>,
}

impl Vectors {
    pub fn read(file: &str) -> Vectors {
        let mut blocks: BTreeMap<String, Trajectory> = BTreeMap::new();
        let mut key = String::new();
        for line in read(file).lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            match words.next().unwrap().parse::<u64>() {
                Err(_) => key = line.into(),
                Ok(step) => {
                    let dtype =
                        DTYPES.into_iter().find(|dtype| key.starts_with(dtype.name())).unwrap();
                    let values =
                        words.map(|word| dtype.value(u64::from_str_radix(word, 16).unwrap()));
                    blocks.entry(key.clone()).or_default().insert(step, values.collect());
                }
            }
        }
        Vectors { blocks }
    }

    pub fn get(&self, dtype: Dtype, kahan: bool, set: &Set, decay: Decay) -> Option<&Trajectory> {
        let summation = if kahan { "kahan" } else { "plain" };
        self.blocks.get(&format!("{} {summation} {} {}", dtype.name(), set.name, decay.name()))
    }
}

pub fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
