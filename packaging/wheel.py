#!/usr/bin/env python3
"""Packs the Python package with the library into a wheel, which pip installs on machines without Rust.

wheel.py FOLDER [TARGET]: BUILT in the environment is the folder of the library, as for install.sh; FOLDER is where
radam-VERSION-py3-none-PLATFORM.whl goes. The platform is what the library needs: on Linux a manylinux tag, with the
newest version of glibc that one of its symbols has.
"""

import base64
import hashlib
import os
import re
import sys
import sysconfig
import zipfile
from pathlib import Path

import notices

PACKAGE = notices.REPOSITORY / "bindings" / "python"
LIBRARIES = ("libradam.so", "libradam.dylib", "radam.dll")
# What every Linux system has that a manylinux wheel may be installed on, beside the loader.
OF_SYSTEM = {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1"}
TIME = (1980, 1, 1, 0, 0, 0)  # of every file, so that packing the same files gives the same wheel
METADATA = """\
Metadata-Version: 2.1
Name: radam
Version: {version}
Summary: Rectified Adam (RAdam), the optimizer, on NumPy arrays and PyTorch tensors
License: MIT OR Apache-2.0
Requires-Python: >=3.9
Requires-Dist: numpy
Description-Content-Type: text/markdown

{readme}"""


def readelf(library: Path, option: str) -> str:
    return notices.output("readelf", option, "--wide", str(library))


def platform_tag(library: Path, target: str) -> str:
    if library.suffix != ".so":
        return re.sub(r"[-.]", "_", sysconfig.get_platform())
    needed = set(re.findall(r"Shared library: \[(.*?)\]", readelf(library, "--dynamic")))
    foreign = {name for name in needed - OF_SYSTEM if not name.startswith("ld-linux")}
    if foreign:
        raise SystemExit(f"{library} needs {', '.join(sorted(foreign))}, which a manylinux wheel cannot count on")
    versions = re.findall(r"\bGLIBC_(\d+)\.(\d+)", readelf(library, "--version-info"))
    if not versions:
        raise SystemExit(f"{library} was not built for glibc, which manylinux wheels are for")
    major, minor = max((int(major), int(minor)) for major, minor in versions)
    return f"manylinux_{major}_{minor}_{target.split('-')[0]}"


def files(library: Path, tag: str, radam: notices.Crate, others: list[notices.Crate]) -> dict[str, bytes]:
    info = f"radam-{radam.version}.dist-info/"
    sources = [path for path in (PACKAGE / "radam").iterdir() if path.suffix == ".py" or path.name == "py.typed"]
    packed = {f"radam/{path.name}": path.read_bytes() for path in sorted(sources)}
    packed[f"radam/{library.name}"] = library.read_bytes()
    readme = (PACKAGE / "README.md").read_text()
    packed[info + "METADATA"] = METADATA.format(version=radam.version, readme=readme).encode()
    packed[info + "WHEEL"] = f"Wheel-Version: 1.0\nGenerator: radam\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    for name in ("LICENSE-MIT", "LICENSE-APACHE"):
        packed[info + name] = (notices.REPOSITORY / name).read_bytes()
    packed[info + "THIRD-PARTY-NOTICES"] = notices.text(others).encode()
    packed[info + notices.STANDARD_LIBRARY_NOTICES] = notices.standard_library().read_bytes()
    record = "".join(f"{name},sha256={digest(content)},{len(content)}\n" for name, content in packed.items())
    packed[info + "RECORD"] = f"{record}{info}RECORD,,\n".encode()
    return packed


def digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    target = sys.argv[2] if len(sys.argv) > 2 else notices.this_machine()
    built = Path(os.environ["BUILT"]).resolve()
    library = next(path for name in LIBRARIES if (path := built / name).exists())
    tag = f"py3-none-{platform_tag(library, target)}"
    radam, *others = notices.compiled_crates(target)
    packed = files(library, tag, radam, others)
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"radam-{radam.version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in packed.items():
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if name.endswith(library.suffix) else 0o644) << 16
            archive.writestr(entry, content)
    print(wheel)


if __name__ == "__main__":
    main()
