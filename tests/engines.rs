//! The engines in `examples/engines` train with the library as their READMEs say. `make deps` installs what they need
//! into the target folder.

mod common;
#[allow(dead_code)] // tests/install.rs uses all of it
#[path = "install/prefix.rs"]
mod prefix;

use common::{
    Compiler, has_program, read, release_dir, repository, scratch_dir, skip, stand_in, succeed,
    target_dir, text, with_libraries,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `make deps` puts engines.
fn engines() -> PathBuf {
    target_dir().join("engines")
}

/// Builds an engine's programs with its own CMakeLists.txt and an installed radam, or skips what needs them. `needs` is a
/// file of the engine.
fn build(source: &str, needs: &Path, options: &[String]) -> Option<PathBuf> {
    for program in ["cmake", "patch"] {
        if !has_program(program) {
            skip(&format!("{source}, which needs {program}"));
            return None;
        }
    }
    if !needs.exists() {
        skip(&format!("{source}, which needs {}", needs.display()));
        return None;
    }
    let name = source.replace('/', "-");
    let (radam, folder) = (prefix::install(&name), scratch_dir("engines").join(&name));
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(repository().join(source)).arg("-B").arg(&folder).args(options);
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", radam.display()));
    succeed(&mut configure);
    succeed(Command::new("cmake").arg("--build").arg(&folder));
    Some(folder)
}

/// Runs a program in the repository, on one thread: OpenMP's threads are slow where tests share the cores.
fn run(program: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository()).env("OMP_NUM_THREADS", "1");
    let output = text(&succeed(&mut command));
    println!("{} {}\n{output}", program.display(), arguments.join(" ")); // for `-- --nocapture`
    output
}

/// The numbers that stand after `word` in the lines of an output.
fn numbers(output: &str, word: &str) -> Vec<f64> {
    let after =
        output.lines().filter_map(|line| line.split_once(word)?.1.split_whitespace().next());
    after
        .map(|number| number.parse().unwrap_or_else(|_| panic!("{number:?} in {output}")))
        .collect()
}

/// The largest difference between two rows of numbers, relative to the second.
fn largest_error(ours: &[f64], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    assert!(!ours.is_empty());
    ours.iter().zip(theirs).map(|(a, b)| ((a - b) / b).abs()).fold(0.0, f64::max)
}

/// The patch changes as few lines as the README says, and both trainers learn. With rectification off, radam is the
/// trainer's own AdamW but for rounding.
#[test]
fn llm_c() {
    let patch = read("examples/engines/llm_c/radam.patch");
    let count = |sign| {
        let changed = |line: &&str| line.starts_with(sign) && line.chars().nth(1) != Some(sign);
        patch.lines().filter(changed).count()
    };
    let claim = format!("takes {} lines out and puts {} in", count('-'), count('+'));
    assert!(read("examples/engines/llm_c/README.md").contains(&claim), "no {claim:?}");

    let source = "examples/engines/llm_c";
    let Some(folder) = build(source, &repository().join(source), &[]) else { return };
    let train = |program: &Path| run(program, &["examples/data/as_you_like_it.txt", "300"]);
    let adamw = train(&folder.join("train_adamw"));
    let radam = train(&folder.join("train_radam"));
    for output in [&adamw, &radam] {
        let losses = numbers(output, "loss ");
        assert_eq!(losses.len(), 3, "{output}");
        assert!(losses.is_sorted_by(|a, b| a > b) && losses[2] < 2.45, "{output}");
    }
    assert_eq!(radam, train(&folder.join("train_radam")), "a second run printed something else");

    let patched = fs::read_to_string(folder.join("train_radam.c")).unwrap();
    let unrectified = folder.join("unrectified.c");
    assert!(patched.contains("options.lr = lr,"));
    fs::write(
        &unrectified,
        patched.replace("options.lr = lr,", "options.rectify = RADAM_OFF, options.lr = lr,"),
    )
    .unwrap();
    let program = folder.join("train_unrectified");
    let mut compile = Compiler::c().command();
    compile.args(["-std=c11", "-O3", "-ffp-contract=off", "-fopenmp-simd", "-Iinclude"]);
    compile.arg(format!("-I{source}"));
    compile.arg(unrectified).arg(release_dir().join("package/libradam.a")).arg("-o").arg(&program);
    succeed(compile.args(common::NATIVE_LIBRARIES.split(' ')));
    let error = largest_error(&numbers(&train(&program), "loss "), &numbers(&adamw, "loss "));
    assert!(error < 2e-3, "{error}");
}

