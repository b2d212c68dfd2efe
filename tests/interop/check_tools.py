"""Compares the tools in examples/interop with PyTorch itself, in more cases than hand_over.py.

    venv/bin/python check_tools.py PROGRAM    # continue_training.cpp, built; an assertion fails if something is wrong
"""

import copy
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent / "examples" / "interop"))

import optimi
import safetensors.torch
import torch

import hand_over
import radam_checkpoint
import torch_radam

CASES = [
    (name, dtype)
    for name in hand_over.OPTIMIZERS
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16)
]


def run(*arguments):
    """A command of torch_radam.py, without a new Python, which would import torch anew."""
    sys.argv = ["torch_radam.py", *map(str, arguments)]
    torch_radam.main()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refusal(folder, *arguments):
    """The sentence with which a command ends; nothing in the folder has changed."""
    before = contents(folder)
    try:
        run(*arguments)
    except SystemExit as error:
        assert isinstance(error.code, str) and "\n" not in error.code, error.code
        assert contents(folder) == before, error.code
        return error.code
    raise AssertionError(f"{arguments} was not refused")


class Model(torch.nn.Module):
    """Has what models have beside parameters: buffers of integers, tied parameters, a scalar, and none at all."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 4, dtype=dtype), torch.nn.Linear(4, 3, dtype=dtype))
        self.head = torch.nn.Linear(3, 4, bias=False, dtype=dtype)
        self.head.weight = self.layers[0].weight
        self.scale = torch.nn.Parameter(torch.ones((), dtype=dtype))
        self.empty = torch.nn.Parameter(torch.ones(0, 3, dtype=dtype))
        self.register_buffer("positions", torch.arange(3))


def stepped(optimizer, steps=3):
    for step in range(steps):
        for group in optimizer.param_groups:
            for param in group["params"]:
                param.grad = torch.arange(param.numel(), dtype=param.dtype).reshape(param.shape) / 4 - step
        optimizer.step()
    return optimizer


def trained(name, dtype):
    return hand_over.Training(*hand_over.OPTIMIZERS[name], dtype).run(hand_over.BEFORE)


def assert_same(found, expected, exact):
    """Values of a state dict, one inside of another."""
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype and found.shape == expected.shape, (found, expected)
        tolerance = 0 if exact else torch.finfo(expected.dtype).eps
        assert torch.allclose(found.double(), expected.double(), rtol=tolerance, atol=0), (found, expected)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys(), (found, expected)
        for key in expected:
            assert_same(found[key], expected[key], exact)
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), (found, expected)
        for one, other in zip(found, expected):
            assert_same(one, other, exact)
    else:
        assert found == expected, (found, expected)


def check_round_trips(folder):
    """What goes there and back by the commands is what it was: the same bits, unless it was debiased on the way."""
    for name, dtype in CASES:
        training = trained(name, dtype)
        snapshot = training.snapshot()
        fresh = hand_over.Training(*hand_over.OPTIMIZERS[name], dtype).snapshot()
        torch.save(snapshot, folder / "snapshot.pt")
        torch.save(fresh, folder / "fresh.pt")
        own = "debiased" if name.startswith("optimi") else "biased"
        for moments in ("debiased", "biased"):
            run("to-radam", folder / "snapshot.pt", folder / "run.radam", "--moments", moments)
            run("to-torch", folder / "run.radam", folder / "fresh.pt", folder / "back.pt")
            back = torch.load(folder / "back.pt")["state_dict"]
            assert_same(back["state"], snapshot["state_dict"]["state"], exact=moments == own)
            for found, expected in zip(back["param_groups"], snapshot["state_dict"]["param_groups"]):
                if expected.get("triton") is False:  # what optimi notes of the machine at the first step
                    expected = dict(expected, triton=found["triton"])
                if expected.get("max_lr", 0) is None:
                    expected = dict(expected, max_lr=expected["lr"])
                assert_same(found, expected, exact=True)
    print(f"{2 * len(CASES)} round trips")


def check_safetensors(folder):
    """Other readers of safetensors see the same tensors."""
    for name, dtype in CASES:
        snapshot = trained(name, dtype).snapshot()
        checkpoint = torch_radam.to_radam(snapshot, "debiased" if name.startswith("optimi") else "biased")
        radam_checkpoint.write(folder / "run.radam", checkpoint)
        found = safetensors.torch.load_file(folder / "run.radam")
        assert found.keys() == checkpoint.tensors.keys()
        for number, param in enumerate(snapshot["names"]):
            for array in ("exp_avg", "exp_avg_sq"):
                assert torch.equal(found[f"{param}.{array}"], snapshot["state_dict"]["state"][number][array])
    print(f"{len(CASES)} files in safetensors")


def check_library(folder, program):
    """What the library writes opens in safetensors, and has the state that PyTorch would have."""
    training = trained("torch.optim.AdamW", torch.float64)
    radam_checkpoint.write(folder / "run.radam", torch_radam.to_radam(training.snapshot()))
    (folder / "weights.bin").write_bytes(training.weights().numpy().tobytes())
    subprocess.run([program, "f64", "20", folder / "weights.bin", folder / "run.radam"], check=True)
    expected = torch_radam.to_radam(training.run(20).snapshot())
    radam_checkpoint.write(folder / "expected.radam", expected)
    found = safetensors.torch.load_file(folder / "run.radam")
    expected = safetensors.torch.load_file(folder / "expected.radam")
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert hand_over.error(found[name], tensor.flatten()) < 1e-13, name
    print("the state that the library saves")


def check_first_step():
    """An optimizer that has not stepped, a parameter without elements and one of no dimension go there and back."""
    params = {name: torch.nn.Parameter(torch.zeros(shape)) for name, shape in (("empty", (0, 3)), ("scalar", ()))}
    optimizer = torch.optim.RAdam(params.values())
    before = torch_radam.snapshot(optimizer, params.items())
    checkpoint = torch_radam.to_radam(before)
    assert [param["step"] for param in checkpoint.manifest["params"]] == [0, 0]
    assert torch_radam.to_torch(checkpoint, before)["state_dict"]["state"] == {}
    for param in params.values():
        param.grad = torch.ones_like(param)
    optimizer.step()
    after = torch_radam.snapshot(optimizer, params.items())
    back = torch_radam.to_torch(torch_radam.to_radam(after, "biased"), before)
    assert_same(back["state_dict"]["state"], after["state_dict"]["state"], exact=True)
    print("optimizers before their first step")


def check_refusals():
    """What has no counterpart is an error."""
    param = torch.nn.Parameter(torch.ones(3))
    named = {"p": param}

    def snapshot(optimizer, **options):
        return torch_radam.snapshot(optimizer([param], lr=0.1, **options), named.items())

    adamw = snapshot(torch.optim.AdamW)
    radam = torch_radam.to_radam(snapshot(torch.optim.RAdam, maximize=True))

    def changed(checkpoint, where, **entries):
        manifest = dict(checkpoint.manifest)
        manifest[where] = [dict(manifest[where][0], **entries)]
        return radam_checkpoint.Checkpoint(manifest, checkpoint.tensors)

    plain = torch_radam.to_radam(adamw)
    of_radam = snapshot(torch.optim.RAdam)
    plain_radam = torch_radam.to_radam(of_radam)
    optimizer = optimi.RAdam([param], lr=0.1, gradient_release=True)
    optimizer.optimizer_accumulation = True
    accumulating = torch_radam.to_radam(torch_radam.snapshot(optimizer, named.items()))
    with_amsgrad = snapshot(torch.optim.Adam, amsgrad=True)
    apex = dict(adamw, optimizer="apex.FusedAdam", state_dict=copy.deepcopy(adamw["state_dict"]))
    apex["state_dict"]["param_groups"][0]["bias_correction"] = False
    of_others = dict(adamw, state_dict=dict(adamw["state_dict"], state={0: {"step": 1, "master_param": torch.ones(3)}}))
    refused = {
        "amsgrad of group 0 of the snapshot": lambda: torch_radam.to_torch(plain, with_amsgrad),
        "bias_correction": lambda: torch_radam.to_radam(apex),
        "master_param": lambda: torch_radam.to_radam(of_others),
        "amsgrad": lambda: torch_radam.to_radam(snapshot(torch.optim.Adam, amsgrad=True)),
        "torch.SGD": lambda: torch_radam.to_radam(snapshot(torch.optim.SGD)),
        "rectify is on": lambda: torch_radam.to_torch(radam, adamw),
        "maximize": lambda: torch_radam.to_torch(radam, snapshot(optimi.RAdam)),
        "rectify_threshold": lambda: torch_radam.to_torch(changed(plain_radam, "groups", rectify_threshold=4), of_radam),
        "unrectified": lambda: torch_radam.to_torch(changed(plain_radam, "groups", unrectified="off"), of_radam),
        "stochastic": lambda: torch_radam.to_torch(changed(plain, "groups", stochastic_rounding="on"), adamw),
        "L2": lambda: torch_radam.to_torch(changed(plain, "groups", decouple_wd="auto"), adamw),
        "slice": lambda: torch_radam.to_torch(changed(plain, "params", step=1, total_len=4), adamw),
        "elements": lambda: torch_radam.to_torch(changed(plain, "params", step=1, len=4), adamw),
        "frozen": lambda: torch_radam.to_torch(changed(plain, "params", step=1, frozen=True), adamw),
        "accumulation": lambda: torch_radam.to_torch(accumulating, adamw),
        "16777217 steps": lambda: torch_radam.to_torch(changed(plain, "params", step=2**24 + 1), adamw),
        "only on the one side": lambda: torch_radam.to_torch(radam_checkpoint.rename(plain, {"p": "q"}), adamw),
    }
    for sentence, convert in refused.items():
        try:
            convert()
        except torch_radam.NoCounterpart as error:
            assert sentence in str(error), error
        else:
            raise AssertionError(f"{sentence} was not refused")
    print(f"{len(refused)} refusals")


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_safetensors(folder)
        check_library(folder, program)
        check_first_step()
        check_refusals()
        check_round_trips(folder)


if __name__ == "__main__":
    main()
