//! C#: `bindings/csharp` with an installed library, under Mono and, if `make deps` has installed it, .NET.

use crate::common::{has_program, read, repository, skip, succeed, target_dir, text};
use crate::prefix;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "bindings/csharp";

/// A prefix of its own for each test, since each may be a process of its own.
fn installed(test: &str) -> PathBuf {
    prefix::install(&format!("csharp-{test}"))
}

fn has_mono(what: &str) -> bool {
    let has = has_program("mcs") && has_program("mono");
    if !has {
        skip(&format!("{what}, which needs mcs and mono"));
    }
    has
}

/// Compiles all C# sources in folders, with warnings as errors.
fn compile(folders: &[&Path], out: &Path, options: &[String]) {
    let mut mcs = Command::new("mcs");
    mcs.args(["-unsafe", "-langversion:latest", "-warnaserror", "-warn:4"]).args(options);
    mcs.arg(format!("-out:{}", out.display())).args(folders.iter().flat_map(|f| sources(f)));
    succeed(&mut mcs);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let files = prefix::files_under(folder).into_iter().filter(|file| file.ends_with(".cs"));
    files.map(|file| folder.join(file)).collect()
}

/// Runs the test program, which prints how many of its tests passed.
fn run_tests(test: &str, runtime: &Path, program: &Path, environment: &[String]) {
    let mut run = Command::new("env");
    run.args(environment)
        .arg(runtime)
        .arg(program)
        .current_dir(prefix::new_dir(&format!("csharp-{test}-run")));
    let output = text(&succeed(&mut run));
    println!("{output}"); // for `-- --nocapture`
    assert!(output.contains(" passed, 0 failed"), "{output}");
}

fn load_path(test: &str) -> String {
    format!("LD_LIBRARY_PATH={}", installed(test).join("lib").display())
}

#[test]
fn the_tests_pass_under_mono() {
    if !has_mono("the tests of the C# binding") {
        return;
    }
    let folder = repository().join(FOLDER);
    let program = prefix::new_dir("csharp-mono").join("tests.exe");
    compile(&[&folder.join("src"), &folder.join("tests")], &program, &[]);
    run_tests("mono", Path::new("mono"), &program, &[load_path("for-mono")]);
}

/// With the sources and the library that are in the Unity package, as Unity defines symbols, and stand-ins for its types.
#[test]
fn the_tests_pass_in_the_unity_package() {
    if !has_mono("the tests of the C# binding's Unity package") {
        return;
    }
    let packages = prefix::new_dir("csharp-packages");
    let mut pack = Command::new(repository().join(FOLDER).join("pack.sh"));
    succeed(pack.args([&installed("to-pack"), &packages]).env("RID", "linux-x64"));
    let unity = packages.join("org.radam.optimizer");
    for file in ["package.json", "Runtime/Radam.asmdef"] {
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(unity.join(file)).unwrap()).unwrap();
        if file == "package.json" {
            assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
        }
    }
    let native = packages.join("nuget/runtimes/linux-x64/native/libradam.so");
    let plugin = unity.join("Runtime/Plugins/x86_64");
    for library in [native, plugin.join("libradam.so")] {
        assert!(fs::symlink_metadata(&library).unwrap().is_file(), "{}", library.display());
    }
    let tests = repository().join(FOLDER).join("tests");
    let program = plugin.join("tests.exe"); // beside the library, so that Mono finds it without being told
    let options = ["-d:UNITY_5_3_OR_NEWER".to_owned()];
    compile(&[&unity.join("Runtime"), &tests], &program, &options);
    run_tests("unity", Path::new("mono"), &program, &[]);
}

/// Spans are only there.
#[test]
fn the_tests_pass_under_dotnet() {
    let bin = target_dir().join("dotnet/dotnetcore2/bin");
    let frameworks = bin.join("shared/Microsoft.NETCore.App");
    if !has_mono("the tests of the C# binding under .NET") {
        return;
    }
    if !frameworks.exists() {
        return skip(&format!("the C# binding under .NET, which needs {}", frameworks.display()));
    }
    let framework = fs::read_dir(&frameworks).unwrap().next().unwrap().unwrap().path();
    let version = framework.file_name().unwrap().to_str().unwrap();
    let folder = prefix::new_dir("csharp-dotnet");
    let program = folder.join("tests.dll");
    let runtime = r#"{"runtimeOptions": {"framework": {"name": "Microsoft.NETCore.App", "version": "VERSION"}}}"#;
    fs::write(folder.join("tests.runtimeconfig.json"), runtime.replace("VERSION", version))
        .unwrap();
    let mut options: Vec<_> =
        ["-target:exe", "-noconfig", "-nostdlib", "-d:NETCOREAPP2_1_OR_GREATER"]
            .map(str::to_owned)
            .into();
    options.push("-nowarn:1702".to_owned()); // the framework's assemblies refer to one another in a way mcs wonders at
    let assemblies = prefix::files_under(&framework);
    let managed =
        assemblies.iter().filter(|file| file.starts_with("System.") && file.ends_with(".dll"));
    options.extend(managed.map(|file| format!("-r:{}", framework.join(file).display())));
    let binding = repository().join(FOLDER);
    compile(&[&binding.join("src"), &binding.join("tests")], &program, &options);
    // It would need a library of Unicode's otherwise.
    let invariant = "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1".to_owned();
    run_tests("dotnet", &bin.join("dotnet"), &program, &[load_path("for-dotnet"), invariant]);
}

/// The fenced blocks of a language in the README.
fn blocks(readme: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    readme
        .split(&start)
        .skip(1)
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_missing_library_is_named() {
    if !has_mono("what the C# binding says without its library") {
        return;
    }
    let folder = prefix::new_dir("csharp-missing");
    let (main, program) = (folder.join("Main.cs"), folder.join("Main.exe"));
    fs::write(main, "class P { static void Main() { new Radam.Optimizer(); } }").unwrap();
    compile(&[&repository().join(FOLDER).join("src"), &folder], &program, &[]);
    // Mono must not find one that the system has.
    let map = r#"<configuration><dllmap dll="radam" target="/no/such/library"/></configuration>"#;
    fs::write(folder.join("Main.exe.config"), map).unwrap();
    let output = Command::new("mono").arg(program).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("DllNotFoundException: the radam library was not found"), "{said}");
}

/// The commands of the README, after those that install, in a folder that looks like the clone.
#[test]
fn the_readme_works_as_written() {
    if !has_mono("the README of the C# binding") {
        return;
    }
    let readme = read(&format!("{FOLDER}/README.md"));
    let clone = prefix::new_dir("csharp-readme");
    for name in ["bindings", "examples"] {
        symlink(repository().join(name), clone.join(name)).unwrap();
    }
    fs::write(clone.join("Quickstart.cs"), &blocks(&readme, "csharp")[0]).unwrap();
    let commands = blocks(&readme, "sh");
    assert!(commands[0].contains("make install"));
    let mut shell = Command::new("sh");
    shell
        .args(["-euc", &commands[1..].concat()])
        .env("PREFIX", installed("for-readme"))
        .current_dir(&clone);
    let output = text(&succeed(&mut shell));
    println!("{output}"); // for `-- --nocapture`
    assert!(output.contains(" 1 array stepped\n") && output.contains(prefix::TRAINED), "{output}");
    let accuracy = output.split("test accuracy ").nth(1).expect(&output);
    let accuracy: f64 = accuracy.split(' ').next().unwrap().parse().unwrap();
    assert!(accuracy >= 95.0, "{output}");
    assert!(clone.join("packages/nuget/Radam.csproj").exists());
}
