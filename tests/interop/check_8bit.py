"""Gives the tools in examples/interop the 8-bit state of bitsandbytes and torchao, as these packages save it.

    venv/bin/python check_8bit.py PROGRAM    # continue_training.cpp, built; an assertion fails if something is wrong
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

os.environ["TORCHDYNAMO_DISABLE"] = "1"  # torchao would compile its step, with the same results
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent / "examples" / "interop"))

import bitsandbytes
import torch
import torchao.optim

import hand_over
import radam_checkpoint
import torch_8bit
import torch_radam
from check_damage import WRONG, places, replaced, without
from check_tools import refusal, run, stepped

warnings.filterwarnings("ignore", message="Paged optimizers are not supported on CPU")

MEANWHILE = 10  # steps
# The second has a short block in bitsandbytes, and f32 state in torchao.
SHAPES = ({"layer.weight": (64, 64), "layer.bias": (4,)}, {"layer.weight": (67, 64), "layer.bias": (4,)})


def without_foreach(kind):
    return lambda groups, lr, foreach, **options: kind(groups, lr=lr, **options)


BITSANDBYTES = {
    f"bitsandbytes.{kind.__name__}": without_foreach(kind)
    for kind in (
        bitsandbytes.optim.AdamW8bit,
        bitsandbytes.optim.Adam8bit,
        bitsandbytes.optim.PagedAdamW8bit,
        bitsandbytes.optim.AdamW32bit,
        bitsandbytes.optim.Adam32bit,
    )
}
TORCHAO = {
    f"torchao.{kind.__name__}": without_foreach(kind) for kind in (torchao.optim.AdamW8bit, torchao.optim.Adam8bit)
}
# Optimizers of PyTorch that make the same steps on f32 state. Adam of bitsandbytes decouples weight decay, too.
IN_F32 = {
    "bitsandbytes.AdamW8bit": torch.optim.AdamW,
    "bitsandbytes.Adam8bit": torch.optim.AdamW,
    "bitsandbytes.AdamW32bit": torch.optim.AdamW,
    "bitsandbytes.Adam32bit": torch.optim.AdamW,
    "torchao.AdamW8bit": torch.optim.AdamW,
    "torchao.Adam8bit": torch.optim.Adam,
}


def trained(name, shapes, dtype=torch.float32, **options):
    return hand_over.Training((BITSANDBYTES | TORCHAO)[name], options, dtype, shapes=shapes).run(hand_over.BEFORE)


def their_moments(state):
    """What the packages themselves decode."""
    state = state.get(torch_8bit.WRAPPED, state)
    for array, (codes, table, scale) in torch_8bit.BITSANDBYTES.items():
        values = state[codes] if codes in state else state[array]
        if values.dtype == torch.uint8 and codes in state:
            values = bitsandbytes.functional.dequantize_blockwise(
                values, absmax=state[scale], code=state[table], blocksize=256
            )
        yield array, values.dequantize() if isinstance(values, torchao.optim.subclass_8bit.OptimState8bit) else values


def check_decoding(folder):
    """Both packages decode their state to the same bits as the tools, from a file that needs neither of them."""
    count = 0
    for name in BITSANDBYTES | TORCHAO:
        for shapes in SHAPES:
            for dtype in (torch.float32, torch.bfloat16):
                training = trained(name, shapes, dtype)
                snapshot = training.snapshot()
                torch.save(snapshot, folder / "snapshot.pt")
                run("to-radam", folder / "snapshot.pt", folder / "run.radam", "--moments", "biased")
                checkpoint = radam_checkpoint.read(folder / "run.radam")
                for number, param in enumerate(checkpoint.manifest["params"]):
                    assert param["step"] == hand_over.BEFORE - number * (hand_over.BIAS_JOINS_AT - 1), param
                    for array, expected in their_moments(snapshot["state_dict"]["state"][number]):
                        found = torch_radam.from_bytes(checkpoint.tensors[f"{param['name']}.{array}"])
                        assert torch.equal(found, expected.flatten().to(found.dtype)), (name, shapes, dtype, array)
                        count += 1
    print(f"{count} moments decoded as bitsandbytes and torchao do")


def check_without_packages(folder):
    """The command gives the same bytes where neither package can be imported."""
    tool = pathlib.Path(torch_radam.__file__)
    code = (
        "import runpy, sys; sys.modules.update(bitsandbytes=None, torchao=None); "
        f"sys.path.insert(0, {str(tool.parent)!r}); sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    for name in ("bitsandbytes.AdamW8bit", "torchao.AdamW8bit"):
        torch.save(trained(name, SHAPES[0]).snapshot(), folder / "snapshot.pt")
        run("to-radam", folder / "snapshot.pt", folder / "here.radam")
        there = (tool, "to-radam", folder / "snapshot.pt", folder / "there.radam")
        subprocess.run([sys.executable, "-c", code, *there], check=True)
        assert (folder / "here.radam").read_bytes() == (folder / "there.radam").read_bytes(), name
    print("files of both packages, without the packages")


def check_state_dicts(folder):
    """A state_dict alone becomes what its snapshot becomes."""
    for name in ("bitsandbytes.AdamW8bit", "torchao.Adam8bit"):
        snapshot = trained(name, SHAPES[0]).snapshot()
        torch.save(snapshot, folder / "snapshot.pt")
        torch.save(snapshot["state_dict"], folder / "optimizer.pt")
        torch.save(dict(zip(snapshot["names"], snapshot["params"])), folder / "model.pt")
        bare = ("--optimizer", snapshot["optimizer"], "--model", folder / "model.pt")
        for state in ((), ("--state", "q8")):
            run("to-radam", folder / "snapshot.pt", folder / "run.radam", *state)
            run("to-radam", folder / "optimizer.pt", folder / "bare.radam", *bare, *state)
            assert (folder / "bare.radam").read_bytes() == (folder / "run.radam").read_bytes(), name
    print("state_dicts without names")


def in_torch(name, training, checkpoint):
    """The same training run with an optimizer of PyTorch, which has its state from a checkpoint."""
    weights = dict(zip(SHAPES[0], training.snapshot()["params"]))
    fresh = hand_over.Training(IN_F32[name], {}, torch.float32, weights, SHAPES[0]).snapshot()
    snapshot = torch_radam.to_torch(radam_checkpoint.read(checkpoint), fresh)
    return hand_over.Training.of(IN_F32[name], {}, torch.float32, snapshot)


def in_program(program, weights, checkpoint, *options):
    """The weights after some steps of the program, which saves its state in the same place."""
    file = checkpoint.with_suffix(".bin")
    file.write_bytes(weights.numpy().tobytes())
    subprocess.run([program, "f32", str(MEANWHILE), file, checkpoint, *options], check=True)
    return torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.float32)


def check_program(folder, program):
    """A program in C++ goes on from their state as PyTorch does with the same in f32, and more closely than they do."""
    for name in IN_F32:
        training = trained(name, SHAPES[0])
        torch.save(training.snapshot(), folder / "snapshot.pt")
        before, f32, q8, none = training.weights(), *(folder / f"{state}.radam" for state in ("f32", "q8", "none"))
        run("to-radam", folder / "snapshot.pt", f32)
        run("to-radam", folder / "snapshot.pt", q8, "--state", "q8")
        radam_checkpoint.write(none, torch_radam.to_radam(without_state(training.snapshot())))
        exact, decoded = in_torch(name, training, f32), in_torch(name, training, q8)
        exact, decoded = exact.run(MEANWHILE).weights(), decoded.run(MEANWHILE).weights()
        theirs = training.run(MEANWHILE).weights()

        def apart(found):
            return ((found - exact).square().mean() / (exact - before).square().mean()).sqrt().item()

        same, coded = apart(in_program(program, before, f32)), apart(in_program(program, before, q8, "--q8"))
        found = {"in f32": same, "8 bits": coded, "8 bits once": apart(decoded), "theirs": apart(theirs)}
        found["without state"] = apart(in_program(program, before, none))
        print(f"{name}, apart on the way:", ", ".join(f"{what} {error:.1e}" for what, error in found.items()))
        # An L2 penalty cancels the gradients of a few elements but for rounding, which Adam follows.
        assert same < (1e-3 if name == "torchao.Adam8bit" else 1e-5) and coded < 0.01 and apart(decoded) < 0.005, found
        assert found["without state"] > 0.05, found
        assert found["theirs"] < 1e-5 if name.endswith("32bit") else found["theirs"] > coded, found
        saved = radam_checkpoint.read(q8)
        steps = hand_over.BEFORE + MEANWHILE
        assert [param["step"] for param in saved.manifest["params"]] == [steps, steps - hand_over.BIAS_JOINS_AT + 1]


def check_wrong_values(folder):
    """Any value of their state may be of any kind or missing: it is converted, or there is a sentence."""
    refused = converted = 0

    def convert(snapshot):
        nonlocal refused, converted
        torch.save(snapshot, folder / "changed.pt")
        try:
            run("to-radam", folder / "changed.pt", folder / "new.radam", "--state", "q8")
            converted += 1
        except SystemExit as error:
            assert isinstance(error.code, str) and "\n" not in error.code, error.code
            refused += 1

    model = torch.nn.Linear(2, 2)
    optimizer = bitsandbytes.optim.AdamW8bit(model.parameters(), min_8bit_size=1)
    snapshot = torch_radam.snapshot(stepped(optimizer), model.named_parameters())
    paths = [("state_dict", *path) for path in places(snapshot["state_dict"])][1:]
    for path in paths:
        for changed in [*(replaced(snapshot, path, value) for value in WRONG), without(snapshot, path)]:
            convert(changed)
    for array in ("exp_avg", "exp_avg_sq"):
        for part in ("codes", "scale", "qmap", "block_size"):
            for wrong in WRONG:
                snapshot = trained("torchao.AdamW8bit", SHAPES[0]).snapshot()
                setattr(snapshot["state_dict"]["state"][0][array], part, wrong)
                convert(snapshot)
    assert refused > 4 * converted, (refused, converted)
    print(f"{refused} wrong values refused")


def check_refusals(folder):
    """What cannot be converted, and 8-bit state of a checkpoint that is not whole, ends with a sentence."""
    of_torch = hand_over.Training(torch.optim.AdamW, {}, torch.float32, shapes=SHAPES[0]).run(4).snapshot()
    of_torch_f64 = hand_over.Training(torch.optim.AdamW, {}, torch.float64, shapes=SHAPES[0]).run(4).snapshot()
    limited = trained("bitsandbytes.AdamW8bit", SHAPES[0]).snapshot()
    limited["state_dict"]["state"][0]["unorm_vec"] = torch.zeros(1)
    for name, value in {
        "torch": of_torch,
        "f64": of_torch_f64,
        "bitsandbytes": trained("bitsandbytes.AdamW8bit", SHAPES[0]).snapshot(),
        "torchao": trained("torchao.AdamW8bit", SHAPES[0]).snapshot(),
        "limited": limited,
        "ademamix": dict(of_torch, optimizer="bitsandbytes.AdEMAMix"),
    }.items():
        torch.save(value, folder / f"{name}.pt")
    (folder / "old.radam").write_text("keep me")
    run("to-radam", folder / "torch.pt", folder / "sound.radam", "--state", "q8")

    def changed(change):
        checkpoint = radam_checkpoint.read(folder / "sound.radam")
        change(checkpoint.manifest, checkpoint.manifest["params"][0], checkpoint.tensors)
        radam_checkpoint.write(folder / "changed.radam", checkpoint)
        return refusal(folder, "to-torch", folder / "changed.radam", folder / "torch.pt", folder / "old.radam")

    def to_radam(name, *options):
        return refusal(folder, "to-radam", folder / name, folder / "old.radam", *options)

    def to_torch(name):
        return refusal(folder, "to-torch", folder / "sound.radam", folder / name, folder / "old.radam")

    scale = "layer.weight.state_scale"
    short = radam_checkpoint.Tensor("U32", [31], bytes(124))
    sentences = {
        "f64": (to_radam("f64.pt", "--state", "q8"), "'layer.weight' is of torch.float64, which cannot have"),
        "biased": (to_radam("torch.pt", "--state", "q8", "--moments", "biased"), "moments are biased, and those of"),
        "the way back": (to_torch("bitsandbytes.pt"), "bitsandbytes.AdamW, whose state can only be converted to radam"),
        "that of torchao": (to_torch("torchao.pt"), "torchao.AdamW8bit, whose state can only be converted to radam"),
        "max_unorm": (to_radam("limited.pt"), "'layer.weight' has ['unorm_vec'], which radam does not have"),
        "another optimizer": (to_radam("ademamix.pt"), "the optimizer is bitsandbytes.AdEMAMix, and can be one of"),
        "biased codes": (changed(lambda manifest, *_: manifest.update(moments="biased")), "which 8-bit state cannot"),
        "a cut block": (
            changed(lambda _, param, __: param.update(offset=64, total_len=8192)),
            "begins at element 64, which cuts a block of 128",
        ),
        "no scale": (
            changed(lambda _, param, tensors: (param["checksums"].pop("state_scale"), tensors.pop(scale))),
            "the 8-bit state of 'layer.weight' lacks 'state_scale'",
        ),
        "not said": (changed(lambda _, param, __: param.pop("state")), "its state is not said to be q8"),
        "another state": (changed(lambda _, param, __: param.update(state="q4")), "is 'q4', and should be \"q8\""),
        "codes of floats": (
            changed(lambda _, __, tensors: tensors.update({scale: dataclasses.replace(tensors[scale], dtype="F32")})),
            "state_scale' is of F32, and should be of U32",
        ),
        "a block less": (
            changed(lambda _, __, tensors: tensors.update({scale: short})),
            "has 31 elements, and should have 32",
        ),
    }
    for what, (found, expected) in sentences.items():
        assert found.startswith("torch_radam: ") and expected in found, (what, found)
    print(f"{len(sentences)} sentences")


def without_state(snapshot):
    return dict(snapshot, state_dict=dict(snapshot["state_dict"], state={}))


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    for check in (
        check_decoding,
        check_without_packages,
        check_state_dicts,
        check_program,
        check_wrong_values,
        check_refusals,
    ):
        with tempfile.TemporaryDirectory() as name:
            check(*(pathlib.Path(name), program)[: check.__code__.co_argcount])


if __name__ == "__main__":
    main()