#[test]
fn libtorch() {
    let torch = engines().join("torch");
    let Some(stand_in) = stand_in("the LibTorch adapter on a GPU") else { return };
    let options = [
        format!("-DTORCH_DIR={}", torch.display()),
        format!("-DCUDA_DRIVER={}", stand_in.join("libcuda.so.1").display()),
    ];
    let Some(folder) = build("tests/engines/libtorch", &torch, &options) else { return };
    let saved = folder.join("saved");
    assert_eq!(run(&folder.join("adapter"), &[saved.to_str().unwrap()]), "ok\n");
    libtorch_has_one_openmp_runtime(&folder);
    libtorch_losses_are_those_of_torch(&folder);
    libtorch_gradient_release_saves_memory(&folder);
    let mut on_gpu = with_libraries(stand_in, &folder.join("cuda_adapter"));
    assert_eq!(text(&succeed(&mut on_gpu)), "ok\n");
}

/// Two would have threads that compete.
fn libtorch_has_one_openmp_runtime(folder: &Path) {
    let loaded = text(&succeed(Command::new("ldd").arg(folder.join("adapter"))));
    assert_eq!(loaded.matches("libgomp").count(), 2, "{loaded}"); // its name, and its path
    assert_eq!(loaded.matches("libomp").count() + loaded.matches("libiomp").count(), 0, "{loaded}");
}

/// `examples/engines/libtorch/reference.py` printed the losses of `torch.optim.RAdam`.
fn libtorch_losses_are_those_of_torch(folder: &Path) {
    let train = folder.join("examples/train_digits");
    for (dtype, largest) in [("f32", 1e-4), ("f64", 1e-12)] {
        let output = run(&train, &[dtype]);
        let reference = read(&format!("tests/engines/libtorch/torch_radam_{dtype}.txt"));
        let error = largest_error(&numbers(&output, "loss "), &numbers(&reference, "loss "));
        assert!(error < largest, "{dtype}: {error}");
        assert_eq!(numbers(&output, "accuracy "), numbers(&reference, "accuracy "));
    }
    for dtype in ["bf16", "f16"] {
        let output = run(&train, &[dtype]);
        assert!(numbers(&output, "accuracy ")[0] > 87.0, "{dtype}: {output}");
    }
    let unknown = Command::new(train).arg("f8").output().unwrap();
    assert!(text(&unknown).starts_with("usage: "), "{}", text(&unknown));
}

fn libtorch_gradient_release_saves_memory(folder: &Path) {
    let output = run(&folder.join("examples/gradient_release"), &[]);
    assert_eq!(output.matches("the same bits").count(), 2, "{output}");
    let usual = numbers(&output, "weights and state: ")[0];
    let released = numbers(&output, "with gradient release ")[0];
    assert!(released > 0.0 && usual / released > 5.0, "{output}");
}

/// `make bench-engines`, with small tensors and few rounds.
#[test]
fn benchmark() {
    let torch = engines().join("torch");
    let option = format!("-DTORCH_DIR={}", torch.display());
    let Some(folder) = build("benches/engines", &torch, &[option]) else { return };
    let mut make = Command::new("python3");
    make.current_dir(repository()).arg("benches/engines.py").arg(folder.join("bench"));
    make.arg(&folder).args(["3", "1048576", "65536"]);
    let output = text(&succeed(&mut make));
    assert_eq!(output.matches("| 1M | ").count(), 7, "{output}");
    assert_eq!(output.matches("| 64K | ").count(), 7, "{output}");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("engines.md").contains(output.trim_end()));
    assert_eq!(read("engines.svg").matches("<circle").count(), 14);
}

/// With rectification off, radam is ensmallen's Adam.
#[test]
fn ensmallen() {
    let headers = engines().join("ensmallen/usr/include");
    let option = format!("-DENSMALLEN_INCLUDE={}", headers.display());
    let Some(folder) = build("examples/engines/ensmallen", &headers, &[option]) else { return };
    let output = run(&folder.join("train_digits"), &[]);
    let (losses, accuracies) = (numbers(&output, "loss "), numbers(&output, "accuracy "));
    assert_eq!(losses.len(), 3, "{output}");
    assert!(losses[0] < 0.15 && largest_error(&losses[1..2], &losses[2..3]) < 1e-4, "{output}");
    assert!(accuracies.iter().all(|&accuracy| accuracy > 88.0), "{output}");
}

#[test]
fn ggml() {
    let config = engines().join("libggml/lib64/cmake/ggml");
    let option = format!("-Dggml_DIR={}", config.display());
    let Some(folder) = build("examples/engines/ggml", &config, &[option]) else { return };
    let output = run(&folder.join("train_digits"), &[]);
    let losses = numbers(&output, "loss ");
    assert_eq!(losses.len(), 8, "{output}");
    assert!(losses[7] < 0.1 && numbers(&output, "accuracy ")[0] >= 97.0, "{output}");
    assert_eq!(
        output,
        run(&folder.join("train_digits"), &[]),
        "a second run printed something else"
    );
}
