//! Shared by the tests of the C API: finding compilers, building the library and C programs, and running them.

// Each test binary compiles this module for itself and uses a part of it.
#![allow(dead_code)]

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a program that is linked with `libradam.a` needs, as rustc reports it (`--print native-static-libs`) and the
/// README tells users.
pub const NATIVE_LIBRARIES: &str = "-lgcc_s -ldl -lutil -lrt -lpthread -lm -ldl -lc";

/// Reports that a test did not run: on the real stderr, which the test runner does not capture, and in a file that
/// `make test` prints at its end. If RADAM_TEST_NO_SKIP is set, as in CI, it is an error.
pub fn skip(reason: &str) {
    assert!(
        env::var_os("RADAM_TEST_NO_SKIP").is_none(),
        "skipped, and RADAM_TEST_NO_SKIP is set: {reason}"
    );
    let line = format!("SKIPPED: {reason}\n");
    let list = target_dir().join("skipped-tests.txt");
    io::stderr().write_all(line.as_bytes()).unwrap();
    let mut list = OpenOptions::new().create(true).append(true).open(list).unwrap();
    list.write_all(line.as_bytes()).unwrap();
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The target folder of the cargo that runs these tests.
pub fn target_dir() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// A folder for files that a test writes; it is kept between runs.
pub fn scratch_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// rustc of the toolchain that runs these tests.
pub fn rustc() -> PathBuf {
    Path::new(env!("CARGO")).with_file_name("rustc")
}

/// The folder with the `libradam.so` and, in `package/`, the `libradam.a` that users get, brought up to date first.
pub fn release_dir() -> &'static Path {
    static RELEASE_DIR: OnceLock<PathBuf> = OnceLock::new();
    RELEASE_DIR.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--release", "--lib"]).current_dir(repository());
        build.env("CARGO_TARGET_DIR", target_dir()).env_remove("CARGO_BUILD_TARGET");
        succeed(&mut build);
        let release_dir = target_dir().join("release");
        let prepare = repository().join("packaging/prepare.sh");
        succeed(Command::new(prepare).arg(&release_dir).env("RUSTC", rustc()));
        release_dir
    })
}

/// A compiler as a command: `$CC` may carry arguments of its own, as in `ccache gcc`.
#[derive(Clone)]
pub struct Compiler(Vec<String>);

impl Compiler {
    pub fn c() -> Self {
        Self::from_env("CC", "cc")
    }

    pub fn cpp() -> Self {
        Self::from_env("CXX", "c++")
    }

    /// A compiler that may be missing; then the caller skips what needs it.
    pub fn optional(program: &str) -> Option<Self> {
        has_program(program).then(|| Self(vec![program.to_owned()]))
    }

    fn from_env(variable: &str, default: &str) -> Self {
        let words = env::var(variable).unwrap_or_default();
        let words = if words.trim().is_empty() { default } else { &words };
        Self(words.split_whitespace().map(str::to_owned).collect())
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).current_dir(repository());
        command
    }

    /// Compiles a source that includes the headers, which is written to a file of this name.
    pub fn check_syntax(&self, flags: &[&str], file: &str, source: &str) {
        let path = scratch_dir(env!("CARGO_CRATE_NAME")).join(file);
        fs::write(&path, source).unwrap();
        let mut command = self.command();
        command.args(flags.iter().flat_map(|flags| flags.split_whitespace()));
        succeed(command.args(["-Iinclude", "-fsyntax-only"]).arg(path));
    }
}

pub fn has_program(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The folder of a `libcuda.so.1` that stands for the driver and runs our kernels on the CPU, or skips what needs it.
pub fn stand_in(what: &str) -> Option<&'static Path> {
    static STAND_IN: OnceLock<PathBuf> = OnceLock::new();
    if !has_program("make") || !has_program("g++") {
        skip(&format!("{what}, which needs make and g++"));
        return None;
    }
    Some(STAND_IN.get_or_init(|| {
        // Tests run at the same time, each in a process of its own: the first builds what the others wait for.
        let folder = scratch_dir("stand_in");
        let _only_one = lock(&folder);
        let mut make = Command::new("make");
        make.args(["-f", "tests/cuda/stand_in/Makefile", "library"]);
        make.arg(format!("OUT={}", folder.display())).current_dir(repository());
        succeed(&mut make);
        folder
    }))
}

