"""Changes the code in every way that cargo-mutants knows, and checks that the tests of that code fail:

    run.py FOLDER [FILE...]    of these files only; FOLDER is for what is built

A change that no test finds must be in survivors.txt, below a comment that explains why nothing could find it; one that
is there and is found after all must go.
"""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LIST = REPOSITORY / "tests/mutants/survivors.txt"

# The line and the column of a change, which are not listed, since they change with the code above.
POSITION = re.compile(r":\d+:\d+(?=: )")

# The files, and the tests that must find every change in them. cargo-mutants changes nothing in functions called `new`,
# so one that computes something is called otherwise. What a GPU does with checkpoints is not in these files.
CHECKPOINT = ["--test", "checkpoint", "--", "--skip", "on_a_gpu"]
MATH = ["src/math/exact_sum.rs", "src/math/q8.rs", "src/math/rectify.rs", "src/math/rule.rs"]
TESTS = {
    "src/ffi/versioned.rs": ["--lib", "versioned::"],
    "src/optimizer/step/plan.rs": ["--lib", "plan::"],
    "src/checkpoint/header.rs": CHECKPOINT,
    "src/checkpoint/fit.rs": CHECKPOINT,
    "src/checkpoint/pieces.rs": CHECKPOINT,
    "src/checkpoint/transfer.rs": CHECKPOINT,
}

# src/math needs nothing of the rest, so it is a package of its own here, which builds in a second.
MATH_PACKAGE = """\
[package]
name = "math"
version = "0.0.0"
edition = "2024"

[profile.dev]
opt-level = 1

[workspace]
"""


def make_math_package(folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(REPOSITORY / "src/math", folder / "src/math")
    (folder / "tests/goldens").mkdir(parents=True)
    shutil.copy(REPOSITORY / "tests/goldens/rectify.txt", folder / "tests/goldens")
    (folder / "Cargo.toml").write_text(MATH_PACKAGE)
    (folder / "src/lib.rs").write_text("#![allow(dead_code, unused_imports)]\nmod math;\n")


def survivors_of(package, files, tests, folder):
    """The changes that no test finds, as often as there are."""
    command = [os.environ.get("CARGO", "cargo"), "mutants", "--dir", package, "--output", folder, "--profile=dev"]
    command += ["--no-shuffle", "--minimum-test-timeout=30"]
    command += [word for file in files for word in ("--file", file)]
    # As arguments of every call of cargo, since those behind "--" are only for the call that runs the tests; the one
    # that builds them would build all.
    command += [f"--cargo-arg={word}" for word in tests]
    # No debug information, which takes longer to write than the code. Without optimizing, tests take 8 times as long.
    profile = dict(CARGO_PROFILE_DEV_DEBUG="false", CARGO_PROFILE_DEV_OPT_LEVEL="1")
    environment = dict(os.environ, CARGO_TARGET_DIR=folder / "build", **profile)
    status = subprocess.run(command, env=environment).returncode
    if status not in (0, 2, 3):  # 2: some survived; 3: some never ended, which a test finds, too
        sys.exit(f"cargo mutants failed with {status}")
    missed = (folder / "mutants.out/missed.txt").read_text().splitlines()
    return collections.Counter(POSITION.sub("", line, count=1) for line in missed)


def read_list():
    """The changes that are explained, as often as they are listed."""
    listed, explained = collections.Counter(), False
    for line in LIST.read_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif line == "":
            explained = False
        else:
            if not explained:
                sys.exit(f"{LIST}: nothing explains {line}")
            listed[line] += 1
    return listed


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if subprocess.run([os.environ.get("CARGO", "cargo"), "mutants", "--version"]).returncode != 0:
        sys.exit("cargo-mutants is missing; cargo install cargo-mutants --locked gets it")
    folder = pathlib.Path(sys.argv[1]).resolve()
    files = sys.argv[2:] or [*MATH, *TESTS]
    folder.mkdir(parents=True, exist_ok=True)
    survivors = collections.Counter()
    math = [file for file in MATH if file in files]
    if math:
        make_math_package(folder / "math")
        survivors += survivors_of(folder / "math", math, ["--lib"], folder / "of-math")
    for file in files:
        if file in TESTS:
            survivors += survivors_of(REPOSITORY, [file], TESTS[file], folder / "of-all")
    listed = collections.Counter({line: n for line, n in read_list().items() if line.split(":")[0] in files})
    wrong = [f"no test finds: {line}" for line in (survivors - listed).elements()]
    wrong += [f"a test finds, although it is listed: {line}" for line in (listed - survivors).elements()]
    print("\n".join(wrong) or f"{survivors.total()} changes are found by no test, and explained")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
