//! How busy other programs keep the machine. While one has a core to itself, nobody can tell what
//! two threads are worth.

use std::fs;

/// What others may use of all processors without being noticed.
const UNNOTICED: f64 = 0.05;

/// Counts rounds of measurement, and those in which other programs were busy.
#[derive(Default)]
pub struct Disturbances {
    rounds: u32,
    disturbed: u32,
}

impl Disturbances {
    /// Measures a round, and again if other programs were busy, `repeats` permitting.
    pub fn measure<T>(&mut self, repeats: &mut usize, mut round: impl FnMut() -> T) -> T {
        loop {
            let before = Load::now();
            let measured = round();
            let load = before.zip(Load::now()).map(|(before, now)| now.of_others_since(&before));
            let disturbed = load.is_some_and(|load| load > UNNOTICED);
            if disturbed && *repeats > 0 {
                *repeats -= 1;
                continue;
            }
            self.rounds += 1;
            self.disturbed += u32::from(disturbed);
            return measured;
        }
    }

    /// The share of the rounds in which others were busy all the same.
    pub fn share(&self) -> f64 {
        f64::from(self.disturbed) / f64::from(self.rounds.max(1))
    }
}

/// The processor time since the machine started, in ticks, of all processors together.
#[derive(Clone, Copy)]
struct Load {
    all: i64,
    idle: i64,
    this_program: i64,
}

impl Load {
    /// The time until now, where the system tells.
    fn now() -> Option<Self> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let times = numbers(text.lines().next()?.strip_prefix("cpu ")?);
        let times = times.get(..8)?; // user, nice, system, idle, waiting, 2 kinds of interrupts, stolen
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        let own = numbers(text.rsplit_once(')')?.1); // behind the name of the program and a letter
        let this_program = own.get(10)? + own.get(11)?; // user, system
        Some(Self { all: times.iter().sum(), idle: times[3] + times[4], this_program })
    }

    /// How much of the machine's processors other programs have used since an earlier time.
    fn of_others_since(&self, earlier: &Self) -> f64 {
        let all = self.all - earlier.all;
        let idle = self.idle - earlier.idle;
        let this_program = self.this_program - earlier.this_program;
        (all - idle - this_program).max(0) as f64 / all.max(1) as f64
    }
}

fn numbers(text: &str) -> Vec<i64> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}
