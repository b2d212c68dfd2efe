//! What `examples/interop/radam_checkpoint.py` and `parameter_names.py` do with names and with what is wrong, and that
//! the library loads what `torch_radam.py` has widened.

use crate::common::{repository, scratch_dir, succeed, text};
use crate::driver::filled;
use crate::driver::optimizer::Optimizer;
use crate::driver::param::Param;
use crate::driver::tensor::Tensor;
use crate::python;
use radam::ffi::*;
use safetensors::SafeTensors;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const TOOL: &str = "examples/interop/radam_checkpoint.py";

/// A folder of a test's own, empty but for `run.radam`, which has `layer.weight` and `layer.bias`.
fn folder(name: &str) -> PathBuf {
    let folder = scratch_dir("interop-tools").join(name);
    let _ = fs::remove_dir_all(&folder); // what an earlier run left
    fs::create_dir_all(&folder).unwrap();
    let checkpoint = repository().join("tests/interop/adamw_f64.safetensors");
    fs::copy(checkpoint, folder.join("run.radam")).unwrap();
    folder
}

/// The tool with these words as arguments, in a folder.
fn tool(folder: &Path, words: &[&str]) -> Option<Command> {
    let mut command = python(repository().join(TOOL).to_str().unwrap())?;
    command.args(words).current_dir(folder);
    Some(command)
}

/// The names of the parameters in a file.
fn names(folder: &Path, file: &str) -> Vec<String> {
    let shown = text(&succeed(&mut tool(folder, &["show", file]).unwrap()));
    let lines = shown.lines().filter(|line| line.contains(" elements, step "));
    lines.map(|line| line.rsplit_once(": group").unwrap().0.to_owned()).collect()
}

#[test]
fn names_are_paired_and_dealt_by_rules() {
    let Some(mut check) = python("tests/interop/check_names.py") else { return };
    assert_eq!(text(&succeed(&mut check)), "names: sound\n");
}

#[test]
fn segments_of_names_are_renamed_wherever_they_are() {
    let folder = folder("segments");
    let rename = |from: &str, to: &str, rules: &[&str]| {
        succeed(&mut tool(&folder, &[&["rename", from, to], rules].concat()).unwrap());
        names(&folder, to)
    };
    if tool(&folder, &[]).is_none() {
        return;
    }
    let wrapped = ["layer.=module._orig_mod.net._orig_mod."];
    let found = rename("run.radam", "wrapped.radam", &wrapped);
    let expected = ["module._orig_mod.net._orig_mod.weight", "module._orig_mod.net._orig_mod.bias"];
    assert_eq!(found, expected);
    let rules = ["_orig_mod.=", "module.=", "net.=layer."];
    assert_eq!(rename("wrapped.radam", "again.radam", &rules), ["layer.weight", "layer.bias"]);
    let again = fs::read(folder.join("again.radam")).unwrap();
    let once = rename("run.radam", "once.radam", &["layer.weight=layer.weight"]);
    assert_eq!(once, ["layer.weight", "layer.bias"]);
    assert!(again == fs::read(folder.join("once.radam")).unwrap(), "there and back is the same");
    // Whole names change places, and segments are not parts of words.
    let rules = ["layer.weight=layer.bias", "layer.bias=layer.weight"];
    assert_eq!(rename("run.radam", "swapped.radam", &rules), ["layer.bias", "layer.weight"]);
    let found = rename("run.radam", "parts.radam", &["layer.=player."]);
    assert_eq!(found, ["player.weight", "player.bias"]);
    let refused = tool(&folder, &["rename", "parts.radam", "new.radam", "layer.="]);
    assert!(text(&refused.unwrap().output().unwrap()).contains("the segments 'layer.'"));
}

