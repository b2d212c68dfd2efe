"""Trains in PyTorch, continues in C++ with radam, and then in PyTorch again, as if nothing had changed.

    cargo build --release, and build continue_training.cpp as described at its top
    python hand_over.py ./continue_training

Each optimizer that torch_radam.py knows makes 40 steps in PyTorch. Then it starts again with 10 steps; its state
becomes a checkpoint, with which the C++ program makes 20 steps; and a new optimizer in PyTorch makes the last 10. The
final weights differ only by rounding. The exit status is 1 if they differ by more.

SPDX: MIT OR Apache-2.0
"""

import pathlib
import subprocess
import sys
import tempfile
import warnings

import optimi
import torch

import radam_checkpoint
import torch_radam

warnings.filterwarnings("ignore", message="You are using weight_decay", category=UserWarning)

BEFORE, MEANWHILE, AFTER = 10, 20, 10  # steps
BIAS_JOINS_AT = 4  # so that step counts differ; not in optimi, which counts those of a group
SHAPES = {"layer.weight": (4, 3), "layer.bias": (4,)}
LARGEST_ERRORS = {torch.float64: 1e-12, torch.float32: 1e-6}
OPTIMIZERS = {
    "torch.optim.RAdam": (torch.optim.RAdam, {"decoupled_weight_decay": True}),
    "torch.optim.RAdam, L2": (torch.optim.RAdam, {"betas": (0.8, 0.95), "eps": 1e-4}),
    "torch.optim.Adam": (torch.optim.Adam, {"maximize": True}),
    "torch.optim.AdamW": (torch.optim.AdamW, {}),
    "optimi.RAdam": (optimi.RAdam, {"decouple_lr": True, "max_lr": 0.02}),
    "optimi.RAdam, L2": (optimi.RAdam, {}),
}


class Training:
    """The problem of continue_training.cpp: each weight is pulled towards a target, some harder than others."""

    def __init__(self, optimizer, options, dtype, weights=None, shapes=SHAPES):
        self.params = {}
        for name, shape in shapes.items():
            i = torch.arange(torch.Size(shape).numel()).reshape(shape)
            start = (i * 5 % 9 + 1) * (1 - i % 2 * 2) / 8
            self.params[name] = torch.nn.Parameter((start if weights is None else weights[name]).to(dtype).clone())
        weight, bias = self.params.values()
        decay = 0.01 if options.get("decouple_lr") else 0.1
        groups = [{"params": [weight], "weight_decay": decay}, {"params": [bias], "weight_decay": 0.0}]
        self.optimizer = optimizer(groups, lr=0.01, foreach=False, **options)
        self.steps = 0

    @classmethod
    def of(cls, optimizer, options, dtype, snapshot):
        """Continues with another optimizer, which has not made a step."""
        weights = dict(zip(snapshot["names"], snapshot["params"]))
        shapes = {name: param.shape for name, param in weights.items()}
        training = cls(optimizer, options, dtype, weights, shapes)
        training.optimizer.load_state_dict(snapshot["state_dict"])
        training.steps = BIAS_JOINS_AT
        return training

    def set_gradients(self):
        for param in self.params.values():
            i = torch.arange(param.numel()).reshape(param.shape)
            wide = torch.promote_types(param.dtype, torch.float32)
            pull, target = ((i % 5 + 1) / 4).to(wide), ((i * 7 % 11 - 5) / 4).to(wide)
            param.grad = (pull * (param.detach().to(wide) - target)).to(param.dtype)

    def run(self, steps):
        counts_per_param = not isinstance(self.optimizer, optimi.RAdam)
        for _ in range(steps):
            self.steps += 1
            self.set_gradients()
            if counts_per_param and self.steps < BIAS_JOINS_AT:
                self.params["layer.bias"].grad = None
            self.optimizer.step()
        return self

    def snapshot(self):
        return torch_radam.snapshot(self.optimizer, self.params.items())

    def weights(self):
        return torch.cat([param.detach().flatten() for param in self.params.values()])


def error(found, expected):
    return ((found - expected).abs().max() / expected.abs().max()).item()


def hand_over(program, folder, name, dtype):
    """The weights after the steps in PyTorch, C++ and PyTorch."""
    weights, checkpoint = folder / "weights.bin", folder / "run.radam"
    training = Training(*OPTIMIZERS[name], dtype).run(BEFORE)
    radam_checkpoint.write(checkpoint, torch_radam.to_radam(training.snapshot()))
    weights.write_bytes(training.weights().numpy().tobytes())

    command = [program, torch_radam.DTYPES[dtype].lower(), str(MEANWHILE), weights, checkpoint]
    command += ["--eps-of-torch-radam"] if name.startswith("torch.optim.RAdam") else []
    subprocess.run(command, check=True)

    fresh = Training(*OPTIMIZERS[name], dtype).snapshot()
    values = torch.frombuffer(bytearray(weights.read_bytes()), dtype=dtype)
    parts = values.split([param.numel() for param in fresh["params"]])
    fresh["params"] = [part.reshape(param.shape) for part, param in zip(parts, fresh["params"])]
    snapshot = torch_radam.to_torch(radam_checkpoint.read(checkpoint), fresh)
    return Training.of(*OPTIMIZERS[name], dtype, snapshot).run(AFTER).weights()


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    failed = False
    for name in OPTIMIZERS:
        for dtype, largest in LARGEST_ERRORS.items():
            expected = Training(*OPTIMIZERS[name], dtype).run(BEFORE + MEANWHILE + AFTER).weights()
            with tempfile.TemporaryDirectory() as folder:
                found = hand_over(program, pathlib.Path(folder), name, dtype)
            difference = error(found, expected)
            failed |= not difference <= largest
            verdict = "rounding" if difference <= largest else f"MORE THAN {largest:.0e}"
            print(f"{name:24} {torch_radam.DTYPES[dtype]:4} weights differ by {difference:.1e}: {verdict}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
