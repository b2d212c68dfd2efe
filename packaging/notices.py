"""Collects the licences of the crates that are compiled into the library, and of Rust's standard library."""

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

CARGO = os.environ.get("CARGO", "cargo")
RUSTC = os.environ.get("RUSTC", "rustc")
REPOSITORY = Path(__file__).resolve().parent.parent
STANDARD_LIBRARY_NOTICES = "THIRD-PARTY-NOTICES-rust-library.html"
LICENCE_NAMES = ("licen", "copying", "copyright", "notice", "unlicense")  # beginnings of file names


class Crate(NamedTuple):
    name: str
    version: str
    licence: str
    folder: Path

    def licence_texts(self) -> list[str]:
        files = [path for path in sorted(self.folder.iterdir()) if path.name.lower().startswith(LICENCE_NAMES)]
        if not files:
            raise SystemExit(f"{self.name} {self.version} comes without the text of its licence, {self.licence}")
        return [path.read_text().strip() for path in files if path.is_file()]


def output(*command: str) -> str:
    return subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout


def this_machine() -> str:
    return next(line.split()[1] for line in output(RUSTC, "-vV").splitlines() if line.startswith("host:"))


def compiled_crates(target: str) -> list[Crate]:
    """radam itself, and then all that is compiled into it: neither macros nor what only builds it."""
    metadata = json.loads(output(CARGO, "metadata", "--format-version=1", "--locked", f"--filter-platform={target}"))
    known = {(package["name"], package["version"]): package for package in metadata["packages"]}
    tree = output(CARGO, "tree", "--locked", "--edges=normal,no-proc-macro", "--prefix=none", f"--target={target}")
    crates = {}
    for line in tree.splitlines():
        name, version = line.split()[:2]
        package = known[name, version.removeprefix("v")]
        folder = Path(package["manifest_path"]).parent
        crates[name, version] = Crate(name, package["version"], package["license"], folder)
    radam, *others = crates.values()
    return [radam, *sorted(others)]


def standard_library() -> Path:
    """What the Rust project says about its standard library and all that this contains."""
    path = Path(output(RUSTC, "--print", "sysroot").strip()) / "share/doc/rust/COPYRIGHT-library.html"
    if not path.is_file():
        raise SystemExit(f"{path} is missing, the licences of Rust's standard library; Rust from rustup has it")
    return path


def text(crates: list[Crate]) -> str:
    """Names every crate, and has each text once, since many crates share them."""
    users: dict[str, list[str]] = {}
    for crate in crates:
        for licence in crate.licence_texts():
            users.setdefault(licence, []).append(f"{crate.name} {crate.version}")
    parts = [
        "The radam library contains these Rust crates:\n\n"
        + "".join(f"    {crate.name} {crate.version}: {crate.licence}\n" for crate in crates)
        + f"\nand parts of Rust's standard library ({output(RUSTC, '--version').strip()}): MIT OR Apache-2.0.\n"
        f"{STANDARD_LIBRARY_NOTICES} has what the Rust project says about these.\n"
    ]
    for licence, names in users.items():
        parts.append(f"{', '.join(names)}:\n\n{licence}\n")
    return f"\n{'-' * 80}\n\n".join(parts)
