"""Gives the tools in examples/interop the files that others write, and files that are not what they should be.

    venv/bin/python check_files.py    # an assertion fails if something is wrong
"""

import os
import pathlib
import sys
import tempfile
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent / "examples" / "interop"))

import numpy
import torch
import transformers

import radam_checkpoint
import torch_radam
from check_tools import Model, assert_same, refusal, run, stepped

warnings.filterwarnings("ignore", category=UserWarning)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def two_groups(model):
    """As trainers make them: one with weight decay and one without."""
    params = list(model.parameters())
    decayed = [param for param in params if param.dim() > 1]
    return [{"params": decayed}, {"params": [param for param in params if param.dim() <= 1], "weight_decay": 0.0}]


def same_state(found, expected):
    assert_same(found["state_dict"]["state"], expected["state_dict"]["state"], exact=True)


def check_wrappers(folder):
    """A run whose model was wrapped goes on without the wrappers, and the other way round."""
    model = Model()
    compiled = torch.compile(model)
    part = Model()
    part.layers = torch.nn.DataParallel(part.layers)
    whole = [model, compiled, torch.nn.DataParallel(model), torch.nn.DataParallel(compiled)]
    pairs = [(one, other) for one in whole for other in whole] + [(part, model), (model, part), (compiled, part)]
    for one, other in pairs:
        optimizer = stepped(torch.optim.AdamW(one.parameters()))
        torch.save(torch_radam.snapshot(optimizer, one.named_parameters()), folder / "one.pt")
        fresh = torch.optim.AdamW(other.parameters())
        torch.save(torch_radam.snapshot(fresh, other.named_parameters()), folder / "other.pt")
        run("to-radam", folder / "one.pt", folder / "run.radam", "--moments", "biased")
        run("to-torch", folder / "run.radam", folder / "other.pt", folder / "new.pt")
        same_state(torch.load(folder / "new.pt"), torch.load(folder / "one.pt"))
    print(f"{len(pairs)} pairs of wrappers")


def check_dtypes():
    """Moments of another dtype than their parameter are widened, with the same values, and all arrays alike."""
    count = 0
    for dtype in torch_radam.DTYPES:
        for dtypes in [(one, other) for one in torch_radam.DTYPES for other in torch_radam.DTYPES]:
            model = Model(dtype)
            snapshot = torch_radam.snapshot(stepped(torch.optim.Adam(model.parameters())), model.named_parameters())
            for state in snapshot["state_dict"]["state"].values():
                state["exp_avg"], state["exp_avg_sq"] = (
                    state["exp_avg"].to(dtypes[0]),
                    state["exp_avg_sq"].to(dtypes[1]),
                )
            if torch.float64 in dtypes and dtype != torch.float64:
                try:
                    torch_radam.to_radam(snapshot)
                except torch_radam.NoCounterpart as error:
                    assert "torch.float64" in str(error), error
                    continue
                raise AssertionError(f"{dtypes} of {dtype} was not refused")
            is_own = dtype == torch.float64 or dtypes == (dtype, dtype)
            state_dtype = torch_radam.DTYPES[dtype] if is_own else "F32"
            checkpoint = torch_radam.to_radam(snapshot, "biased")
            for number, name in enumerate(snapshot["names"]):
                state = snapshot["state_dict"]["state"][number]
                for array, tensor in checkpoint.arrays(checkpoint.manifest["params"][number]).items():
                    assert tensor.dtype == state_dtype, (dtype, dtypes, name, array)
                    values = torch_radam.from_bytes(tensor).reshape(state["exp_avg"].shape)
                    expected = state.get(array, torch.zeros(values.shape))
                    assert torch.equal(values.double(), expected.double()), (dtype, dtypes, name, array)
            count += 1
    print(f"{count} combinations of dtypes")


