//! Runs the cases: criterion decides how often, a duel measures, and a row of the table reports the result.

use crate::case::{Case, Outcome};
use crate::duel::{Duel, Round};
use crate::load::Disturbances;
use crate::ratio::Ratio;
use crate::report::Report;
use criterion::{Criterion, SamplingMode};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Measures a reference, which comes first, against the library.
pub type Measure<'a> = &'a mut dyn FnMut(&mut dyn FnMut(), &mut dyn FnMut());

pub struct Bench {
    criterion: Criterion<Ratio>,
    /// Where criterion writes its estimates.
    folder: PathBuf,
    /// Parts of the names of the cases to run; all if there are none.
    selection: Vec<String>,
    pub report: Report,
    pub disturbances: Disturbances,
}

const GROUP: &str = "radam";
/// Criterion makes two rounds or more for a sample if the measurement is this much longer than one
/// round for each.
const ROUNDS_PER_SAMPLE: f64 = 1.5;

impl Bench {
    pub fn new(selection: Vec<String>) -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let folder = program.with_extension("criterion");
        // Without those of the last run criterion has nothing to compare with: what counts here is
        // the reference, not the last run.
        let _ = fs::remove_dir_all(&folder);
        let criterion = Criterion::default()
            .with_measurement(Ratio)
            .output_directory(&folder)
            .warm_up_time(Duration::from_nanos(1)); // one round: a duel warms up by itself
        Self {
            criterion,
            folder,
            selection,
            report: Report::default(),
            disturbances: Disturbances::default(),
        }
    }

    /// Runs a case if it is wanted, and reports it. `setup` makes what is to be measured and hands it
    /// over.
    pub fn compare(&mut self, case: &Case, setup: impl FnOnce(Measure)) -> Option<Outcome> {
        let outcome = self.run(case, setup)?;
        self.report.add(case, &outcome);
        Some(outcome)
    }

    /// The same without a row of the table.
    pub fn run(&mut self, case: &Case, setup: impl FnOnce(Measure)) -> Option<Outcome> {
        if !self.wants(&case.name) {
            return None;
        }
        let mut outcome = None;
        setup(&mut |reference, ours| outcome = Some(self.measure(case, reference, ours)));
        outcome
    }

    fn wants(&self, name: &str) -> bool {
        self.selection.is_empty() || self.selection.iter().any(|part| name.contains(part))
    }

    pub fn is_whole(&self) -> bool {
        self.selection.is_empty()
    }

    fn measure(
        &mut self,
        case: &Case,
        reference: &mut dyn FnMut(),
        ours: &mut dyn FnMut(),
    ) -> Outcome {
        let mut duel = Duel::new(reference, ours, case.pause);
        let start = Instant::now();
        duel.round(2);
        let turns = start.elapsed() / 2;
        let samples = if turns > Duration::from_millis(20) { 20 } else { 40 };
        let shortest = turns.mul_f64(samples as f64 * ROUNDS_PER_SAMPLE);

        let mut rounds = Vec::new();
        let mut repeats = samples;
        let disturbances = &mut self.disturbances;
        let mut group = self.criterion.benchmark_group(GROUP);
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(samples)
            .measurement_time(shortest.max(Duration::from_millis(800)));
        group.bench_function(&case.name, |bencher| {
            bencher.iter_custom(|turns| {
                let mut none = 0;
                let repeats = if rounds.is_empty() { &mut none } else { &mut repeats };
                let round = disturbances.measure(repeats, || duel.round(turns));
                rounds.push(round);
                turns as f64 * round.ours / round.reference
            });
        });
        group.finish();

        let rounds = &rounds[rounds.len() - samples..]; // the one before was criterion's warm-up
        let median = Round {
            reference: median(rounds.iter().map(|round| round.reference)),
            ours: median(rounds.iter().map(|round| round.ours)),
        };
        let [ratio, quartiles @ ..] =
            estimates(&self.folder.join(GROUP).join(&case.name).join("new"));
        Outcome { ratio, quartiles, median }
    }
}

/// The median and the quartiles of what criterion has measured last in a folder.
fn estimates(folder: &Path) -> [f64; 3] {
    let read = |name: &str| -> serde_json::Value {
        let text = fs::read_to_string(folder.join(name)).expect("criterion's estimates");
        serde_json::from_str(&text).expect("estimates as criterion writes them")
    };
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let median = number(&read("estimates.json")["median"]["point_estimate"]);
    // Criterion keeps Tukey's fences: the inner two are the quartiles, moved outwards by 1.5 times
    // what is between the quartiles.
    let fences = read("tukey.json");
    let [low, high] = [number(&fences[1]), number(&fences[2])];
    let moved = 1.5 * (high - low) / 4.0;
    [median, low + moved, high - moved]
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