/// Waits until nobody else has the lock of this folder, and has it until the file is dropped.
fn lock(folder: &Path) -> File {
    let file = File::create(folder.join("lock")).unwrap();
    file.lock().unwrap();
    file
}

/// Runs tests of this program again, with optimizers on what stands for a GPU.
pub fn run_on_a_gpu(arguments: &[&str]) {
    if env::var_os("RADAM_TEST_DEVICE").is_some() {
        return; // it is all on one already
    }
    if env::var_os("RADAM_TEST_EMULATOR").is_some()
        || !cfg!(all(target_arch = "x86_64", target_os = "linux"))
    {
        return skip("tests on a GPU, for which a stand-in is on x86-64 Linux only");
    }
    let Some(stand_in) = stand_in("tests on a GPU") else { return };
    let mut child = these_tests();
    child.args(arguments).env("RADAM_TEST_DEVICE", "cuda").env("RADAM_STAND_IN_OPEN", "1");
    let output = child.env("LD_LIBRARY_PATH", stand_in).output().unwrap();
    let is_run = !text(&output).contains(" 0 passed");
    assert!(output.status.success() && is_run, "{}", text(&output));
}

/// A program as a command that loads libraries from this folder too. (`succeed` removes LD_LIBRARY_PATH.)
pub fn with_libraries(folder: &Path, program: &Path) -> Command {
    let mut command = Command::new("env");
    command.arg(format!("LD_LIBRARY_PATH={}", folder.display())).arg(program);
    command.current_dir(repository());
    command
}

#[derive(Clone, Copy)]
pub enum Link {
    Shared,
    Static,
}

/// Builds a C program of this repository against the release library, as the README tells users to.
pub fn build_c(source: &str, link: Link) -> PathBuf {
    build_c_with("include", source, link)
}

/// As `build_c`, with the header in this folder.
pub fn build_c_with(include: &str, source: &str, link: Link) -> PathBuf {
    let flags = format!("-std=c11 -O1 -g -pthread -Wall -Wextra -Wpedantic -Werror -I{include}");
    build(Compiler::c(), &flags, &[source], link)
}

/// The program has the name of the first source.
pub fn build_cpp(sources: &[&str], link: Link) -> PathBuf {
    build_cpp_with("-O2", sources, link)
}

pub fn build_cpp_with(more_flags: &str, sources: &[&str], link: Link) -> PathBuf {
    let flags = format!(
        "-std=c++17 -ffp-contract=off -pthread -Wall -Wextra -Wpedantic -Werror -Iinclude {more_flags}"
    );
    build(Compiler::cpp(), &flags, sources, link)
}

fn build(compiler: Compiler, flags: &str, sources: &[&str], link: Link) -> PathBuf {
    let library = release_dir();
    let kind = match link {
        Link::Shared => "shared",
        Link::Static => "static",
    };
    let program = scratch_dir(kind).join(Path::new(sources[0]).file_name().unwrap());
    // Tests that run in parallel may build the same program: each writes its own file, and renames it.
    let unfinished = program.with_extension(unique_number());
    let mut command = compiler.command();
    command.args(flags.split(' ')).args(sources).arg("-o").arg(&unfinished);
    match link {
        Link::Shared => {
            let run_path = format!("-Wl,-rpath,{}", library.display());
            command.arg("-L").arg(library).args(["-lradam", "-lm", &run_path])
        }
        Link::Static => {
            command.arg(library.join("package/libradam.a")).args(NATIVE_LIBRARIES.split(' '))
        }
    };
    succeed(&mut command);
    fs::rename(unfinished, &program).unwrap();
    program
}

/// A number that no other thread or process of this test run has.
pub fn unique_number() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The test program as a command, run by the emulator that `emulate.sh` sets, if any.
pub fn these_tests() -> Command {
    let emulator = env::var("RADAM_TEST_EMULATOR").unwrap_or_default();
    let program = env::current_exe().unwrap();
    let mut words =
        emulator.split_whitespace().map(std::ffi::OsStr::new).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// Runs a command that must succeed, and returns its output.
///
/// Programs must load the release library that they were linked with, and not the one that cargo has built for the
/// tests and put first.
pub fn succeed(command: &mut Command) -> Output {
    command.env_remove("LD_LIBRARY_PATH");
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text(&output));
    output
}

/// Everything a command wrote, stdout and then stderr.
pub fn text(output: &Output) -> String {
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(&[stdout.as_slice(), stderr].concat()).into_owned()
}