def check_numpy(folder):
    """Scalars of NumPy and tensors with one element are numbers."""
    model = Model()
    checkpoints = []
    for wrap in (lambda value: value, numpy.float64, numpy.float32, torch.tensor):
        options = {"lr": wrap(0.5), "betas": (wrap(0.5), wrap(0.75)), "eps": wrap(0.25), "weight_decay": wrap(0.125)}
        optimizer = torch.optim.RAdam(model.parameters())
        optimizer.param_groups[0].update(options, maximize=numpy.bool_(True))
        torch.save(torch_radam.snapshot(optimizer, model.named_parameters()), folder / "snapshot.pt")
        run("to-radam", folder / "snapshot.pt", folder / "run.radam")
        checkpoints.append((folder / "run.radam").read_bytes())
    assert len(set(checkpoints)) == 1
    print(f"{len(checkpoints)} kinds of numbers")


def check_state_dicts(folder):
    """A state_dict alone becomes what its snapshot becomes, and comes back alone."""
    model = Model()
    torch.save(model.state_dict(), folder / "model.bin")
    for kind in (torch.optim.RAdam, torch.optim.Adam, torch.optim.AdamW):
        name = f"torch.{kind.__name__}"
        named = [dict(two_groups(model)[0]), dict(two_groups(model)[1])]
        names = {id(param): f"module.{name}" for name, param in model.named_parameters()}
        for group in named:
            group["params"] = [(names[id(param)], param) for param in group["params"]]
        for groups in (model.parameters(), two_groups(model), named[::-1]):
            optimizer = stepped(kind(groups, weight_decay=0.1))
            torch.save(torch_radam.snapshot(optimizer, model.named_parameters()), folder / "snapshot.pt")
            torch.save(optimizer.state_dict(), folder / "optimizer.pt")
            bare = (folder / "optimizer.pt", "--optimizer", name, "--model", folder / "model.bin")
            run("to-radam", folder / "snapshot.pt", folder / "run.radam", "--moments", "biased")
            run("to-radam", bare[0], folder / "bare.radam", *bare[1:], "--moments", "biased")
            assert (folder / "bare.radam").read_bytes() == (folder / "run.radam").read_bytes()
            run("to-torch", folder / "run.radam", *bare[1:], bare[0], folder / "new.pt")
            assert_same(torch.load(folder / "new.pt"), optimizer.state_dict(), exact=True)
    print("state_dicts without names")


def check_trainer(folder):
    """What Hugging Face's Trainer has saved after two steps."""
    tiny = {
        "vocab_size": 16,
        "n_positions": 8,
        "n_embd": 4,
        "n_layer": 2,
        "n_head": 1,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**tiny))
    arguments = transformers.TrainingArguments(
        folder, max_steps=2, save_steps=2, weight_decay=0.1, report_to=[], use_cpu=True, disable_tqdm=True
    )
    texts = [{"input_ids": torch.arange(8), "labels": torch.arange(8)}] * 16
    trainer = transformers.Trainer(model=model, args=arguments, train_dataset=texts)
    trainer.log = lambda *arguments: None
    trainer.train()
    optimizer = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    saved, expected = folder / "checkpoint-2", folder / "expected.radam"
    radam_checkpoint.write(expected, torch_radam.to_radam(torch_radam.snapshot(optimizer, model.named_parameters())))
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    for source in (saved, folder / "pytorch_model.bin"):
        bare = ("--optimizer", "torch.AdamW", "--model", source, saved / "optimizer.pt")
        run("to-radam", *bare, folder / "run.radam")
        assert (folder / "run.radam").read_bytes() == expected.read_bytes()
        run("to-radam", *bare, folder / "run.radam", "--moments", "biased")
        run("to-torch", folder / "run.radam", *bare, folder / "new.pt")
        assert_same(torch.load(folder / "new.pt"), torch.load(saved / "optimizer.pt"), exact=True)
    bare = ("--optimizer", "torch.AdamW", "--model", saved / "model.safetensors", saved / "optimizer.pt")
    assert "order of the alphabet" in refusal(folder, "to-radam", *bare, folder / "run.radam")
    print("the optimizer.pt of a Trainer")


