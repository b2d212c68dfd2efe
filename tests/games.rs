//! The games in `examples/games` run with an installed library, and what plays in them learns.

mod common;
#[path = "games/godot.rs"]
mod godot;
#[allow(dead_code)] // tests/install.rs uses all of it
#[path = "install/prefix.rs"]
mod prefix;

use common::{repository, scratch_dir, skip, succeed, text};
use std::fs;
use std::path::Path;
use std::process::Command;

fn is_in_path(program: &str) -> bool {
    let found = Command::new("sh").arg("-c").arg(format!("command -v {program}")).output();
    found.is_ok_and(|output| output.status.success())
}

/// Plays the LÖVE game without a screen, and returns what it prints.
fn play_love(library: &Path, arguments: &str) -> String {
    let display = "xvfb-run -a -s '-screen 0 1280x800x24'";
    let love = format!("env LD_LIBRARY_PATH={} love", library.display());
    let command = format!("timeout 300 {display} {love} examples/games/love --seed 1 {arguments}");
    let mut play = Command::new("sh");
    play.arg("-c").arg(command).current_dir(repository());
    play.env_remove("RADAM_LIBRARY").env("LIBGL_ALWAYS_SOFTWARE", "1");
    let output = text(&succeed(&mut play));
    println!("{arguments}\n{output}"); // for `-- --nocapture`
    output
}

/// The number that follows `word`.
fn number(output: &str, word: &str) -> f64 {
    let (_, after) = output.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {output}"));
    after.split([' ', ',', '\n']).next().unwrap().parse().unwrap()
}

#[test]
fn love() {
    for program in ["love", "xvfb-run"] {
        if !is_in_path(program) {
            return skip(&format!("examples/games/love, which needs {program}"));
        }
    }
    let library = prefix::install("games-love").join("lib");
    fish_learn_within_the_budget(&library);
    slices_do_not_change_the_weights(&library);
}

fn fish_learn_within_the_budget(library: &Path) {
    let picture = scratch_dir("games").join("love.png");
    let _ = fs::remove_file(&picture);
    let shot = format!("--screenshot {}", picture.display());
    let output = play_love(library, &format!("--frames 6000 --speed 60 --budget 0.1 {shot}"));
    let at_last = |word| number(output.split_once(word).unwrap().1, "at first, ");
    assert!(at_last("eaten") > 1.5 * number(&output, "eaten "), "{output}");
    assert!(at_last("stung") < 0.5 * number(&output, "stung "), "{output}");
    assert_eq!(number(&output, "steps "), 500.0, "{output}");
    // The median, since a busy machine takes the processor away in the middle of some slices.
    assert!(number(&output, "median slice ") <= number(&output, "budget "), "{output}");

    let png = fs::read(&picture).unwrap();
    let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!((&png[1..4], size(16), size(20)), (&b"PNG"[..], 1060, 560));
    assert!(png.len() > 30_000, "a picture of {} bytes shows next to nothing", png.len());
}

/// With next to no budget a slice is one chunk, with a large one the whole step. One step begins in the last frame.
fn slices_do_not_change_the_weights(library: &Path) {
    let play = |budget| play_love(library, &format!("--frames 1200 --speed 100 --budget {budget}"));
    let (small, large) = (play("0.00001"), play("1000"));
    let weights = |output: &str| output.split_once("weights ").unwrap().1.to_owned();
    assert_eq!(weights(&small), weights(&large));
    let (steps, chunks) = (number(&small, "steps "), number(&small, "chunks "));
    assert!(chunks > 4.0, "{small}");
    assert_eq!(number(&small, "slices "), chunks * (steps - 1.0), "{small}");
    assert_eq!(number(&large, "slices "), steps - 1.0, "{large}");
}
