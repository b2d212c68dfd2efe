"""Damages a checkpoint in every way that comes to mind; radam_checkpoint.py must detect it.

    python3 find_damage.py FILE

Bits of every byte are flipped in turn, and the file is cut off at every length. Then the header is written anew, with a
sound checksum, but with one value missing or of another kind, or with a key twice.
"""

import json
import pathlib
import re
import struct
import sys
import tempfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent / "examples" / "interop"))

import radam_checkpoint

WRONG = [None, "x", "\ud800", -1, 2.5, 2**64, 1e400, float("nan"), True, [], {}, [0], [1, 2], {"x": 1}]
OTHER_DTYPES = {"I8": "U8", "U8": "I8", "U32": "F32", "F32": "U32", "I16": "F16"}  # of the same size
MOST_RIGHT = 3  # of these may be right at one place
IGNORED = {"library"}
OPTIONAL = {"library", "optimizer_accumulation", *radam_checkpoint.GROUP_IF_THERE, *radam_checkpoint.PARAM_IF_THERE}

sound = pathlib.Path(sys.argv[1]).read_bytes()
(length,) = struct.unpack_from("<Q", sound)
header = json.loads(sound[8 : 8 + length])
manifest = json.loads(header["__metadata__"]["radam"])
data = sound[8 + length :]


def is_found(contents, path):
    path.write_bytes(contents)
    try:
        radam_checkpoint.read(path)
    except radam_checkpoint.Damaged as error:
        assert str(path) in str(error) and "\n" not in str(error), error
        return True
    return False


def find_changed_bytes(path):
    for at in range(len(sound)):
        for flipped in (1, 0x20):  # the latter makes capitals of letters
            changed = sound[:at] + bytes([sound[at] ^ flipped]) + sound[at + 1 :]
            if not is_found(changed, path):
                sys.exit(f"byte {at} was changed, and nobody saw it")
        if not is_found(sound[:at], path):
            sys.exit(f"the file was cut off at byte {at}, and nobody saw it")
    print(f"all {len(sound)} bytes, and every length: damage found")


def places(value, path=()):
    """Where the values of an object are, one inside of another."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value, path, change):
    """The value with another one at a place; change is done to what holds it, by its key there."""
    copy = value.copy()
    if len(path) == 1:
        change(copy, path[0])
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], change)
    return copy


def file_of(text):
    """A checkpoint with this header, whose checksum is sound."""
    text = text.encode("utf-8", "surrogatepass")
    blank = re.sub(rb'("radam.checksum": *)"[^"]*"', rb'\1"00000000"', struct.pack("<Q", len(text)) + text)
    return blank.replace(b"00000000", b"%08x" % zlib.crc32(blank), 1) + data


def with_manifest(text):
    return file_of(json.dumps(header | {"__metadata__": header["__metadata__"] | {"radam": text}}))


def find_wrong_values(path):
    count = 0
    if is_found(file_of(json.dumps(header)), path) or is_found(with_manifest(json.dumps(manifest)), path):
        sys.exit("a sound file was refused")
    for value, write in (
        (header, lambda value: file_of(json.dumps(value))),
        (manifest, lambda value: with_manifest(json.dumps(value))),
    ):
        for place in list(places(value))[1:]:
            if place == ("__metadata__", "radam.checksum"):
                continue  # which file_of repairs
            right = 0
            for wrong in WRONG:
                replaced = changed(value, place, lambda holder, key: holder.__setitem__(key, wrong))
                right += not is_found(write(replaced), path)
            if right > MOST_RIGHT and place[-1] not in IGNORED:
                sys.exit(f"{right} of {len(WRONG)} wrong values at {place} were not seen")
            without = write(changed(value, place, lambda holder, key: holder.pop(key)))
            if not is_found(without, path) and place[-1] not in OPTIONAL:
                sys.exit(f"what is at {place} was left out, and nobody saw it")
            count += len(WRONG) + 1
    for name in header.keys() - {"__metadata__"}:
        if other := OTHER_DTYPES.get(header[name]["dtype"]):
            if not is_found(file_of(json.dumps(header | {name: header[name] | {"dtype": other}})), path):
                sys.exit(f"{name} was of {other}, and nobody saw it")
    print(f"{count} wrong values: none without a sentence")


def find_keys_twice(path):
    for text, write in ((json.dumps(header), file_of), (json.dumps(manifest), with_manifest)):
        keys = [match for match in re.finditer(r'(?<!\\)"(\w|\.)+": ', text)]
        for key in keys:
            twice = text[: key.start()] + key[0] + "1, " + text[key.start() :]
            if key[0] != '"radam.checksum": ' and not is_found(write(twice), path):
                sys.exit(f"{key[0]} was there twice, and nobody saw it")
        if not keys:
            sys.exit("no keys to have twice")
    print("every key, twice: found")


with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "damaged.radam"
    find_changed_bytes(path)
    find_wrong_values(path)
    find_keys_twice(path)
