"""Gives examples/interop/torch_radam.py snapshots that are damaged, or have wrong values.

    venv/bin/python check_damage.py    # an assertion fails if something is wrong
"""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent / "examples" / "interop"))

import optimi
import torch

import torch_radam
from check_tools import Model, run, stepped

WRONG = [None, "x", b"x", -1, 2.5, float("nan"), float("inf"), 2**70, True, [], [0.5], {}]
WRONG += [torch.zeros(2), torch.tensor(-1)]
MOST_RIGHT = 4  # of these may be right at one place
IGNORED = {"foreach", "capturable", "differentiable", "fused", "setup"}  # options that are no part of a checkpoint
PLACES = 300


def places(value, path=()):
    """Where the values of a snapshot are, one inside of another."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def without(value, path):
    if len(path) > 1:
        return replaced(value, path[:1], without(value[path[0]], path[1:]))
    return {key: inner for key, inner in value.items() if key != path[0]} if isinstance(value, dict) else value[:0]


def check_wrong_values(folder):
    """Any value of a snapshot may be of any kind or missing: the tools convert it, or say a sentence."""
    refused = 0
    for kind in (torch.optim.AdamW, optimi.RAdam):
        model = torch.nn.Linear(2, 2, dtype=torch.bfloat16)
        snapshot = torch_radam.snapshot(stepped(kind(model.parameters(), lr=0.1)), model.named_parameters())
        torch.save(snapshot, folder / "snapshot.pt")
        run("to-radam", folder / "snapshot.pt", folder / "run.radam")
        for path in list(places(snapshot))[1:]:
            converted = {"to-radam": 0, "to-torch": 0}
            for changed in [*(replaced(snapshot, path, value) for value in WRONG), without(snapshot, path)]:
                torch.save(changed, folder / "changed.pt")
                for command in (("to-radam", "changed.pt", "new"), ("to-torch", "run.radam", "changed.pt", "new")):
                    try:
                        run(command[0], *(folder / name for name in command[1:]))
                        converted[command[0]] += 1
                    except SystemExit as error:
                        assert isinstance(error.code, str) and "\n" not in error.code, (path, error.code)
                        refused += 1
            is_replaced = "state" in path or path[-1] == "step"
            if path[-1] not in IGNORED:
                assert converted["to-radam"] <= MOST_RIGHT, (path, converted)
                assert converted["to-torch"] <= MOST_RIGHT or is_replaced, (path, converted)
    print(f"{refused} wrong values refused")


def check_damage(folder):
    """A damaged file is refused, or the damage is where nothing is read and the outcome is the same."""
    model = Model()
    snapshot = torch_radam.snapshot(stepped(torch.optim.AdamW(model.parameters())), model.named_parameters())
    torch.save(snapshot, folder / "snapshot.pt")
    torch.save(snapshot["state_dict"], folder / "optimizer.pt")
    torch.save(model.state_dict(), folder / "model.pt")
    bare = ("--optimizer", "torch.AdamW", "--model", folder / "model.pt")
    run("to-radam", folder / "snapshot.pt", folder / "sound.radam")
    sound = (folder / "sound.radam").read_bytes()
    damaged, new = folder / "damaged.pt", folder / "new.radam"
    commands = {
        "snapshot.pt": ("to-radam", damaged, new),
        "optimizer.pt": ("to-radam", *bare, damaged, new),
        "model.pt": ("to-radam", *bare[:3], damaged, folder / "optimizer.pt", new),
    }
    count = 0
    for name, command in commands.items():
        contents = (folder / name).read_bytes()
        for place in range(PLACES):
            at = place * len(contents) // PLACES
            flipped = bytes([contents[at] ^ 1 << place % 8])
            for changed in (contents[:at] + flipped + contents[at + 1 :], contents[:at]):
                damaged.write_bytes(changed)
                new.write_bytes(b"keep me")
                try:
                    run(*command)
                except SystemExit as error:
                    assert str(error.code).startswith(f"torch_radam: {damaged} is damaged"), (name, at, error.code)
                    assert new.read_bytes() == b"keep me", (name, at)
                    count += 1
                else:
                    assert len(changed) == len(contents) and new.read_bytes() == sound, (name, at)
    assert count > PLACES * len(commands) * 1.5, count
    print(f"damage at {count} places refused")


def main():
    for check in (check_wrong_values, check_damage):
        with tempfile.TemporaryDirectory() as name:
            check(pathlib.Path(name))


if __name__ == "__main__":
    main()
