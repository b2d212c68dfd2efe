//! What the documents say of rectification and of 8-bit state is seen in small versions of the experiments.

mod common;

use common::{Link, build_cpp_with, read, repository, scratch_dir, succeed};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn build(study: &str) -> PathBuf {
    let flags = "-O3 -fopenmp-simd -Wno-unknown-pragmas";
    build_cpp_with(flags, &[&format!("examples/{study}/{study}.cpp")], Link::Shared)
}

/// Returns the folder of the results.
fn run(program: &Path, threads: u32) -> PathBuf {
    let name = program.file_name().unwrap().to_str().unwrap();
    let folder = scratch_dir("studies").join(format!("{name}-{threads}"));
    fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(program);
    command.current_dir(repository()).arg(&folder).args(["small", &threads.to_string()]);
    succeed(&mut command);
    folder
}

fn read_result(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

/// The numbers that the cells of the tables begin with, NaN where they do not, without the heads.
fn rows(tables: &str) -> Vec<Vec<f64>> {
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| |");
    let first_word = |cell: &str| cell.split_whitespace().next().map(str::to_owned);
    let number =
        |cell: &str| first_word(cell).and_then(|word| word.parse().ok()).unwrap_or(f64::NAN);
    let cells = |line: &str| line.trim_matches('|').split('|').map(number).collect();
    tables.lines().filter(is_row).map(cells).collect()
}

/// The program fails if theorem 1 does not hold for simple averages.
#[test]
fn rectification_holds_the_variance_and_allows_higher_learning_rates() {
    let folder = run(&build("lr_robustness"), 2);
    let variances = read_result(&folder, "variance.md");
    for table in variances.split("The library's").skip(1) {
        let steps: Vec<_> = rows(table).into_iter().filter(|row| row[0] >= 8.0).collect();
        assert_eq!(steps.len(), 9, "{table}");
        for row in &steps {
            let (variance, theorem, rectified) = (row[2], row[3], row[6]);
            assert!((variance / theorem - 1.0).abs() < 0.2, "theorem 1 is far off at {row:?}");
            let constant = (rectified / steps.last().unwrap()[6] - 1.0).abs() < 0.25;
            assert!(constant || row[0] < 20.0, "r ψ varies at {row:?}");
        }
    }

    let tables = read_result(&folder, "learning_rates.md");
    let digits = rows(
        tables.split("Digits, β2 = 0.999").nth(1).unwrap().split("Characters").next().unwrap(),
    );
    let at = |lr: f64| digits.iter().find(|row| row[0] == lr).unwrap();
    assert!(at(0.3)[1] < 1.0 && at(0.3)[2] > 2.0, "{tables}");
    assert!(at(0.001)[1] > at(0.001)[2], "RAdam is the slower one at low rates: {tables}");
    for picture in ["learning_rates_0.99.svg", "learning_rates_0.999.svg", "variance.svg"] {
        assert!(read_result(&folder, picture).ends_with("</svg>\n"), "{picture}");
    }
}

/// The program fails if the mean loss with 8 bits differs from that with f32 by more than seeds do.
#[test]
fn eight_bits_train_as_f32_and_results_do_not_depend_on_threads() {
    let program = build("q8");
    let (one, three) = (run(&program, 1), run(&program, 3));
    for file in ["losses.md", "losses.svg", "tracking.md"] {
        assert!(read_result(&one, file) == read_result(&three, file), "{file}");
    }
    let tracking = read_result(&one, "tracking.md");
    let errors = rows(&tracking);
    let (alike, wide, sparse) = (&errors[1], &errors[2], &errors[3]);
    assert!(alike[1] < 6.0 && alike[4] < 6.5, "{tracking}");
    assert!(wide[1] < 15.0 && wide[4] < 15.0, "{tracking}");
    assert!(sparse[1] < 10.0 && sparse[4] < 10.0, "{tracking}");
    assert!(
        alike[5] > 20.0,
        "bf16 state with β2 = 0.999 is better than the documents say: {tracking}"
    );
}

/// The documents quote what the programs wrote.
#[test]
fn tables_of_the_documents_are_results() {
    let results = |study: &str, files: &[&str]| -> String {
        files.iter().map(|file| read(&format!("examples/{study}/results/{file}.md"))).collect()
    };
    let rectification = results("lr_robustness", &["learning_rates", "variance", "first_steps"]);
    let eight_bits = results("q8", &["losses", "tracking"]);
    let page = read("docs/q8.md");
    let how_good = page.split_once("## How good").unwrap().1.split_once("## What is").unwrap().0;
    for (document, results, least) in [
        (read("docs/rectification.md"), format!("{rectification}{eight_bits}"), 20),
        (how_good.to_owned(), eight_bits, 10),
    ] {
        let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| ")).collect();
        assert!(rows.len() >= least, "{} rows", rows.len());
        for row in rows {
            assert!(results.contains(row), "no result is {row}");
        }
    }
}
