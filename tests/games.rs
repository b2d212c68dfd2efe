//! The games in `examples/games` run with an installed library, and what plays in them learns.

mod common;
#[allow(dead_code)] // tests/install.rs uses all of it
#[path = "install/prefix.rs"]
mod prefix;

use common::{repository, scratch_dir, skip, succeed, target_dir, text};
use std::fs;
use std::path::{Path, PathBuf};
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

/// Builds the Godot game in a copy of its folder, where `bin` is expected, and returns the copy.
fn build_godot(headers: &Path) -> PathBuf {
    let radam = prefix::install("games-godot");
    let game = scratch_dir("games").join("godot");
    let _ = fs::remove_dir_all(&game);
    let source = repository().join("examples/games/godot");
    succeed(Command::new("cp").arg("-R").arg(source).arg(&game));
    let _ = fs::remove_dir_all(game.join("bin"));
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&game).arg("-B").arg(game.join("bin/build"));
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", radam.display()));
    configure.arg(format!("-DGDNATIVE_INCLUDE={}", headers.display()));
    configure.arg("-DCMAKE_CXX_FLAGS=-Werror");
    succeed(&mut configure);
    succeed(Command::new("cmake").arg("--build").arg(game.join("bin/build")));
    game
}

/// Runs Godot without a screen in the folder of the game, and returns what it prints.
fn run_godot(game: &Path, arguments: &str) -> String {
    let mut run = Command::new("timeout");
    run.args(["120", "godot3-server", "--path"]).arg(game).args(arguments.split(' '));
    run.env("XDG_DATA_HOME", game.join("user")); // of user://
    let output = text(&succeed(&mut run));
    println!("{arguments}\n{output}"); // for `-- --nocapture`
    assert!(!output.contains("SCRIPT ERROR"), "{output}");
    output
}

#[test]
fn godot() {
    for program in ["godot3-server", "cmake"] {
        if !is_in_path(program) {
            return skip(&format!("examples/games/godot, which needs {program}"));
        }
    }
    let headers = target_dir().join("engines/godot");
    if !headers.join("gdnative_api_struct.gen.h").exists() {
        return skip(&format!("examples/games/godot, which needs {}", headers.display()));
    }
    let game = build_godot(&headers);
    bees_learn_within_the_budget(&game);
    modes_do_not_change_the_weights(&game);
    let misuse = repository().join("tests/games/misuse.gd");
    let output = run_godot(&game, &format!("-s {}", misuse.display()));
    assert_eq!(number(&output, "failures "), 0.0, "{output}");
    let threads = repository().join("tests/games/threads.gd");
    let output = run_godot(&game, &format!("-s {}", threads.display()));
    assert!(output.contains("calls on threads done"), "{output}");
}

fn bees_learn_within_the_budget(game: &Path) {
    let output = run_godot(game, "--seed=1 --frames=6000 --speed=100 --budget=100");
    let at_first = number(&output, "found ");
    let at_last = number(output.split_once("found ").unwrap().1, "at first, ");
    assert!(at_last > 5.0 && at_last > 3.0 * at_first, "{output}");
    assert_eq!(number(&output, "steps "), 500.0, "{output}");
    // The median, since a busy machine takes the processor away in the middle of some slices.
    assert!(number(&output, "median slice ") <= number(&output, "budget "), "{output}");
}

/// With next to no budget a step takes several slices. On threads its chunks are stepped one by one.
fn modes_do_not_change_the_weights(game: &Path) {
    let play = |mode| run_godot(game, &format!("--seed=2 --frames=600 --speed=100 {mode}"));
    let whole = play("--mode=whole");
    let slices = play("--mode=slices --budget=1");
    let threads = play("--mode=threads");
    assert!(number(&slices, "slices ") >= 2.0 * number(&slices, "steps "), "{slices}");
    assert!(number(&threads, "chunks on threads ") > number(&threads, "steps "), "{threads}");
    for output in [&whole, &slices, &threads] {
        assert_eq!(number(output, "steps "), 50.0, "{output}");
        assert_eq!(number(output, "weights "), number(&whole, "weights "), "{output}");
    }
}
