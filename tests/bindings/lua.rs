//! `bindings/lua`, run by LuaJIT with an installed radam.

use crate::common::{self, read, repository, skip, succeed, text};
use crate::prefix;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the binding, without files that other runs left, and the folder of an installed library.
fn installed(name: &str) -> Option<(PathBuf, PathBuf)> {
    if !Command::new("luajit").arg("-v").output().is_ok_and(|output| output.status.success()) {
        skip(&format!("the Lua binding ({name}), which needs luajit"));
        return None;
    }
    let library = prefix::install(name).join("lib");
    let binding = prefix::new_dir(&format!("{name}-binding"));
    let mut copy = Command::new("cp");
    succeed(copy.arg("-r").arg(repository().join("bindings/lua/.")).arg(&binding));
    Some((binding, library))
}

/// Runs a program in a folder of the binding, as the README says.
fn luajit(folder: &Path, library: &Path, arguments: &str) -> String {
    let mut shell = Command::new("sh");
    let command = format!("LD_LIBRARY_PATH={} luajit {arguments}", library.display());
    let output = text(&succeed(shell.arg("-c").arg(command).current_dir(folder)));
    println!("{output}"); // for `-- --nocapture`
    output
}

#[test]
fn its_own_tests() {
    let Some((binding, library)) = installed("lua-tests") else { return };
    for compiler in ["", "-joff", "-Ohotloop=1 -Ohotexit=1"] {
        let output = luajit(&binding, &library, &format!("{compiler} tests/run.lua"));
        assert!(output.ends_with("43 tests, 0 failed\n"), "{output}");
    }
}

#[test]
fn digits() {
    let Some((binding, library)) = installed("lua-digits") else { return };
    let images = repository().join("examples/data/digits.csv");
    let arguments = format!("examples/train_digits.lua {}", images.display());
    let output = luajit(&binding, &library, &arguments);
    let (_, accuracy) = output.split_once("test accuracy ").unwrap();
    let accuracy: f64 = accuracy.trim_end_matches(" %\n").parse().unwrap();
    assert!(accuracy >= 95.0, "{output}");
    assert_eq!(output, luajit(&binding, &library, &arguments), "a second run printed otherwise");
}

/// The first programs of the README, for luajit and for LÖVE.
fn programs() -> [String; 2] {
    let readme = read("bindings/lua/README.md");
    let mut blocks =
        readme.split("```lua\n").skip(1).map(|block| block.split("```").next().unwrap());
    [(); 2].map(|()| blocks.next().unwrap().to_owned())
}

#[test]
fn the_program_in_the_readme() {
    let Some((binding, library)) = installed("lua-readme") else { return };
    fs::write(binding.join("program.lua"), &programs()[0]).unwrap();
    let output = luajit(&binding, &library, "program.lua");
    assert!(output.contains(" 1 array stepped\n") && output.ends_with(prefix::TRAINED), "{output}");
}

/// Runs a game in a folder of the binding without a screen.
fn love(game: &Path, library: &Path, arguments: &[&str]) -> String {
    // `succeed` runs programs without LD_LIBRARY_PATH.
    let mut love = Command::new("env");
    love.arg(format!("LD_LIBRARY_PATH={}", library.display()));
    love.args(["timeout", "60", "love", "."]).args(arguments);
    text(&succeed(love.current_dir(game).env("XDG_DATA_HOME", game)))
}

#[test]
fn the_game_in_the_readme() {
    if !common::has_program("love") {
        return skip("the game in the README of the Lua binding, which needs love");
    }
    let Some((binding, library)) = installed("lua-readme-game") else { return };
    let [_, game] = programs();
    let quits = "\nlocal update = love.update
        function love.update()
          update()
          if steps < 200 then return end
          print((\"weight %.3f %.3f %.3f\"):format(weight[0], weight[1], weight[2]))
          love.event.quit()
        end";
    fs::write(binding.join("main.lua"), game + quits).unwrap();
    fs::copy(binding.join("tests/love/conf.lua"), binding.join("conf.lua")).unwrap();
    let output = love(&binding, &library, &[]);
    assert!(output.contains(prefix::TRAINED), "{output}");
}

/// In a folder of a game, where the README says that it may be.
#[test]
fn in_love() {
    if !common::has_program("love") {
        return skip("the Lua binding in a LÖVE game, which needs love");
    }
    let Some((binding, library)) = installed("lua-love") else { return };
    let game = binding.join("tests/love");
    let mut copy = Command::new("sh");
    copy.arg("-c").arg("mkdir lib && cp -r ../../radam.lua ../../radam lib").current_dir(&game);
    succeed(&mut copy);
    let output = love(&game, Path::new(""), &[library.join("libradam.so").to_str().unwrap()]);
    assert!(output.contains("ok in LÖVE"), "{output}");
}
