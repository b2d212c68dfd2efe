#!/usr/bin/env python3
"""Packs what `make install` installs into one reproducible archive, with the licences of everything that is in it.

dist.py DIST [TARGET]: BUILT in the environment is the folder of the libraries, as for install.sh; DIST is where
radam-VERSION-TARGET.tar.gz goes, with its checksum in a .sha256 beside it.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import notices

REPOSITORY = Path(__file__).resolve().parent.parent
# The time of every file in the archive, so that packing the same files gives the same archive: 1980, the earliest that
# every tool can represent, unless the packager says otherwise.
TIME = int(os.environ.get("SOURCE_DATE_EPOCH", 315532800))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(folder: Path) -> None:
    settings = {"PREFIX": f"/{folder.name}", "DESTDIR": str(folder.parent), "LIBDIR": "", "INCLUDEDIR": "", "DOCDIR": ""}
    script = REPOSITORY / "packaging" / "install.sh"
    subprocess.run(["sh", script, "install"], env=os.environ | settings, check=True)


def write_checksums(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def pack(folder: Path, archive: Path) -> None:
    def anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.mtime = TIME
        if not info.issym():
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    with open(archive, "wb") as raw:
        # Not gzip's default of the current time, and no file name.
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as compressed:
            with tarfile.open(mode="w", fileobj=compressed, format=tarfile.PAX_FORMAT) as tar:
                for path in [folder, *sorted(folder.rglob("*"))]:
                    name = path.relative_to(folder.parent).as_posix()
                    tar.add(path, name, recursive=False, filter=anonymous)
    archive.with_name(archive.name + ".sha256").write_text(f"{sha256(archive)}  {archive.name}\n")


def main() -> None:
    dist = Path(sys.argv[1]).resolve()
    target = sys.argv[2] if len(sys.argv) > 2 else notices.this_machine()
    crates = notices.compiled_crates(target)
    folder = dist / f"radam-{crates[0].version}-{target}"
    shutil.rmtree(folder, ignore_errors=True)
    dist.mkdir(parents=True, exist_ok=True)
    install(folder)
    documents = folder / "share/doc/radam"
    (documents / "THIRD-PARTY-NOTICES").write_text(notices.text(crates[1:]))
    shutil.copyfile(notices.standard_library(), documents / notices.STANDARD_LIBRARY_NOTICES)
    write_checksums(folder)
    archive = dist / f"{folder.name}.tar.gz"
    pack(folder, archive)
    shutil.rmtree(folder)
    print(archive)


if __name__ == "__main__":
    main()
