//! Bees that learn, in Godot 3 and in Godot 4, and the class RAdam that they learn by.

use crate::common::{repository, scratch_dir, skip, succeed, target_dir, text};
use crate::{is_in_path, number, prefix};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An engine, and its game in a copy of its folder, where `bin` is expected.
struct Godot {
    program: PathBuf,
    options: &'static [&'static str],
    game: PathBuf,
    /// What comes before the game's own options.
    separator: &'static str,
    /// The folder of the scripts that test the class.
    scripts: &'static str,
}

#[test]
fn godot3() {
    let headers = target_dir().join("engines/godot");
    let server = PathBuf::from("godot3-server");
    if !has_all("godot", &["godot3-server"], &headers.join("gdnative_api_struct.gen.h")) {
        return;
    }
    let game = build("godot", &format!("-DGDNATIVE_INCLUDE={}", headers.display()));
    let scripts = "tests/games/godot3";
    Godot { program: server, options: &[], game, separator: "", scripts }.test();
}

#[test]
fn godot4() {
    let engine = target_dir().join("engines/godot4");
    if !has_all("godot4", &[], &engine.join("gdextension_interface.h")) {
        return;
    }
    let program = engine.join("godot");
    let game = build("godot4", &format!("-DGDEXTENSION_INCLUDE={}", engine.display()));
    let scripts = "tests/games/godot4";
    Godot { program, options: &["--headless"], game, separator: "-- ", scripts }.test();
}

/// Whether the programs and the file that a game needs are here.
fn has_all(game: &str, programs: &[&str], file: &Path) -> bool {
    let program = programs.iter().chain(&["cmake"]).find(|program| !is_in_path(program));
    let missing = program
        .map(ToString::to_string)
        .or_else(|| (!file.exists()).then(|| file.display().to_string()));
    if let Some(missing) = &missing {
        skip(&format!("examples/games/{game}, which needs {missing}"));
    }
    missing.is_none()
}

/// Builds a game in a copy of both games, whose C++ is in the folder of one, and returns the copy.
fn build(name: &str, headers: &str) -> PathBuf {
    let radam = prefix::install(&format!("games-{name}"));
    let games = scratch_dir("games").join(name);
    let _ = fs::remove_dir_all(&games);
    fs::create_dir_all(&games).unwrap();
    for game in ["godot", "godot4"] {
        let source = repository().join("examples/games").join(game);
        succeed(Command::new("cp").arg("-R").arg(source).arg(&games));
        let _ = fs::remove_dir_all(games.join(game).join("bin"));
    }
    let game = games.join(name);
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&game).arg("-B").arg(game.join("bin/build"));
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", radam.display()));
    configure.args([headers, "-DCMAKE_CXX_FLAGS=-Werror"]);
    succeed(&mut configure);
    succeed(Command::new("cmake").arg("--build").arg(game.join("bin/build")));
    game
}

impl Godot {
    /// Runs the engine without a screen in the folder of the game, and returns what it prints.
    fn run(&self, arguments: &str) -> String {
        let mut run = Command::new("timeout");
        run.arg("120").arg(&self.program).args(self.options).arg("--path").arg(&self.game);
        run.args(arguments.split(' '));
        for folder in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            run.env(folder, self.game.join("user")); // user:// and the engine's own
        }
        let output = text(&succeed(&mut run));
        println!("{arguments}\n{output}"); // for `-- --nocapture`
        assert!(!output.contains("SCRIPT ERROR"), "{output}");
        output
    }

    fn play(&self, options: &str) -> String {
        self.run(&format!("{}{options}", self.separator))
    }

    fn test(&self) {
        self.bees_learn_within_the_budget();
        self.modes_do_not_change_the_weights();
        for script in ["misuse.gd", "threads.gd"] {
            let script = repository().join(self.scripts).join(script);
            let output = self.run(&format!("-s {}", script.display()));
            assert_eq!(number(&output, "failures "), 0.0, "{output}");
        }
    }

    fn bees_learn_within_the_budget(&self) {
        let output = self.play("--seed=1 --frames=6000 --speed=100 --budget=100");
        let at_first = number(&output, "found ");
        let at_last = number(output.split_once("found ").unwrap().1, "at first, ");
        assert!(at_last > 5.0 && at_last > 3.0 * at_first, "{output}");
        assert_eq!(number(&output, "steps "), 500.0, "{output}");
        // The median, since a busy machine takes the processor away in the middle of some slices.
        assert!(number(&output, "median slice ") <= number(&output, "budget "), "{output}");
    }

    /// With next to no budget a step takes several slices. On threads its chunks are stepped one by one.
    fn modes_do_not_change_the_weights(&self) {
        let play = |mode| self.play(&format!("--seed=2 --frames=600 --speed=100 {mode}"));
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
}
