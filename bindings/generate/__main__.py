"""Writes radam_api.json and what the bindings generate from it: `python3 bindings/generate`, or `make bindings`.

With --check, compares the files with what would be written, and says which differ.
"""

import importlib
import json
import pathlib
import sys

import header

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Each has a function files(api), which returns the texts of generated files by their paths from the repository.
LANGUAGES = ["csharp", "julia", "lua", "python", "wasm"]


def generated() -> dict[str, str]:
    api = header.read((ROOT / "include/radam.h").read_text())
    files = {"bindings/radam_api.json": json.dumps(api, indent=1, ensure_ascii=False) + "\n"}
    for language in LANGUAGES:
        files |= importlib.import_module(language).files(api)
    return files


def main() -> None:
    files = generated()
    if sys.argv[1:] == ["--check"]:
        is_current = lambda path: (ROOT / path).exists() and (ROOT / path).read_text() == files[path]
        stale = [path for path in files if not is_current(path)]
        if stale:
            sys.exit(f"not what include/radam.h gives: {', '.join(stale)}; `make bindings` writes them anew")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        for path, text in files.items():
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text)


main()
