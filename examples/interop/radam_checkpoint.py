"""Reads, verifies and writes checkpoints of radam, with nothing but Python's standard library.

    python3 radam_checkpoint.py show FILE                          # verify a checkpoint, and list its contents
    python3 radam_checkpoint.py rename FILE NEW_FILE OLD=NEW ...   # rename parameters

docs/checkpoint.md describes the format. The whole file is read into memory.

SPDX: MIT OR Apache-2.0
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import re
import struct
import sys
import zlib

FORMAT = 2  # what is written; format 1 is read, too
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I16": 2}
ZEROS = b"00000000"
DIGITS = re.compile(rb'"radam\.checksum"\s*:\s*"([0-9a-f]{8})"')


class Damaged(ValueError):
    """The file is not a checkpoint, or is damaged."""


@dataclasses.dataclass
class Tensor:
    """An array of the state of a parameter, as bytes in little-endian order."""

    dtype: str  # as safetensors has it: a key of SIZES
    shape: list
    data: bytes


@dataclasses.dataclass
class Checkpoint:
    manifest: dict
    tensors: dict  # of Tensor, by "<name of the parameter>.<name of the array>"

    def arrays(self, param):
        """The tensors of a parameter (an entry of the manifest), by the names of their arrays."""
        return {array: self.tensors[f"{param['name']}.{array}"] for array in param["checksums"]}


def require(condition, problem):
    if not condition:
        raise Damaged(problem)


def checksum(data):
    return f"{zlib.crc32(data):08x}"


def read(path):
    """Reads a checkpoint from a file, and verifies every byte."""
    file = pathlib.Path(path).read_bytes()
    require(len(file) >= 8, f"the file has {len(file)} bytes, too few for a checkpoint")
    (length,) = struct.unpack_from("<Q", file)
    require(length <= len(file) - 8, f"the header should have {length} bytes, and the file ends before")
    header, data = file[: 8 + length], memoryview(file)[8 + length :]
    digits = DIGITS.search(header)
    require(digits, "the header has no checksum")
    blank = header[: digits.start(1)] + ZEROS + header[digits.end(1) :]
    require(checksum(blank) == digits[1].decode(), "the header does not have the checksum that it says")
    entries = json.loads(header[8:])
    manifest = json.loads(entries.pop("__metadata__")["radam"])
    require(1 <= manifest["format"] <= FORMAT, f"the format has version {manifest['format']}, which is unknown here")
    tensors, end = {}, 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        size = SIZES[entry["dtype"]] * math.prod(entry["shape"])
        require((start, stop) == (end, end + size), f'the place of "{name}" is not where and as long as it should be')
        tensors[name] = Tensor(entry["dtype"], entry["shape"], data[start:stop])
        end = stop
    require(end == len(data), f"{end} bytes of data should follow the header, and {len(data)} do")
    unknown = set(tensors)
    for param in manifest["params"]:
        for array, digits in param["checksums"].items():
            name = f"{param['name']}.{array}"
            require(name in unknown, f'"{name}" is not there')
            require(checksum(tensors[name].data) == digits, f'"{name}" does not have its checksum')
            unknown.remove(name)
    require(not unknown, f"the manifest does not know {sorted(unknown)}")
    return Checkpoint(manifest, tensors)


def encode(checkpoint):
    """The bytes of a checkpoint, with new checksums."""
    manifest = dict(checkpoint.manifest, params=[dict(param) for param in checkpoint.manifest["params"]])
    for param in manifest["params"]:
        param["checksums"] = {array: checksum(tensor.data) for array, tensor in checkpoint.arrays(param).items()}
    # Largest elements first, so that all are aligned; Python's sort is stable.
    tensors = sorted(checkpoint.tensors.items(), key=lambda item: -SIZES[item[1].dtype])
    header = {"__metadata__": {"radam": json.dumps(manifest, allow_nan=False), "radam.checksum": ZEROS.decode()}}
    end = 0
    for name, tensor in tensors:
        start, end = end, end + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    blank = struct.pack("<Q", len(text)) + text
    at = DIGITS.search(blank).start(1)
    header = blank[:at] + checksum(blank).encode() + blank[at + len(ZEROS) :]
    return b"".join([header, *(tensor.data for _, tensor in tensors)])


def write(path, checkpoint):
    """Writes a checkpoint atomically: the file appears whole or not at all."""
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        file.write(encode(checkpoint))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def describe(checkpoint):
    manifest = checkpoint.manifest
    yield f"format {manifest['format']}, by {manifest.get('library', '?')}, moments {manifest['moments']}"
    for number, group in enumerate(manifest["groups"]):
        options = ", ".join(f"{name} {value}" for name, value in group.items())
        yield f"group {number}: {options}"
    for param in manifest["params"]:
        arrays = ", ".join(f"{array} {tensor.dtype}" for array, tensor in checkpoint.arrays(param).items())
        yield f"{param['name']}: group {param['group']}, {param['len']} elements, step {param['step']}, {arrays}"


def rename(checkpoint, names):
    """Renames parameters; names maps old names to new ones."""
    known = {param["name"] for param in checkpoint.manifest["params"]}
    if missing := set(names) - known:
        raise KeyError(f"the checkpoint has no {sorted(missing)}, but {sorted(known)}")
    params, tensors = [], {}
    for param in checkpoint.manifest["params"]:
        new = names.get(param["name"], param["name"])
        params.append(dict(param, name=new))
        for array, tensor in checkpoint.arrays(param).items():
            tensors[f"{new}.{array}"] = tensor
    if len({param["name"] for param in params}) != len(params):
        raise KeyError("two parameters would have the same name")
    return Checkpoint(dict(checkpoint.manifest, params=params), tensors)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="verify a checkpoint, and say what it has")
    show.add_argument("file")
    change = commands.add_parser("rename", help="give parameters other names")
    change.add_argument("file")
    change.add_argument("new_file")
    change.add_argument("names", nargs="+", metavar="OLD=NEW")
    arguments = parser.parse_args()
    try:
        checkpoint = read(arguments.file)
        if arguments.command == "show":
            print(*describe(checkpoint), sep="\n")
        else:
            names = dict(name.split("=", 1) for name in arguments.names)
            write(arguments.new_file, rename(checkpoint, names))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"radam_checkpoint: {error}")


if __name__ == "__main__":
    main()
