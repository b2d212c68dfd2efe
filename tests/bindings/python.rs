//! `bindings/python`: its wheel, installed into an empty environment from files alone, and its sources with an installed
//! library. `make deps` gets the wheels of NumPy and what PyTorch needs, and PyTorch itself with the engines.

use crate::common::{has_program, read, release_dir, repository, skip, succeed, target_dir, text};
use crate::prefix;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "bindings/python";
/// What `make deps` downloads; the numbers are those of the versions that the tests were written with.
const REQUIREMENTS: &str = "bindings/python/tests/requirements.txt";

/// An environment of Python in which nothing is installed.
struct Environment {
    folder: PathBuf,
}

impl Environment {
    fn new() -> Self {
        let folder = prefix::new_dir("python");
        let mut venv = Command::new("python3");
        succeed(venv.args(["-m", "venv", "--without-pip"]).arg(&folder));
        Self { folder }
    }

    /// Installs wheels from files, and from nowhere else.
    fn install(&self, packages: &[&str]) {
        let mut pip = Command::new(downloads().join("venv/bin/pip"));
        pip.arg("--python").arg(self.folder.join("bin/python"));
        pip.args(["--quiet", "install", "--no-index"]);
        pip.arg("--find-links").arg(downloads().join("wheels"));
        pip.arg("--find-links").arg(target_dir().join("wheel"));
        succeed(pip.args(packages));
    }

    /// A program in this environment, with variables, in the folder of the tests.
    fn python(&self, variables: &[(&str, &Path)], arguments: &[&str]) -> String {
        // `succeed` runs programs without LD_LIBRARY_PATH, which some of these need.
        let mut command = Command::new("env");
        for (name, value) in variables {
            command.arg(format!("{name}={}", value.display()));
        }
        command.arg(self.folder.join("bin/python")).args(["-X", "faulthandler"]).args(arguments);
        command.current_dir(repository().join(PACKAGE).join("tests"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("OMP_NUM_THREADS", "1");
        for name in ["PYTHONPATH", "RADAM_LIBRARY"] {
            command.env_remove(name);
        }
        let output = text(&succeed(&mut command));
        println!("{output}"); // for `-- --nocapture`
        output
    }

    fn run_tests(&self, variables: &[(&str, &Path)]) -> String {
        self.python(variables, &["-W", "error", "-m", "unittest"])
    }

    fn train_digits(&self, variables: &[(&str, &Path)]) {
        let digits = repository().join("examples/data/digits.csv");
        let output =
            self.python(variables, &["../examples/train_digits.py", digits.to_str().unwrap()]);
        let accuracy = output.split("test accuracy ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(accuracy.parse::<f64>().unwrap() >= 95.0, "{output}");
    }
}

fn downloads() -> PathBuf {
    target_dir().join("python")
}

#[test]
fn python() {
    if !has_program("python3") || !downloads().join("installed").exists() {
        return skip("the Python package, which needs python3 and what make deps downloads");
    }
    succeed(&mut prefix::make("wheel", &[]));
    wheel_is_for_the_glibc_that_its_library_needs();
    let environment = Environment::new();
    environment.install(&["radam"]);
    environment.run_tests(&[]);
    environment.train_digits(&[]);

    let installed = prefix::install("python-prefix");
    let sources = repository().join(PACKAGE);
    let library = installed.join("lib/libradam.so");
    environment.run_tests(&[("PYTHONPATH", &sources), ("RADAM_LIBRARY", &library)]);
    environment
        .train_digits(&[("PYTHONPATH", &sources), ("LD_LIBRARY_PATH", &installed.join("lib"))]);

    let torch = target_dir().join("engines/torch");
    if !torch.exists() {
        return skip("radam.torch, which needs the PyTorch that make deps installs");
    }
    let others = read(REQUIREMENTS);
    environment.install(&others.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>());
    let cuda = prefix::new_dir("python-without-cuda");
    let script = "bindings/python/tests/without_cuda.sh";
    succeed(Command::new("sh").arg(script).arg(&torch).arg(&cuda).current_dir(repository()));
    let variables: [(&str, &Path); 3] = [
        ("PYTHONPATH", torch.parent().unwrap()),
        ("LD_LIBRARY_PATH", &cuda),
        ("RADAM_TEST_WITHOUT_CUDA", &cuda),
    ];
    let output = environment.run_tests(&variables);
    assert!(!output.contains("skipped=2") && !output.contains("PyTorch"), "{output}");
    gpu_benchmark_can_be_rehearsed(&environment, &variables);
}

/// `make bench-gpu` on a CPU, with small tensors and without optimi, which it reports and goes on.
fn gpu_benchmark_can_be_rehearsed(environment: &Environment, variables: &[(&str, &Path)]) {
    let bench = repository().join("benches/gpu/bench.py");
    let results = prefix::new_dir("python-bench-gpu");
    let program = format!(
        "import without_cuda, runpy, sys\n\
         sys.argv = ['bench.py', '--rehearse', '--quick', '--only', '6800 in 6 tensors, f32', '--results', {results:?}]\n\
         sys.path[0] = {folder:?}\n\
         runpy.run_path({bench:?}, run_name='__main__')",
        folder = bench.parent().unwrap(),
    );
    let library = release_dir().join("libradam.so");
    let variables = [variables, &[("RADAM_LIBRARY", &library)]].concat();
    let output = environment.python(&variables, &["-c", &program]);
    let page = fs::read_to_string(results.join("gpu.md")).unwrap();
    let heading = "| 6800 in 6 tensors, f32 |";
    assert!(page.contains(heading) && output.contains(heading), "{output}");
    assert!(page.contains("| optimi RAdam(foreach=True) | ModuleNotFoundError"), "{page}");
    assert_eq!(page.matches("the bits of the CPU: ").count(), 10, "{page}");
    assert_eq!(page.matches("| 0 differing elements | 0 | met |").count(), 10, "{page}");
    let picture = fs::read_to_string(results.join("gpu.svg")).unwrap();
    assert!(picture.contains("<title>torch AdamW(fused=True): "), "{picture}");
}

fn wheel_is_for_the_glibc_that_its_library_needs() {
    let library = release_dir().join("libradam.so");
    let symbols = text(&succeed(Command::new("objdump").arg("-T").arg(library)));
    let minor =
        |after: &str| after.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok();
    let newest = symbols.split("GLIBC_2.").skip(1).filter_map(minor).max().unwrap();
    let wheels = prefix::files_under(&target_dir().join("wheel"));
    let tag = format!("py3-none-manylinux_2_{newest}_{}.whl", std::env::consts::ARCH);
    assert!(wheels.len() == 1 && wheels[0].ends_with(&tag), "{wheels:?} {tag}");
}
