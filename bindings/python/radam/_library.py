"""Finds and loads the shared library: that of the wheel, else the one that RADAM_LIBRARY names, else the system's."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

from . import _api

MAJOR, MINOR = _api.VERSION // 1_000_000, _api.VERSION // 1000 % 1000
NAME = {"win32": "radam.dll", "darwin": "libradam.dylib"}.get(sys.platform, "libradam.so")


def path() -> str:
    in_wheel = Path(__file__).with_name(NAME)
    if in_wheel.exists():
        return str(in_wheel)
    # The system's loader looks for a name, on Linux for that of a version that can be told apart from others.
    of_system = f"{NAME}.{MAJOR}.{MINOR}" if NAME.endswith(".so") else NAME
    return os.environ.get("RADAM_LIBRARY") or of_system


def load() -> Any:
    name = path()
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise ImportError(
            f"the radam library cannot be loaded ({error}); install the wheel, which has it, or set RADAM_LIBRARY to "
            f"the path of {NAME}"
        ) from error
    for function, (result, arguments) in _api.FUNCTIONS.items():
        try:
            found = getattr(library, function)
        except AttributeError:
            raise ImportError(f"{name} has no {function}; it is not radam {MAJOR}.{MINOR}") from None
        found.restype, found.argtypes = result, arguments
    check_version(name, library.radam_version())
    check_layouts(library)
    return library


def check_version(name: str, found: int) -> None:
    if found // 1000 != _api.VERSION // 1000:
        raise ImportError(
            f"{name} is radam {found // 1_000_000}.{found // 1000 % 1000}; this package needs {MAJOR}.{MINOR}"
        )


def check_layouts(library: Any) -> None:
    """ctypes must lay structs out as the library's compiler has, and the library must know their sizes."""
    for struct, (size, offsets) in _api.LAYOUTS.items():
        found = {field[0]: getattr(struct, field[0]).offset for field in struct._fields_}
        if ctypes.sizeof(struct) != size or found != offsets:
            raise ImportError(f"{struct.__name__} has another layout here; radam needs a 64-bit Python")
        if "struct_size" in offsets and getattr(library, struct.__name__ + "_init")(struct(), size) != 0:
            raise ImportError(f"the radam library does not know a {struct.__name__} of {size} bytes")


lib = load()


def version() -> str:
    """The version of the loaded library, such as "0.2.0"."""
    return lib.radam_version_string().decode()