def of_apex(model, has_masters):
    """FusedAdam's attributes and state_dict: f32 moments, and a step count in the group. It itself needs a GPU."""

    class FusedAdam(torch.optim.Optimizer):
        __module__ = "apex.optimizers.fused_adam"
        adam_w_mode = 1

    options = {"lr": 0.1, "bias_correction": True, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
    optimizer = FusedAdam(model.parameters(), options)
    optimizer.param_groups[0]["step"] = 3
    for param in model.parameters():
        moment = torch.arange(param.numel()).reshape(param.shape) / 7
        optimizer.state[param] = {"exp_avg": moment, "exp_avg_sq": moment**2}
    masters = [param.detach().float() + 1e-4 if has_masters else None for param in model.parameters()]
    optimizer.param_groups_master = [{"params": masters}]
    return optimizer


def check_apex(folder):
    for dtype, has_masters in ((torch.float32, False), (torch.bfloat16, False), (torch.float16, True)):
        model = Model(dtype)
        optimizer = of_apex(model, has_masters)
        snapshot = torch_radam.snapshot(optimizer, model.named_parameters())
        torch.save(snapshot, folder / "snapshot.pt")
        torch.save(optimizer.state_dict(), folder / "optimizer.pt")
        torch.save(dict(model.named_parameters()), folder / "model.pt")
        bare = ("--optimizer", "apex.FusedAdam", "--model", folder / "model.pt", folder / "optimizer.pt")
        run("to-radam", folder / "snapshot.pt", folder / "run.radam", "--moments", "biased")
        run("to-torch", folder / "run.radam", *bare, folder / "new.pt")
        assert_same(torch.load(folder / "new.pt"), optimizer.state_dict(), exact=True)
        checkpoint = radam_checkpoint.read(folder / "run.radam")
        assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {"F32"}
        assert [param["step"] for param in checkpoint.manifest["params"]] == [3] * len(snapshot["names"])
        assert checkpoint.manifest["groups"][0]["decouple_wd"] == "on"
        for name, param, master in zip(snapshot["names"], snapshot["params"], snapshot["masters"]):
            comp = checkpoint.tensors.get(f"{name}.kahan_comp")
            assert (comp is None) == (dtype == torch.float32)
            if has_masters:
                values = torch_radam.from_bytes(comp).reshape(param.shape)
                assert torch.equal(param.float() + values, master), name
    optimizer.adam_w_mode = 0
    checkpoint = torch_radam.to_radam(torch_radam.snapshot(optimizer, model.named_parameters()))
    assert checkpoint.manifest["groups"][0]["decouple_wd"] == "off"
    print("FusedAdam of apex")


def check_refusals(folder):
    """Each file that is not what it should be ends with a sentence."""
    model = Model()
    optimizer = stepped(torch.optim.AdamW(two_groups(model)))
    snapshot = torch_radam.snapshot(optimizer, model.named_parameters())
    state_dict = snapshot["state_dict"]
    params = dict(model.named_parameters())
    (folder / "folder").mkdir()
    (folder / "text.pt").write_text("no tensors")
    os.mkfifo(folder / "pipe.pt")
    for name, value in {
        "snapshot": snapshot,
        "optimizer": state_dict,
        "training": {"model": model.state_dict(), "epoch": 3},
        "code": print,
        "dropped": {name: param for name, param in params.items() if name != "scale"},
        "shapes": params | {"scale": torch.ones(5)},
        "same": {name: torch.ones(3) for name in "ab"},
        "in_two_groups": torch.optim.AdamW([{"params": [torch.ones(3)]}, {"params": [torch.ones(3)]}]).state_dict(),
        "model": params,
        "sgd": torch_radam.snapshot(torch.optim.SGD(model.parameters(), lr=0.1), model.named_parameters()),
        "adamw_as_radam": dict(snapshot, optimizer="torch.RAdam"),
    }.items():
        torch.save(value, folder / f"{name}.pt")
    run("to-radam", folder / "snapshot.pt", folder / "run.radam")
    accumulating = radam_checkpoint.read(folder / "run.radam")
    accumulating.manifest["optimizer_accumulation"] = True
    radam_checkpoint.write(folder / "accumulating.radam", accumulating)
    frozen = radam_checkpoint.read(folder / "run.radam")
    frozen.manifest["params"][0].update(frozen=True, step=0)
    radam_checkpoint.write(folder / "frozen.radam", frozen)

    def to_radam(name, model=None, output="old.radam"):
        bare = ("--optimizer", "torch.AdamW", "--model", folder / model) if model else ()
        return refusal(folder, "to-radam", *bare, folder / name, folder / output)

    def to_torch(checkpoint, name="snapshot.pt"):
        return refusal(folder, "to-torch", folder / checkpoint, folder / name, folder / "old.pt")

    for name in ("old.radam", "old.pt"):
        (folder / name).write_text("keep me")
    sentences = {
        "there is none": (to_radam("none.pt"), "none.pt: No such file"),
        "a folder": (to_radam("folder"), "folder is not a regular file"),
        "a pipe": (to_radam("pipe.pt"), "pipe.pt is not a regular file"),
        "a pipe to write to": (to_radam("snapshot.pt", output="pipe.pt"), "pipe.pt is not a regular file"),
        "no folder to write to": (to_radam("snapshot.pt", output="folder/none/x"), "none/x: No such file"),
        "text": (to_radam("text.pt"), "text.pt is damaged, or is not a file of torch.save"),
        "code": (to_radam("code.pt"), "tensors and numbers only"),
        "another dictionary": (to_radam("training.pt"), "a dictionary of 'epoch', 'model', and should have a snapshot"),
        "a checkpoint": (to_radam("run.radam"), "run.radam is damaged, or is not a file of torch.save"),
        "no names": (to_radam("optimizer.pt"), "a state_dict alone, without names: give --optimizer"),
        "no need of names": (to_radam("snapshot.pt", "model.pt"), "has names; --optimizer and --model are for"),
        "no such model": (to_radam("optimizer.pt", "none.pt"), "none.pt: No such file"),
        "no model": (to_radam("optimizer.pt", "training.pt"), "training.pt has a dictionary of"),
        "an empty folder": (to_radam("optimizer.pt", "folder"), "has no model that transformers can load"),
        "a parameter less": (to_radam("optimizer.pt", "dropped.pt"), "the optimizer has 6 parameters, and the model 5"),
        "another shape": (to_radam("optimizer.pt", "shapes.pt"), "'scale' of shape [5]"),
        "the same shapes": (
            to_radam("in_two_groups.pt", "same.pt"),
            "parameters of several groups have the same shape",
        ),
        "another optimizer": (to_radam("sgd.pt"), "the optimizer is torch.SGD, and can be one of"),
        "not that optimizer": (to_radam("adamw_as_radam.pt"), "adamw_as_radam.pt is not of torch.RAdam"),
        "accumulation": (to_torch("accumulating.radam"), "optimizer_accumulation is on in the checkpoint"),
        "frozen before its first step": (to_torch("frozen.radam"), "is frozen"),
        "no checkpoint": (to_torch("snapshot.pt"), "snapshot.pt is not a checkpoint of radam"),
    }
    for what, (found, expected) in sentences.items():
        assert found.startswith("torch_radam: ") and expected in found, (what, found)
    other = torch.optim.AdamW([*model.parameters(), torch.ones(2, 5)])
    try:
        torch_radam.snapshot(other, model.named_parameters())
    except ValueError as error:
        assert "parameter 6 of group 0, of shape [2, 5], is none of the named parameters" in str(error), error
    else:
        raise AssertionError("a parameter that the model lacks was not refused")
    print(f"{len(sentences) + 1} sentences")


def main():
    for check in (
        check_wrappers,
        check_dtypes,
        check_numpy,
        check_state_dicts,
        check_trainer,
        check_apex,
        check_refusals,
    ):
        with tempfile.TemporaryDirectory() as name:
            check(*[pathlib.Path(name)][: check.__code__.co_argcount])


if __name__ == "__main__":
    main()
