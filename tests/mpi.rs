//! `examples/mpi`: training on several processes, with Open MPI. Results are the same bits on any number of ranks, and
//! through any interruption.

mod common;

use common::{
    Link, build_cpp, has_program, read, release_dir, repository, scratch_dir, skip, succeed, text,
    unique_number,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// Builds a program of this repository, or skips what needs it.
fn build(source: &str) -> Option<PathBuf> {
    for program in ["mpicxx", "mpirun"] {
        if !has_program(program) {
            skip(&format!("{source}, which needs {program} (libopenmpi-dev, openmpi-bin)"));
            return None;
        }
    }
    let library = release_dir();
    let program = scratch_dir("mpi").join(Path::new(source).file_stem().unwrap());
    let unfinished = program.with_extension(unique_number());
    let mut compile = Command::new("mpicxx");
    compile.current_dir(repository()).args(["-std=c++17", "-O3", "-ffp-contract=off"]);
    compile.args(["-fopenmp-simd", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    compile.args(["-Wno-unknown-pragmas", "-Iinclude", source, "-o"]).arg(&unfinished).arg("-L");
    compile.arg(library).arg("-lradam").arg(format!("-Wl,-rpath,{}", library.display()));
    succeed(&mut compile);
    fs::rename(unfinished, &program).unwrap();
    Some(program)
}

/// On this machine, whatever its number of cores, and also where root runs the tests.
fn mpirun(ranks: usize, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "--bind-to", "none", "--allow-run-as-root", "-n"]);
    command.arg(ranks.to_string());
    // In many containers, no process may read another's memory.
    command.env("OMPI_MCA_btl_vader_single_copy_mechanism", "none").arg(program).args(arguments);
    command.current_dir(repository()).env_remove("LD_LIBRARY_PATH").env("TMPDIR", sessions());
    command
}

/// A folder for what mpirun keeps while it runs. One that ends removes the folder of all sessions while another makes its own in
/// it, so each test has one.
fn sessions() -> PathBuf {
    let folder = scratch_dir("mpi").join(unique_number());
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(ranks: usize, program: &Path, arguments: &[&str]) -> String {
    text(&succeed(&mut mpirun(ranks, program, arguments)))
}

/// An empty folder for checkpoints.
fn new_folder(name: &str) -> PathBuf {
    let folder = scratch_dir("mpi").join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// The steps, losses and norms that a run printed, without its times.
fn losses(output: &str) -> Vec<&str> {
    let lines = output.lines().filter(|line| line.starts_with("step "));
    lines.map(|line| line.split_once(';').unwrap().0).collect()
}

/// The last line: a hash of all parameters.
fn parameters(output: &str) -> &str {
    output
        .lines()
        .find(|line| line.starts_with("parameters "))
        .unwrap_or_else(|| panic!("{output}"))
}

#[test]
fn any_number_of_ranks_trains_to_the_bits_of_one_process() {
    let Some(zero1) = build("examples/mpi/zero1.cpp") else { return };
    let Some(one_process) = build("tests/mpi/one_process.cpp") else { return };
    let mut alone = Command::new(one_process);
    let expected = text(&succeed(alone.arg("40").current_dir(repository())));
    let outputs = [1, 2, 3, 4, 8].map(|ranks| run(ranks, &zero1, &["40"]));
    for output in &outputs {
        assert_eq!(losses(output), losses(&outputs[0]));
        assert_eq!(parameters(output), parameters(&expected));
    }
    let losses = losses(&outputs[0]);
    assert_eq!(losses.len(), 4);
    assert!(losses[0].contains("clipped") && !losses[3].contains("clipped"), "{losses:?}");
    draws_both(&outputs[0], &outputs[3]);
    let loss = |line: &str| line.split_whitespace().nth(5).unwrap().parse::<f64>().unwrap();
    assert!(loss(losses[0]) > 4.5 && loss(losses[3]) < 3.5, "{losses:?}");
}

/// What `make mpi` does at its end.
fn draws_both(one: &str, four: &str) {
    let folder = scratch_dir("mpi");
    fs::write(folder.join("1.txt"), one).unwrap();
    fs::write(folder.join("4.txt"), four).unwrap();
    let mut plot = Command::new(build_cpp(&["examples/mpi/plot_losses.cpp"], Link::Shared));
    let printed = text(&succeed(plot.current_dir(&folder).args(["1.txt", "4.txt", "losses.svg"])));
    assert_eq!(printed, "losses and parameters of 1 and 4 ranks: the same\n");
    let drawn = fs::read_to_string(folder.join("losses.svg")).unwrap();
    assert_eq!(drawn.matches("stroke-linejoin").count(), 2);
}

/// With f32 and 8-bit state, steps that clip and one that is skipped, and from checkpoints of other numbers of ranks.
#[test]
fn shards_step_and_load_as_the_whole() {
    let Some(sharded) = build("tests/mpi/sharded.cpp") else { return };
    for (savers, loaders) in [(1, 3), (3, 2), (4, 8), (8, 1)] {
        let folder = new_folder(&format!("sharded-{savers}"));
        let folder = folder.to_str().unwrap();
        run(savers, &sharded, &["new", folder]);
        run(loaders, &sharded, &["continue", folder]);
    }
}

/// The program of docs/scaling.md that sends gradients while the backward pass goes on.
#[test]
fn layers_stepped_in_the_backward_pass_have_the_bits_of_one_process() {
    let source = read("tests/mpi/overlap.cpp");
    let shown = source.split_once("// ---- As in docs/scaling.md\n").unwrap().1;
    let shown = shown.split_once("// ---- End").unwrap().0;
    assert!(read("docs/scaling.md").contains(&format!("```cpp\n{shown}```")), "{shown}");
    let Some(overlap) = build("tests/mpi/overlap.cpp") else { return };
    for ranks in 1..=4 {
        assert_eq!(run(ranks, &overlap, &[]), "the same bits\n".repeat(ranks));
    }
}

/// The step of the set that the manifest names, all of whose files are there.
fn complete_set(folder: &Path) -> Option<usize> {
    let manifest = fs::read_to_string(folder.join("manifest")).ok()?;
    let number = |key: &str| -> usize {
        let line = manifest.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{manifest}")).trim().parse().unwrap()
    };
    let (step, ranks) = (number("step"), number("ranks"));
    for rank in 0..ranks {
        for what in ["optimizer", "params"] {
            let file = folder.join(format!("step-{step}/{what}-{rank}-of-{ranks}"));
            assert!(file.exists(), "{} is missing", file.display());
        }
    }
    Some(step)
}

/// A random number below `limit`.
fn random(state: &mut u64, limit: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state % limit as u64) as usize
}

/// The ranks that mpirun has started.
fn ranks_of(mpirun: &Child) -> Vec<String> {
    let id = mpirun.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    children.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// Kills a rank a while after the folder of checkpoints has changed so many times: a save creates, renames and removes.
/// Returns false if the run ended before.
fn kill_a_rank(
    run: &mut Child,
    folder: &Path,
    changes: usize,
    delay: Duration,
    seed: &mut u64,
) -> bool {
    let modified = || fs::metadata(folder).unwrap().modified().unwrap();
    let (mut left, mut last, mut start) = (changes, modified(), Instant::now());
    while run.try_wait().unwrap().is_none() {
        if left > 0 && modified() != last {
            (left, last, start) = (left - 1, modified(), Instant::now());
        }
        let ranks = ranks_of(run);
        if left == 0 && start.elapsed() >= delay && !ranks.is_empty() {
            let id = &ranks[random(seed, ranks.len())];
            return Command::new("kill").args(["-9", id]).output().unwrap().status.success();
        }
        sleep(Duration::from_micros(300));
    }
    false
}

/// Ten times: on 1 to 4 ranks, at a random moment of one of the first saves, between two, or before.
#[test]
fn a_run_whose_ranks_are_killed_ends_with_the_bits_of_one_that_is_not() {
    let Some(zero1) = build("examples/mpi/zero1.cpp") else { return };
    const STEPS: &str = "60";
    let expected = run(1, &zero1, &[STEPS]);
    let folder = new_folder("killed");
    let path = folder.to_str().unwrap();
    let begin = || run(2, &zero1, &["2", path, "1"]);
    begin();
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let mut seed = nanos as u64 | 1;
    let (mut killed, mut went_on) = (0, 0);
    while killed < 10 {
        let (ranks, changes) = (1 + random(&mut seed, 4), random(&mut seed, 16));
        let delay = random(&mut seed, if changes == 0 { 1000 } else { 30 });
        let saved = complete_set(&folder).unwrap();
        let mut run = mpirun(ranks, &zero1, &[STEPS, path, "1"]);
        let mut run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let delay = Duration::from_millis(delay as u64);
        let was_killed = kill_a_rank(&mut run, &folder, changes, delay, &mut seed);
        let output = run.wait_with_output().unwrap();
        let printed = text(&output);
        println!(
            "{ranks} ranks, from {saved}, killed {was_killed} after {changes}, {delay:?}\n{printed}"
        );
        let first = format!("from step {} on", saved + 1);
        assert!(!printed.contains("from step ") || printed.contains(&first), "not {first}");
        if was_killed {
            assert!(!output.status.success());
            killed += 1;
            went_on += usize::from(printed.contains(&first));
        } else {
            assert_eq!(parameters(&printed), parameters(&expected));
            fs::remove_dir_all(&folder).unwrap();
            begin();
        }
    }
    assert!(went_on >= 5, "only {went_on} runs went on from a checkpoint");
    complete_set(&folder).unwrap();
    assert_eq!(parameters(&run(3, &zero1, &[STEPS, path, "100"])), parameters(&expected));
}

/// Every rank says what is wrong, and the run ends.
#[test]
fn every_rank_says_what_is_missing_or_damaged() {
    let Some(zero1) = build("examples/mpi/zero1.cpp") else { return };
    let folder = new_folder("damaged");
    let arguments = ["20", folder.to_str().unwrap(), "10"];
    run(3, &zero1, &arguments);
    assert_eq!(complete_set(&folder), Some(20));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "an earlier set is left");
    let fails = |ranks: usize, sentence: &str| {
        let output = mpirun(ranks, &zero1, &arguments).output().unwrap();
        let printed = text(&output);
        assert!(!output.status.success(), "{printed}");
        for rank in 0..ranks {
            let line = format!("zero1, rank {rank} of {ranks}: ");
            let said = printed.lines().find(|said| said.starts_with(&line));
            assert!(
                said.is_some_and(|said| said.contains(sentence)),
                "{line}{sentence}\n{printed}"
            );
        }
    };
    let set = folder.join("step-20");
    for (file, ranks) in [("optimizer-1-of-3", 2), ("params-2-of-3", 4)] {
        let (there, gone) = (set.join(file), set.join("gone"));
        fs::rename(&there, &gone).unwrap();
        fails(ranks, &format!("{file} is missing: the checkpoint has a shard of each of 3 ranks"));
        fs::rename(gone, there).unwrap();
    }
    let damage = |file: &str, sentence: &str| {
        let path = set.join(file);
        let sound = fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        fails(4, sentence);
        fs::write(&path, &sound[..last]).unwrap();
        fails(4, "");
        fs::write(&path, sound).unwrap();
    };
    damage("params-1-of-3", "are not those that were saved");
    damage("optimizer-0-of-3", "rank 0 failed: ");
    let manifest = folder.join("manifest");
    let sound = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, &sound[..12]).unwrap();
    fails(2, "manifest is not that of a checkpoint");
    fs::write(&manifest, sound.replace("118080", "118081")).unwrap();
    fails(2, "has 118081 parameters, and the model 118080");
    fs::write(&manifest, sound).unwrap();
    let output = mpirun(9, &zero1, &["1"]).output().unwrap();
    assert!(text(&output).contains("a step has work for 8 ranks, and there are 9"));
    run(4, &zero1, &arguments);
}

/// `make bench-mpi`, with few parameters and rounds; and what docs/scaling.md has of its results.
#[test]
fn benchmark() {
    let Some(phases) = build("benches/mpi/phases.cpp") else { return };
    let folder = new_folder("bench");
    let mut bench = Command::new("python3");
    bench.env("TMPDIR", sessions());
    bench.current_dir(repository()).arg("benches/mpi/scaling.py").arg(phases).arg(&folder);
    let output = text(&succeed(bench.args(["65536", "3"])));
    let written = fs::read_to_string(folder.join("scaling.md")).unwrap();
    assert_eq!(written.trim_end(), output.trim_end());
    for row in
        ["| reduce-scatter | 5.45 GB, ", "| all-gather | 4 | ", "| together | 24.9 GB | 15.6 GB | "]
    {
        assert!(output.contains(row), "no {row:?} in {output}");
    }
    let (docs, results) = (read("docs/scaling.md"), read("benches/results/scaling.md"));
    let rows: Vec<_> =
        docs.lines().filter(|line| line.contains(" ms") && line.starts_with("| ")).collect();
    assert!(rows.len() >= 8);
    for row in rows {
        assert!(results.contains(row), "benches/results/scaling.md has no {row:?}");
    }
}
