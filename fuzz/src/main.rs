//! Runs random sequences in a process of its own, so that a crash or a hang has a seed too, and shrinks what fails.
//!
//!     radam-fuzz SECONDS [SEED]     runs sequences from this seed on (else: from one that is new each time)
//!     radam-fuzz --replay FILE...   runs sequences that were written to files

use radam_fuzz::calls::clean_up;
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
    clean_up();
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
    clean_up();
}

/// Watches a process that works, and shrinks the sequence in which it ends early.
fn fuzz(seconds: u64, first: u64) -> ExitCode {
    let mut worker = this_program(&["--worker", &seconds.to_string(), &first.to_string()]);
    let mut worker = worker.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
    let (sender, receiver) = channel();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let (mut seed, mut reported) = (first, Instant::now());
    let end = loop {
        match receiver.recv_timeout(HANGS_AFTER) {
            Ok(line) => match line.strip_prefix("calls ") {
                Some(calls) => break Some(calls.to_owned()),
                None => seed = number(&line),
            },
            Err(RecvTimeoutError::Timeout) => {
                let _ = worker.kill();
            }
            Err(RecvTimeoutError::Disconnected) => break None,
        }
        if reported.elapsed().as_secs() >= 30 {
            reported = Instant::now();
            println!("{} sequences", seed - first);
        }
    };
    let status = worker.wait().unwrap();
    if let Some(calls) = end.filter(|_| status.success()) {
        println!("{} sequences from seed {first} on, {calls} calls: nothing found", seed + 1 - first);
        return ExitCode::SUCCESS;
    }
    println!("seed {seed} fails ({status}); this takes a while to shrink");
    let shrunk = shrink(Sequence::random(seed), &mut |sequence| !output_of(sequence).1);
    println!("{}\nradam-fuzz --replay runs this:\n\n{shrunk}", output_of(&shrunk).0);
    ExitCode::FAILURE
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
