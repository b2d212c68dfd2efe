//! An installation to test, and programs that are built with it.

use crate::common::{
    Compiler, release_dir, repository, rustc, scratch_dir, succeed, target_dir, text,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What both programs print at their end: they train the quickstart's weights.
pub const TRAINED: &str = "weight 1.000 -2.000 2.999\n";

/// A language, by the names that CMake has for it and for its files.
#[derive(Clone, Copy)]
pub enum Language {
    C,
    Cpp,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::C, Self::Cpp];

    pub fn name(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::Cpp => "CXX",
        }
    }

    pub fn program(self) -> &'static str {
        match self {
            Self::C => "program.c",
            Self::Cpp => "program.cpp",
        }
    }

    /// Compiles the program that is in the project.
    pub fn compile(self, project: &Path) -> Command {
        let (compiler, standard) = match self {
            Self::C => (Compiler::c(), "-std=c11"),
            Self::Cpp => (Compiler::cpp(), "-std=c++17"),
        };
        let mut command = compiler.command();
        command.current_dir(project).args([standard, "-pthread", self.program()]);
        command
    }
}

/// An empty folder.
pub fn new_dir(name: &str) -> PathBuf {
    let dir = scratch_dir("install").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A folder with a C and a C++ program and their CMakeLists.txt, and nothing of radam's.
pub fn new_project(name: &str) -> PathBuf {
    let dir = new_dir(name);
    let copy = |from: &str, to: &str| fs::copy(repository().join(from), dir.join(to)).unwrap();
    copy("examples/quickstart.c", Language::C.program());
    copy("tests/install/programs/program.cpp", Language::Cpp.program());
    copy("tests/install/programs/CMakeLists.txt", "CMakeLists.txt");
    dir
}

/// A command that builds with the cargo, and in the target folder, of these tests. It does not see the make that runs
/// them.
pub fn building(program: impl AsRef<std::ffi::OsStr>) -> Command {
    release_dir();
    let mut command = Command::new(program);
    command.env("CARGO_TARGET_DIR", target_dir()).env("CARGO", env!("CARGO")).env("RUSTC", rustc());
    for variable in ["CARGO_BUILD_TARGET", "MAKEFLAGS", "MFLAGS", "DESTDIR"] {
        command.env_remove(variable);
    }
    command
}

pub fn make(target: &str, settings: &[String]) -> Command {
    let mut make = building("make");
    make.arg("--silent").arg(target).args(settings).current_dir(repository());
    make
}

/// Installs into a new folder of this name, under the scratch folder.
pub fn install(name: &str) -> PathBuf {
    let prefix = new_dir(name);
    succeed(&mut make("install", &[format!("PREFIX={}", prefix.display())]));
    prefix
}

/// All files under a folder, as paths from there.
pub fn files_under(dir: &Path) -> Vec<String> {
    let mut find = Command::new("find");
    let found = text(&succeed(find.args([".", "!", "-type", "d"]).current_dir(dir)));
    let mut files: Vec<_> = found.lines().map(|line| line[2..].to_owned()).collect();
    files.sort();
    files
}

pub fn assert_trains(program: &Path) {
    let output = text(&succeed(&mut Command::new(program)));
    assert!(output.ends_with(TRAINED), "{}: {output}", program.display());
}

/// Whether the program loads the shared library.
pub fn loads_radam(program: &Path) -> bool {
    let dynamic =
        text(&succeed(Command::new("readelf").args(["--dynamic", "--wide"]).arg(program)));
    dynamic.contains("[libradam.so.0.2]")
}
