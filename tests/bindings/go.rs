//! `bindings/go`: its tests, the digits and the README, with Debian's Go and a current one, against an installed radam.

use crate::common::{read, repository, skip, succeed, target_dir, text};
use crate::prefix;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Go, with radam's installation in its environment. `setting` makes it check all that is passed to C.
struct Go {
    program: PathBuf,
    prefix: PathBuf,
    setting: (&'static str, &'static str),
}

impl Go {
    /// Installs radam under this name, or skips what needs the program.
    fn find(name: &str, program: PathBuf) -> Option<Self> {
        let mut version = Command::new(&program);
        let version = version.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output();
        let Some(version) = version.ok().filter(|output| output.status.success()) else {
            skip(&format!("bindings/go, which needs {}", program.display()));
            return None;
        };
        let version = text(&version); // go1.19.8
        let minor = version.split('.').nth(1).unwrap().trim().parse::<u32>().unwrap();
        let setting =
            if minor < 21 { ("GODEBUG", "cgocheck=2") } else { ("GOEXPERIMENT", "cgocheck2") };
        Some(Self { program, prefix: prefix::install(name), setting })
    }

    /// The one in the PATH, with Debian 12 version 1.19.
    fn of_system(name: &str) -> Option<Self> {
        Self::find(name, "go".into())
    }

    /// The one that `make deps` puts into the target folder.
    fn current(name: &str) -> Option<Self> {
        Self::find(name, target_dir().join("go/go/bin/go"))
    }

    /// A command that sees the installation as the README has it, and needs no network.
    fn command(&self, program: impl AsRef<Path>, folder: &Path) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(folder);
        for variable in ["GOROOT", "GOEXPERIMENT", "GODEBUG", "GOOS", "GOARCH", "CGO_CFLAGS"] {
            command.env_remove(variable);
        }
        let prefix = self.prefix.display();
        command.env("RADAM", repository()).env("GOCACHE", target_dir().join("go-build"));
        command.env("GOPATH", target_dir().join("go-path")).env("GOENV", "off");
        command.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("GOFLAGS", "-buildvcs=false");
        command.env("PKG_CONFIG_PATH", format!("{prefix}/lib/pkgconfig"));
        command.env("CGO_LDFLAGS", format!("-Wl,-rpath,{prefix}/lib"));
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = self.command(&self.program, &repository().join("bindings/go"));
        let (variable, value) = self.setting;
        let output = text(&succeed(command.args(arguments).env(variable, value)));
        println!("{} {}\n{output}", self.program.display(), arguments.join(" ")); // for `-- --nocapture`
        output
    }

    /// The race detector and the checks of pointers are on in all of it, so that all is compiled once.
    fn test(&self) {
        self.run(&["test", "-race", "-count=1", "./..."]);
        let data = repository().join("examples/data/digits.csv");
        let output = self.run(&["run", "-race", "./examples/digits", data.to_str().unwrap()]);
        assert!(accuracy(&output) >= 95.0, "{output}");
    }
}

#[test]
fn go_of_system() {
    if let Some(go) = Go::of_system("go-of-system") {
        go.test();
    }
}

#[test]
fn go_current() {
    if let Some(go) = Go::current("go-current") {
        go.run(&["vet", "./..."]);
        let folder = repository().join("bindings/go");
        let unformatted =
            succeed(go.command(go.program.with_file_name("gofmt"), &folder).args(["-l", "."]));
        assert_eq!(text(&unformatted), "");
        go.test();
    }
}

/// What the README says to type, in a new folder, apart from installing.
#[test]
fn go_readme() {
    let Some(go) = Go::of_system("go-readme") else { return };
    let folder = prefix::new_dir("go-readme-program");
    let readme = read("bindings/go/README.md");
    let main = blocks(&readme, "go").next().unwrap();
    fs::write(folder.join("main.go"), main).unwrap();
    let script: String = blocks(&readme, "sh").filter(|block| !block.contains("make")).collect();
    assert_eq!(script.matches("go run").count(), 2, "{script}");
    let output = succeed(go.command("sh", &folder).args(["-euc", &script])).stdout;
    let output = String::from_utf8(output).unwrap();
    assert!(output.starts_with("weight [1.000 -2.000 2.999]\nepoch  1"), "{output}");
    assert_eq!(format!("{:.1}", accuracy(&output)), "97.8", "as the README says");
}

/// What the digits print at their end.
fn accuracy(output: &str) -> f64 {
    let (_, percent) = output.split_once("test accuracy ").unwrap_or_else(|| panic!("{output}"));
    percent.split_once(" %").unwrap().0.parse().unwrap()
}

/// The texts of the fenced blocks in this language.
fn blocks<'a>(markdown: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let mut rest = markdown;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&fence)?;
        let (block, after) = after.split_once("```\n")?;
        rest = after;
        Some(block)
    })
}

/// Every function and field of the API is used by the package, apart from those that are named here.
#[test]
fn go_reaches_everything() {
    let not_used = [
        "radam_add_param",         // radam_add_params has all options
        "radam_step_param",        // radam_step_tensor does the same
        "radam_step_report_init",  // a report is only written by the library: its size is enough
        "radam_group_report_init", // as above
        "radam_load",              // radam_load_with does the same
        "radam_options.allocator", // state is in memory of C, which has an allocator
        // Slices of Go are not in the memory of a GPU.
        "radam_options.device",
        "radam_options.cuda_device",
        "radam_options.cuda_stream",
        "radam_set_stream",
    ];
    let is_source = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        [".go", ".c", ".h"].iter().any(|end| name.ends_with(end)) && !name.ends_with("_test.go")
    };
    let paths = fs::read_dir(repository().join("bindings/go")).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path()).filter(is_source);
    let source: String = paths.map(|path| fs::read_to_string(path).unwrap()).collect();
    let source = source.replace("\"radam_", "\""); // names in sentences
    let words: HashSet<_> =
        source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();

    let api: Value = serde_json::from_str(&read("bindings/radam_api.json")).unwrap();
    let list = |value: &Value, key: &str| value[key].as_array().unwrap().clone();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let mut missing: Vec<_> = list(&api, "functions").iter().map(name).collect();
    missing.retain(|function| !words.contains(function.as_str()));
    for structure in list(&api, "structs") {
        let mut fields: Vec<_> = list(&structure, "fields").iter().map(name).collect();
        fields.retain(|field| field != "reserved" && !words.contains(field.as_str()));
        missing.extend(fields.iter().map(|field| format!("{}.{field}", name(&structure))));
    }
    missing.sort();
    let mut not_used = not_used.map(str::to_owned);
    not_used.sort();
    assert_eq!(missing, not_used);
}