/// Each ends with status 1 and one sentence, and what was in the folder is as it was.
#[test]
fn what_is_wrong_is_a_sentence_and_nothing_is_written() {
    let folder = folder("wrong");
    if tool(&folder, &[]).is_none() {
        return;
    }
    fs::create_dir(folder.join("folder")).unwrap();
    fs::write(folder.join("text"), "no checkpoint").unwrap();
    fs::write(folder.join("old.radam"), "keep me").unwrap();
    succeed(Command::new("mkfifo").arg(folder.join("pipe")));
    symlink("/dev/full", folder.join("device")).unwrap();
    let before = picture(&folder);
    let rename =
        |names: &'static [&'static str]| [&["rename", "run.radam", "old.radam"], names].concat();
    let cases = [
        (vec!["show", "none"], "none: No such file or directory"),
        (vec!["show", "folder"], "folder is not a regular file"),
        (vec!["show", "pipe"], "pipe is not a regular file"),
        (
            vec!["show", "text"],
            "text is not a checkpoint of radam, or is damaged: the header should have",
        ),
        (rename(&["layer.weight"]), "'layer.weight' should be OLD=NEW"),
        (
            rename(&["weight=w"]),
            "no parameter has the name or the segments 'weight'; there are 'layer.bias', 'layer.weight'",
        ),
        (rename(&["layer=l"]), "no parameter has the name or the segments 'layer'"),
        (
            rename(&["layer.weight=layer.bias"]),
            "both 'layer.weight' and 'layer.bias' would have the name 'layer.bias'",
        ),
        (vec!["rename", "text", "old.radam", "a=b"], "text is not a checkpoint of radam"),
        (vec!["rename", "run.radam", "folder", "layer.=l."], "folder is not a regular file"),
        (vec!["rename", "run.radam", "pipe", "layer.=l."], "pipe is not a regular file"),
        (vec!["rename", "run.radam", "device", "layer.=l."], "/dev/full is not a regular file"),
        (
            vec!["rename", "run.radam", "none/new", "layer.=l."],
            "none/new: No such file or directory",
        ),
    ];
    for (words, expected) in cases {
        let output = tool(&folder, &words).unwrap().output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.starts_with("radam_checkpoint: "), "{words:?}: {said}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{words:?}: {said}");
        assert_eq!(picture(&folder), before, "{words:?}");
    }
}

/// A write that fails, as on a full disk, leaves the old file and nothing else.
#[test]
fn a_file_that_cannot_be_written_leaves_the_old_one() {
    let folder = folder("full");
    if tool(&folder, &[]).is_none() {
        return;
    }
    fs::write(folder.join("old.radam"), "keep me").unwrap();
    let before = picture(&folder);
    let script = "trap '' XFSZ; ulimit -f 1; exec python3 -B \"$@\""; // a block or two
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(repository().join(TOOL)).current_dir(&folder);
    let output = command.args(["rename", "run.radam", "old.radam", "layer.=l."]).output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("old.radam: File too large") && said.lines().count() == 1, "{said}");
    assert_eq!(picture(&folder), before);
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_and_its_links() {
    let folder = folder("mode");
    let Some(mut rename) = tool(&folder, &["rename", "run.radam", "link", "layer.=l."]) else {
        return;
    };
    fs::write(folder.join("target"), "old").unwrap();
    fs::set_permissions(folder.join("target"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("target", folder.join("link")).unwrap();
    succeed(&mut rename);
    assert_eq!(names(&folder, "target"), ["l.weight", "l.bias"]);
    let mode = fs::metadata(folder.join("target")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(fs::symlink_metadata(folder.join("link")).unwrap().is_symlink());
    assert_eq!(picture(&folder).len(), 3);
}

/// The files in a folder, and what they have.
fn picture(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files
        .map(|path| {
            let kind = fs::metadata(&path).unwrap().file_type();
            let special = kind.is_dir() || kind.is_fifo() || kind.is_char_device();
            (path.clone(), if special { Vec::new() } else { fs::read(path).unwrap() })
        })
        .collect();
    files.sort();
    files
}

/// Moments of another dtype than their parameter, after the conversion: f32, with a compensation of f32.
#[test]
fn the_library_loads_what_was_widened() {
    let cases = [
        ("widened_bf16", RADAM_DTYPE_BF16, RADAM_DTYPE_F32, 3),
        ("widened_f32", RADAM_DTYPE_F32, 0, 2),
    ];
    for (name, dtype, state_dtype, arrays) in cases {
        let mut optimizer = Optimizer::new();
        let mut options = filled(radam_group_options_init);
        (options.lr, options.state_dtype) = (123.0, state_dtype);
        for (name, len) in [("layer.weight", 12), ("layer.bias", 4)] {
            let name = Some(CString::new(name).unwrap());
            optimizer.add_group(&options, [Param { name, ..Param::new(Tensor::new(dtype, len)) }]);
        }
        let path = repository().join(format!("tests/interop/{name}.safetensors"));
        optimizer.load_file(&path).unwrap();
        assert_eq!([optimizer.step_count(0), optimizer.step_count(1)], [10, 7], "{name}");
        let (given, saved) = (fs::read(&path).unwrap(), optimizer.save());
        let given = SafeTensors::deserialize(&given).unwrap();
        let saved = SafeTensors::deserialize(&saved).unwrap();
        assert_eq!([given.len(), saved.len()], [2 * arrays; 2], "{name}");
        for (array, tensor) in given.tensors() {
            assert_eq!(tensor.dtype(), safetensors::Dtype::F32, "{name} {array}");
            let other = saved.tensor(&array).unwrap();
            assert_eq!(tensor.data(), other.data(), "{name} {array}");
        }
    }
}
