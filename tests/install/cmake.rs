//! CMake projects: with the installed package, and with the sources, which cargo builds for them.

use crate::common::{has_program, release_dir, repository, scratch_dir, skip, succeed, text};
use crate::prefix::{
    Language, assert_trains, building, files_under, install, loads_radam, new_dir, new_project,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GENERATORS: [&str; 3] = ["Unix Makefiles", "Ninja", "Ninja Multi-Config"];

/// Skips the test that calls this, if it must.
fn is_missing(test: &str) -> bool {
    let missing = ["cmake", "ninja"].into_iter().find(|program| !has_program(program));
    if let Some(program) = missing {
        skip(&format!("{test} with CMake: {program} is not installed"));
    }
    missing.is_some()
}

fn configure(project: &Path, settings: &[&str]) -> Command {
    let mut cmake = building("cmake");
    cmake.current_dir(project).args(["-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Release"]);
    cmake.args(settings);
    cmake
}

/// Builds both programs; returns what CMake printed.
fn build(project: &Path) -> String {
    text(&succeed(building("cmake").current_dir(project).args(["--build", "build"])))
}

/// Where a generator of one configuration or of several puts a program.
fn program(project: &Path, name: &str) -> PathBuf {
    let build = project.join("build");
    [build.join(name), build.join("Debug").join(name)]
        .into_iter()
        .find(|path| path.exists())
        .unwrap()
}

fn assert_both_train(project: &Path) {
    let [shared, statically] = ["with_shared", "with_static"].map(|name| program(project, name));
    assert!(loads_radam(&shared));
    assert!(!loads_radam(&statically));
    assert_trains(&shared);
    assert_trains(&statically);
}

fn find(project: &Path, prefix: &Path, version: &str) -> Output {
    let _ = fs::remove_dir_all(project.join("build"));
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
    let version = format!("-DRADAM_VERSION={version}");
    let settings = ["-DLANGUAGE=C", "-DDOOR=find_package", &prefix, &version];
    configure(project, &settings).output().unwrap()
}

/// Projects in C alone and in C++ alone find radam in the prefix, build with it, and run.
pub fn assert_finds(prefix: &Path, name: &str) {
    for language in Language::ALL {
        let project = new_project(&format!("cmake_{name}_{}", language.name()));
        let prefix = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
        let language = format!("-DLANGUAGE={}", language.name());
        succeed(&mut configure(&project, &["-DDOOR=find_package", &prefix, &language]));
        build(&project);
        assert_both_train(&project);
    }
}

#[test]
fn find_package_serves_projects_in_c_and_in_cpp() {
    if is_missing("find_package") {
        return;
    }
    assert_finds(&install("find_package"), "installed");
}

/// Before 1.0 a minor version may break compatibility; who gives a range has said which are fine.
#[test]
fn find_package_accepts_only_the_same_minor_version() {
    if is_missing("versions") {
        return;
    }
    let prefix = install("versions");
    let project = new_project("versions_project");
    for version in ["", "0.2", "0.2.0", "0.1...0.3", "0.2...<0.3", "0.1...0.2.0"] {
        let output = find(&project, &prefix, version);
        assert!(output.status.success(), "{version}: {}", text(&output));
    }
    let others = ["0.1", "0.3", "0.2.1", "1.0", "0", "2", "0.1...<0.2.0", "0.2.1...0.3"];
    for version in others {
        let output = find(&project, &prefix, version);
        assert!(!output.status.success(), "{version} was found");
        let refusal = text(&output);
        assert!(refusal.contains("radamConfig.cmake, version: 0.2.0"), "{version}: {refusal}");
    }
}

#[test]
fn find_package_says_if_the_libraries_are_gone() {
    if is_missing("an installation without libraries") {
        return;
    }
    let prefix = install("no_libraries");
    for library in ["libradam.a", "libradam.so.0.2.0"] {
        fs::remove_file(prefix.join("lib").join(library)).unwrap();
    }
    let output = find(&new_project("no_libraries_project"), &prefix, "0.2");
    assert!(!output.status.success());
    assert!(text(&output).contains("The libraries are not where"), "{}", text(&output));
}

fn assert_builds_from_sources(door: &str, source_setting: &str) {
    for (generator, language) in
        GENERATORS.into_iter().zip([Language::C, Language::Cpp, Language::C])
    {
        let project = new_project(&format!("{door}_{}", generator.replace(' ', "_")));
        let sources = format!("-D{source_setting}={}", repository().display());
        let language = format!("-DLANGUAGE={}", language.name());
        let door = format!("-DDOOR={door}");
        succeed(&mut configure(&project, &["-G", generator, &door, &sources, &language]));
        build(&project);
        assert_both_train(&project);
    }
}

#[test]
fn add_subdirectory_builds_with_cargo() {
    if is_missing("add_subdirectory") {
        return;
    }
    assert_builds_from_sources("add_subdirectory", "RADAM_SOURCES");
}

#[test]
fn fetch_content_builds_with_cargo() {
    if is_missing("FetchContent") {
        return;
    }
    assert_builds_from_sources("fetch_content", "FETCHCONTENT_SOURCE_DIR_RADAM");
}

/// A program in cargo's place, which notes its arguments and puts what cargo has built for these tests where it is asked
/// to build. So a folder without any libraries costs no minute.
fn write_stand_in_for_cargo(cargo: &Path, calls: &Path) {
    let script = format!(
        "#!/bin/sh\nset -e\necho \"$*\" >> '{}'\nmkdir -p \"$CARGO_TARGET_DIR/release\"\n\
         cd \"$CARGO_TARGET_DIR/release\"\ncp -dpu '{release}'/libradam.* .\nln -sfn '{release}/deps' deps\n",
        calls.display(),
        release = release_dir().display()
    );
    fs::write(cargo, script).unwrap();
    succeed(Command::new("chmod").arg("+x").arg(cargo));
}

/// Cargo knows what has changed; CMake asks it in every build, and links programs again if a library is new.
#[test]
fn every_build_asks_cargo_and_links_again_what_is_new() {
    if is_missing("rebuilding") {
        return;
    }
    let project = new_project("rebuilt");
    let (cargo, calls) = (project.join("cargo"), project.join("calls.txt"));
    write_stand_in_for_cargo(&cargo, &calls);
    let cargo = format!("-DRADAM_CARGO={}", cargo.display());
    let sources = format!("-DRADAM_SOURCES={}", repository().display());
    for generator in ["Ninja", "Unix Makefiles"] {
        let _ = fs::remove_dir_all(project.join("build"));
        let _ = fs::remove_file(&calls);
        let settings =
            ["-G", generator, "-DLANGUAGE=C", "-DDOOR=add_subdirectory", &sources, &cargo];
        succeed(configure(&project, &settings).env_remove("CARGO_TARGET_DIR"));
        let mut one_program = building("cmake");
        one_program.args(["--build", "build", "--target", "with_static"]);
        succeed(one_program.current_dir(&project));
        assert!(build(&project).contains("Linking C executable with_shared"));
        let unchanged = build(&project);
        assert!(!unchanged.contains("Linking"), "{unchanged}");
        let library = project.join("build/radam/target/release/package/libradam.a");
        succeed(Command::new("touch").arg(library));
        let relinked = build(&project);
        assert!(relinked.contains("Linking C executable with_static"), "{relinked}");
        assert!(!relinked.contains("Linking C executable with_shared"), "{relinked}");
        assert_eq!(fs::read_to_string(&calls).unwrap(), "build --release --lib\n".repeat(4));
    }
}

#[test]
fn cmake_installs_what_make_installs() {
    if is_missing("cmake --install") {
        return;
    }
    let (build, by_cmake) = (new_dir("top_level_build"), new_dir("by_cmake"));
    let by_make = install("by_make");
    let configure = ["-S".as_ref(), repository().as_os_str(), "-B".as_ref(), build.as_os_str()];
    succeed(building("cmake").args(configure));
    succeed(building("cmake").arg("--build").arg(&build));
    succeed(building("cmake").arg("--install").arg(&build).arg("--prefix").arg(&by_cmake));
    assert_eq!(files_under(&by_cmake), files_under(&by_make));
    succeed(Command::new("diff").arg("--recursive").arg(&by_cmake).arg(&by_make));
}

/// A project can put the shared library beside its program, under the name that the program loads.
#[test]
fn projects_can_install_the_shared_library_with_their_program() {
    if is_missing("IMPORTED_RUNTIME_ARTIFACTS") {
        return;
    }
    let prefix = install("of_the_project");
    let project = new_project("project_with_install");
    let lists = project.join("CMakeLists.txt");
    let rule = "install(TARGETS with_shared)\ninstall(IMPORTED_RUNTIME_ARTIFACTS radam::radam)\n";
    let text = fs::read_to_string(&lists).unwrap();
    fs::write(&lists, text.replace("(VERSION 3.18)", "(VERSION 3.21)") + rule).unwrap();
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", prefix.display());
    let run_path = "-DCMAKE_INSTALL_RPATH=$ORIGIN/../lib";
    succeed(&mut configure(&project, &["-DLANGUAGE=C", "-DDOOR=find_package", &prefix, run_path]));
    build(&project);
    succeed(building("cmake").current_dir(&project).args([
        "--install",
        "build",
        "--prefix",
        "installed",
    ]));
    fs::remove_dir_all(scratch_dir("install").join("of_the_project")).unwrap();
    assert_trains(&project.join("installed/bin/with_shared"));
}
