//! Runs random sequences in a process of its own, so that a crash or a hang has a seed too, and shrinks what fails.
//!
//!     radam-fuzz SECONDS [SEED]     runs sequences from this seed on (else: from one that is new each time), in turn
//!                                   with each instruction set of the machine, or with what RADAM_ISA names
//!     radam-fuzz --replay FILE...   runs sequences that were written to files

use radam_fuzz::can_create;
use radam_fuzz::sequence::Sequence;
use radam_fuzz::shrink::shrink;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, process, thread};

/// A sequence takes milliseconds, with AddressSanitizer on a busy machine too.
const HANGS_AFTER: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--replay", ref files @ ..] if !files.is_empty() => replay(files),
        ["--create"] => return if can_create() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        ["--worker", seconds, seed] => work(number(seconds), number(seed)),
        [seconds] => return fuzz(number(seconds), new_seed()),
        [seconds, seed] => return fuzz(number(seconds), number(seed)),
        _ => {
            eprintln!("radam-fuzz SECONDS [SEED], or radam-fuzz --replay FILE...");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is not a number"))
}

fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(1, |now| now.as_millis() as u64) << 24
}

fn replay(files: &[&str]) {
    for file in files {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        Sequence::parse(&text).unwrap_or_else(|| panic!("{file} is no sequence")).run();
    }
}

/// Runs sequences and prints the seed of each before it begins, and at the end the number of calls.
fn work(seconds: u64, first: u64) {
    let (start, mut calls) = (Instant::now(), 0);
    for seed in first.. {
        if start.elapsed().as_secs() >= seconds {
            println!("calls {calls}");
            break;
        }
        println!("{seed}");
        let sequence = Sequence::random(seed);
        calls += sequence.0.len();
        sequence.run();
    }
}

/// Fuzzes with every instruction set of the machine, or with the one that RADAM_ISA names.
fn fuzz(seconds: u64, first: u64) -> ExitCode {
    let only = env::var("RADAM_ISA").ok();
    let mut sets = vec!["portable", "avx2", "avx512", "avx512vbmi", "neon"];
    sets.retain(|set| only.as_deref().is_none_or(|only| only == *set) && is_available(set));
    if sets.is_empty() {
        println!("RADAM_ISA names no instruction set of this machine");
        return ExitCode::FAILURE;
    }
    for (index, set) in sets.iter().enumerate() {
        // SAFETY: no other thread is running.
        unsafe { env::set_var("RADAM_ISA", set) };
        let first = first + ((index as u64) << 20);
        if let Err(seed) = watch(set, seconds.div_ceil(sets.len() as u64), first) {
            report(seed);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn is_available(set: &str) -> bool {
    let outcome = this_program(&["--create"]).env("RADAM_ISA", set).output();
    outcome.is_ok_and(|output| output.status.success())
}

/// Watches a process that works, and returns the seed of the sequence in which it ends early.
fn watch(set: &str, seconds: u64, first: u64) -> Result<(), u64> {
    let mut worker = this_program(&["--worker", &seconds.to_string(), &first.to_string()]);
    let mut worker = worker.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    let (sender, receiver) = channel();
    let reader =
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let (mut seed, mut calls, mut reported) = (first, None, Instant::now());
    loop {
        match receiver.recv_timeout(HANGS_AFTER) {
            Ok(line) => match line.strip_prefix("calls ") {
                Some(count) => calls = Some(number(count)),
                None => seed = number(&line),
            },
            Err(RecvTimeoutError::Timeout) => worker.kill().unwrap(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if reported.elapsed().as_secs() >= 60 {
            reported = Instant::now();
            println!("{set}: {} sequences", seed - first);
        }
    }
    let _ = reader.join();
    let status = worker.wait().unwrap();
    let Some(calls) = calls.filter(|_| status.success()) else {
        println!("{set}: seed {seed} fails ({status})");
        return Err(seed);
    };
    println!(
        "{set}: {} sequences from seed {first} on, {calls} calls: nothing found",
        seed + 1 - first
    );
    Ok(())
}

/// Shrinks the sequence of a seed, and prints what is left.
fn report(seed: u64) {
    println!("shrinking it takes a while");
    let shrunk = shrink(Sequence::random(seed), &mut |sequence| !output_of(sequence).1);
    println!("{}\nradam-fuzz --replay runs this:\n\n{shrunk}", output_of(&shrunk).0);
}

fn this_program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(arguments);
    command
}

/// What running a sequence in a process of its own prints, and whether it succeeds.
fn output_of(sequence: &Sequence) -> (String, bool) {
    let path = env::temp_dir().join(format!("radam-fuzz-{}.txt", process::id()));
    fs::File::create(&path).unwrap().write_all(sequence.to_string().as_bytes()).unwrap();
    let replay = this_program(&["--replay", path.to_str().unwrap()]).output().unwrap();
    fs::remove_file(&path).unwrap();
    (String::from_utf8_lossy(&replay.stderr).into_owned(), replay.status.success())
}
