"""Reads, verifies and writes checkpoints of radam, with nothing but Python's standard library.

    python3 radam_checkpoint.py show FILE                          # verify a checkpoint, and list its contents
    python3 radam_checkpoint.py rename FILE NEW_FILE OLD=NEW ...   # rename parameters

An OLD that ends with a dot stands for these segments wherever names have them: `_orig_mod.=` leaves them out, and
`model.encoder.=encoder.` replaces them. Any other OLD is a whole name.

docs/checkpoint.md describes the format. The whole file is read into memory.

SPDX: MIT OR Apache-2.0
"""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import re
import secrets
import shutil
import struct
import sys
import zlib

FORMAT = 2  # what is written; format 1 is read, too
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "U32": 4}
FLOATS = ("F64", "F32", "F16", "BF16")
CODES = {"exp_avg": "I8", "exp_avg_sq": "U8", "state_scale": "U32"}  # the arrays of 8-bit state
BLOCK = 128  # elements of 8-bit state that share an element of state_scale
ZEROS = b"00000000"
DIGITS = re.compile(rb'"radam\.checksum"\s*:\s*"([0-9a-f]{8})"')
MOST_LISTED = 8


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


def shown(value):
    """A value of a file, as a sentence about it has it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def listed(names):
    """The first names of many, as a sentence has them."""
    names = sorted(names)
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(shown(name) for name in names[:MOST_LISTED]) + more


def checksum(data):
    return f"{zlib.crc32(data):08x}"


def is_number(value):
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def is_text(value):
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


# What values have to be, and how to test it.
NOT_NEGATIVE = ("a number of at least 0", lambda value: is_number(value) and value >= 0)
BETA = ("a number from 0 to less than 1", lambda value: is_number(value) and 0 <= value < 1)
THRESHOLD = ("a number of at least 4", lambda value: is_number(value) and value >= 4)
COUNT = ("a whole number from 0 to less than 2^64", lambda value: type(value) is int and 0 <= value < 2**64)
FLAG = ("true or false", lambda value: type(value) is bool)
TEXT = ("a string of Unicode characters", is_text)
LIST = ("a list", lambda value: isinstance(value, list))
OBJECT = ("an object", lambda value: isinstance(value, dict))
TOGGLE = ('"auto", "on" or "off"', lambda value: value in ("auto", "on", "off"))
MOMENTS = ('"debiased" or "biased"', lambda value: value in ("debiased", "biased"))
PARAM_DTYPE = ('"f32", "f64", "f16" or "bf16"', lambda value: value in ("f32", "f64", "f16", "bf16"))
STATE = ('"q8"', lambda value: value == "q8")
FILE_DTYPE = (f"one of {', '.join(SIZES)}", lambda value: isinstance(value, str) and value in SIZES)
COUNTS = ("a list of whole numbers", lambda value: isinstance(value, list) and all(map(COUNT[1], value)))
RANGE = ("a list of two whole numbers", lambda value: COUNTS[1](value) and len(value) == 2)
CRC = ("8 hexadecimal digits", lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{8}", value))

TOGGLES = ("decouple_wd", "decouple_lr", "maximize", "rectify", "unrectified", "stochastic_rounding")
GROUP = dict.fromkeys(("lr", "weight_decay", "eps", "max_lr"), NOT_NEGATIVE) | {"beta1": BETA, "beta2": BETA}
GROUP_IF_THERE = {"rectify_threshold": THRESHOLD, "seed": COUNT} | dict.fromkeys(TOGGLES, TOGGLE)
PARAM = {"name": TEXT, "group": COUNT, "len": COUNT, "step": COUNT, "checksums": OBJECT}
PARAM_IF_THERE = {"dtype": PARAM_DTYPE, "offset": COUNT, "total_len": COUNT, "frozen": FLAG, "state": STATE}
MANIFEST = {"format": COUNT, "moments": MOMENTS, "groups": LIST, "params": LIST}
ARRAYS = dict.fromkeys(("exp_avg", "exp_avg_sq", "kahan_comp", "master_remainder", "state_scale"), CRC)
TENSOR = {"dtype": FILE_DTYPE, "shape": COUNTS, "data_offsets": RANGE}


def check(what, entry, required, if_there={}):
    """That an object of a header has what it should have."""
    require(isinstance(entry, dict), f"{what} is {shown(entry)}, and should be an object")
    for key, (expected, is_right) in (required | if_there).items():
        require(key in entry or key in if_there, f"{what} has no {key}, which should be {expected}")
        require(
            key not in entry or is_right(entry[key]),
            f"{key} of {what} is {shown(entry.get(key))}, and should be {expected}",
        )


def parse(text, what):
    """The object that a text in JSON has; no key may occur twice in one."""

    def distinct(pairs):
        entries = dict(pairs)
        require(len(entries) == len(pairs), f"{what} has a key twice, among {listed(key for key, _ in pairs)}")
        return entries

    def refuse(word):
        raise ValueError(f"it has {word}")

    try:
        text = text if isinstance(text, str) else text.decode()
        entries = json.loads(text, object_pairs_hook=distinct, parse_constant=refuse)
    except Damaged:
        raise
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{what} is not JSON: {error}") from error
    check(what, entries, {})
    return entries


def check_manifest(manifest):
    check("the manifest", manifest, {"format": COUNT})
    require(1 <= manifest["format"] <= FORMAT, f"the format is {manifest['format']}, and can be 1 to {FORMAT} here")
    check("the manifest", manifest, MANIFEST, {"optimizer_accumulation": FLAG})
    for number, group in enumerate(manifest["groups"]):
        check(f"group {number}", group, GROUP, GROUP_IF_THERE)
    names = set()
    for number, param in enumerate(manifest["params"]):
        check(f"parameter {number}", param, PARAM, PARAM_IF_THERE)
        name, group, length = param["name"], param["group"], param["len"]
        require(name not in names, f"there are two parameters {shown(name)}")
        names.add(name)
        groups = len(manifest["groups"])
        require(group < groups, f"{shown(name)} is in group {group}, and there are {groups}, counted from 0")
        end, total = param.get("offset", 0) + length, param.get("total_len", length)
        require(end <= total, f"{shown(name)} ends at element {end} of a tensor of {total}")
        check(f"the checksums of {shown(name)}", param["checksums"], {}, ARRAYS)
        unknown = set(param["checksums"]) - set(ARRAYS)
        require(not unknown, f"{shown(name)} has a checksum of {listed(unknown)}, and could have {listed(ARRAYS)}")
        check_8bit(manifest["moments"], param)


def check_8bit(moments, param):
    """That 8-bit state is whole, and other state has no part of it."""
    name, arrays, offset = shown(param["name"]), param["checksums"], param.get("offset", 0)
    if "state" not in param:
        require("state_scale" not in arrays, f"{name} has a state_scale, and its state is not said to be q8")
        return
    missing = set(CODES) - set(arrays)
    require(not missing or param["len"] == 0, f"the 8-bit state of {name} lacks {listed(missing)}")
    require(moments == "debiased", f"the moments of {name} are biased, which 8-bit state cannot be")
    require(offset % BLOCK == 0, f"{name} begins at element {offset}, which cuts a block of {BLOCK} of its 8-bit state")


def check_array(param, array, tensor):
    """That a tensor has the dtype and the elements of an array of a parameter."""
    what, length = f"the tensor {shown(param['name'] + '.' + array)}", param["len"]
    dtypes = ("I16",) if array == "master_remainder" else FLOATS
    if "state" in param and array in CODES:
        dtypes = (CODES[array],)
    right = -(-length // BLOCK) if array == "state_scale" else length
    found = math.prod(tensor.shape)
    require(tensor.dtype in dtypes, f"{what} is of {tensor.dtype}, and should be of {' or '.join(dtypes)}")
    require(found == right, f"{what} has {found} elements, and should have {right}")


def tensors_of(entries, data):
    """The tensors that the entries of a header describe; each byte belongs to exactly one."""
    for name, entry in entries.items():
        check(f"the tensor {shown(name)}", entry, TENSOR)
    tensors, end = {}, 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        start, stop = entry["data_offsets"]
        size = SIZES[entry["dtype"]] * math.prod(entry["shape"])
        require(
            (start, stop) == (end, end + size),
            f"the tensor {shown(name)} is at {start} to {stop} of the data, and should be at {end} to {end + size}",
        )
        tensors[name] = Tensor(entry["dtype"], entry["shape"], data[start:stop])
        end = stop
    require(end == len(data), f"{end} bytes of data should follow the header, and {len(data)} do")
    return tensors


def decode(file):
    """The checkpoint that these bytes are, every one of them verified."""
    require(len(file) >= 8, f"it has {len(file)} bytes, and a checkpoint has at least 8")
    (length,) = struct.unpack_from("<Q", file)
    require(length <= len(file) - 8, f"the header should have {length} bytes, and {len(file) - 8} are there")
    header, data = file[: 8 + length], memoryview(file)[8 + length :]
    digits = DIGITS.search(header)
    require(digits, "its header has no radam.checksum, so it is not a checkpoint of radam")
    blank = header[: digits.start(1)] + ZEROS + header[digits.end(1) :]
    found, said = checksum(blank), digits[1].decode()
    require(found == said, f"the header has the checksum {found}, and should have {said}")
    entries = parse(header[8:], "the header")
    metadata = entries.pop("__metadata__", None)
    check("the metadata", metadata, {"radam": TEXT, "radam.checksum": CRC})
    require(metadata["radam.checksum"] == said, "the first radam.checksum of the header is not that of its metadata")
    manifest = parse(metadata["radam"], "the manifest")
    check_manifest(manifest)
    tensors = tensors_of(entries, data)
    unknown = set(tensors)
    for param in manifest["params"]:
        for array, said in param["checksums"].items():
            name = f"{param['name']}.{array}"
            require(name in unknown, f"the tensor {shown(name)} is missing")
            check_array(param, array, tensors[name])
            found = checksum(tensors[name].data)
            require(found == said, f"the tensor {shown(name)} has the checksum {found}, and should have {said}")
            unknown.remove(name)
    require(not unknown, f"the manifest lacks the tensors {listed(unknown)}")
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


def require_file(path):
    """That a path is a file; opening a pipe would wait, and a device would not end."""
    os.stat(path)
    require(os.path.isfile(path), f"{path} is not a regular file")


def read(path):
    """Reads a checkpoint from a file, and verifies every byte."""
    require_file(path)
    with open(path, "rb") as file:
        contents = file.read()
    try:
        return decode(contents)
    except Damaged as error:
        raise Damaged(f"{path} is not a checkpoint of radam, or is damaged: {error}") from error


def replace(path, contents):
    """Writes a file, which appears whole or not at all; one that is replaced keeps its mode."""
    path = os.path.realpath(path)
    if os.path.lexists(path):
        require_file(path)
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        if isinstance(error, OSError):
            error.filename = path
        raise


def write(path, checkpoint):
    """Writes a checkpoint atomically."""
    replace(path, encode(checkpoint))


def describe(checkpoint):
    manifest = checkpoint.manifest
    accumulation = ", accumulating" if manifest.get("optimizer_accumulation") else ""
    yield f"format {manifest['format']}, by {manifest.get('library', '?')}, moments {manifest['moments']}{accumulation}"
    for number, group in enumerate(manifest["groups"]):
        options = ", ".join(f"{name} {value}" for name, value in group.items())
        yield f"group {number}: {options}"
    for param in manifest["params"]:
        arrays = ", ".join(f"{array} {tensor.dtype}" for array, tensor in checkpoint.arrays(param).items())
        yield f"{param['name']}: group {param['group']}, {param['len']} elements, step {param['step']}, {arrays}"


def renamed(name, rules):
    if name in rules:
        return rules[name]
    for old, new in rules.items():
        if old.endswith("."):
            name = re.sub(rf"(?<![^.]){re.escape(old)}", lambda _: new, name)
    return name


def rename(checkpoint, rules):
    """Renames parameters; rules maps old names, or segments of names with a dot at their end, to new ones."""
    known = [param["name"] for param in checkpoint.manifest["params"]]
    for old in rules:
        is_used = old in known or (old.endswith(".") and any(f".{old}" in f".{name}" for name in known))
        require(is_used, f"no parameter has the name or the segments {shown(old)}; there are {listed(known)}")
    new_names = {name: renamed(name, rules) for name in known}
    takers = {}
    for name, new in new_names.items():
        other = takers.setdefault(new, name)
        require(other == name, f"both {shown(other)} and {shown(name)} would have the name {shown(new)}")
        require(is_text(new), f"the new name of {shown(name)} is {shown(new)}, and should be {TEXT[0]}")
    params, tensors = [], {}
    for param in checkpoint.manifest["params"]:
        new = new_names[param["name"]]
        params.append(dict(param, name=new))
        for array, tensor in checkpoint.arrays(param).items():
            tensors[f"{new}.{array}"] = tensor
    return Checkpoint(dict(checkpoint.manifest, params=params), tensors)


def sentence(error):
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


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
            for rule in arguments.names:
                require("=" in rule, f"{shown(rule)} should be OLD=NEW")
            rules = dict(rule.split("=", 1) for rule in arguments.names)
            write(arguments.new_file, rename(checkpoint, rules))
    except (OSError, ValueError) as error:
        sys.exit(f"radam_checkpoint: {sentence(error)}")


if __name__ == "__main__":
    main()
