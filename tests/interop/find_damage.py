"""Flips bits of every byte of a checkpoint in turn, and cuts it off at every length; radam_checkpoint.py must detect it.

    python3 find_damage.py FILE
"""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent / "examples" / "interop"))

import radam_checkpoint

sound = pathlib.Path(sys.argv[1]).read_bytes()
radam_checkpoint.read(sys.argv[1])


def is_found(contents, path):
    path.write_bytes(contents)
    try:
        radam_checkpoint.read(path)
    except radam_checkpoint.Damaged:
        return True
    return False


with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "damaged.radam"
    for at in range(len(sound)):
        for flipped in (1, 0x20):  # the latter makes capitals of letters
            changed = sound[:at] + bytes([sound[at] ^ flipped]) + sound[at + 1 :]
            if not is_found(changed, path):
                sys.exit(f"byte {at} was changed, and nobody saw it")
        if not is_found(sound[:at], path):
            sys.exit(f"the file was cut off at byte {at}, and nobody saw it")
print(f"all {len(sound)} bytes, and every length: damage found")
