//! The table of results, and the page with it.

use crate::case::{Case, Outcome};
use crate::machine;
use std::ffi::CStr;
use std::fmt::Write;

/// What has been measured.
#[derive(Default)]
pub struct Report {
    rows: Vec<[String; COLUMNS.len()]>,
    /// Findings that no row shows.
    notes: Vec<String>,
}

const COLUMNS: [&str; 8] =
    ["case", "reported", "median", "quartiles", "goal", "", "ns per element", "reference"];

impl Report {
    pub fn add(&mut self, case: &Case, outcome: &Outcome) {
        let value = |ratio| case.quantity.of(ratio, outcome.median.reference);
        let mut quartiles = outcome.quartiles.map(value);
        quartiles.sort_by(f64::total_cmp); // where small ratios are large values
        let [low, high] = quartiles.map(|value| case.quantity.format(value));
        let nanoseconds = |seconds: f64| format!("{:.4}", seconds * 1e9 / case.elements as f64);
        self.rows.push([
            case.title.clone(),
            case.meaning.clone(),
            case.quantity.format(value(outcome.ratio)),
            format!("{low} – {high}"),
            case.goal.format(case.quantity),
            mark(case.goal.is_met(value(outcome.ratio))).to_owned(),
            nanoseconds(outcome.median.ours),
            nanoseconds(outcome.median.reference),
        ]);
    }

    /// Adds a finding, and whether it meets its goal.
    pub fn note(&mut self, text: String, is_good: Option<bool>) {
        self.notes.push(format!("{text} {}", mark(is_good)).trim_end().to_owned());
    }

    /// Adds in how many rounds other programs were busy, which mostly hits two threads.
    pub fn note_disturbances(&mut self, share: f64) {
        let text = format!("Rounds in which other programs were busy: {:.1} %", 100.0 * share);
        self.note(text, Some(share <= 0.05));
    }

    /// The table in Markdown, aligned, so that it can be read as it is.
    pub fn table(&self) -> String {
        let header = COLUMNS.map(str::to_owned);
        let widths: [usize; COLUMNS.len()] = std::array::from_fn(|column| {
            let cells = self.rows.iter().chain([&header]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        });
        let line = |cells: &[String; COLUMNS.len()]| {
            let cells = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} |"));
            format!("|{}\n", cells.collect::<String>())
        };
        let rule = widths.map(|width| "-".repeat(width));
        let mut table =
            [&header, &rule].into_iter().chain(&self.rows).map(line).collect::<String>();
        for note in &self.notes {
            write!(table, "\n- {note}").expect("strings can be written to");
        }
        table.push('\n');
        table
    }

    /// The page for the repository.
    pub fn page(&self) -> String {
        format!(
            "# Measured against the limits of the machine\n\n\
             radam {version}, {date}: {processor}, {cores} cores, {instruction_set}. \
             `make bench` writes this page.\n\n\
             ![Nanoseconds per element over the size of the tensor](bench.svg)\n\n{EXPLANATION}\n\n{table}",
            version = version(),
            date = machine::date(),
            processor = machine::processor(),
            cores = machine::cores(),
            instruction_set = machine::instruction_set_in_use(),
            table = self.table(),
        )
    }
}

/// The version of the library.
fn version() -> String {
    // SAFETY: it is a string that lives as long as the library.
    unsafe { CStr::from_ptr(radam::ffi::radam_version_string()) }.to_string_lossy().into_owned()
}

const EXPLANATION: &str = "\
Each row compares two things that take turns in one process, and tells the median of the ratio of their
times and its quartiles; the nanoseconds, medians too, are of this machine in this hour. A roof is a loop
with the memory traffic of a step and no arithmetic, on as many threads; its bytes are those that an element
takes to read and write. Square root + division is a loop of nothing else, over data in the first-level
cache. Nanoseconds at 3.6 GHz take it that such a pair takes one cycle, as on Zen 4, or with 8-bit state count
cycles by a chain of multiplications. Rounds in which other programs used more than 5 % of the processors are
run again, at most as many as there are rounds.";

fn mark(is_met: Option<bool>) -> &'static str {
    match is_met {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "",
    }
}
