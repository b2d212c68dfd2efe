"""Converts the state of torch.optim.RAdam, Adam and AdamW and of optimi.RAdam to a checkpoint of radam, and back.

In the program that trains with PyTorch, save what the conversion needs:

    torch.save(torch_radam.snapshot(optimizer, model.named_parameters()), "snapshot.pt")

Then, in a shell:

    python torch_radam.py to-radam snapshot.pt run.radam                  # for radam_load
    python torch_radam.py to-torch run.radam snapshot.pt new_snapshot.pt  # what radam_save has saved

The second command puts the state and the options of the checkpoint into the optimizer of the snapshot, which may be one
that has not made a step yet; load the result with
`optimizer.load_state_dict(torch.load("new_snapshot.pt")["state_dict"])`. Parameters are not part of this: both programs
save and load them themselves. All step counts, moments and options are converted, with these exceptions:

- eps of torch.optim.RAdam is applied before bias correction: at step t it is radam's eps times sqrt(1 - beta2^t). The
  number is kept as it is, which is right in the long run. continue_training.cpp shows how to follow torch exactly.
- 16-bit parameters get a compensation of zeros for radam's Kahan summation, which torch.optim does not have. On the way
  back, the compensation, which is less than what rounding loses in one step, is dropped.
- decouple_lr becomes torch's decoupled weight decay by weight_decay / max_lr. It has the same effect, but is not
  decouple_lr any more if it is converted back.
- torch keeps moments in the dtype of the parameter, so moments of state_dtype f32 are rounded.

What has no counterpart is an error: amsgrad; maximize in optimi; rectify if the optimizer does it the other way, and so
any rectify_threshold but 5, and unrectified off; stochastic_rounding, master_remainder, frozen parameters, and slices of
tensors.

SPDX: MIT OR Apache-2.0
"""

import argparse
import sys

import torch

import radam_checkpoint
from radam_checkpoint import FORMAT, Checkpoint, Tensor

OPTIMIZERS = ("torch.RAdam", "torch.Adam", "torch.AdamW", "optimi.RAdam")
DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
TORCH_DTYPES = {name: dtype for dtype, name in DTYPES.items()}
RECTIFY_THRESHOLD = 5.0  # of both torch and optimi


class NoCounterpart(ValueError):
    """Something that the other library does not have."""


def snapshot(optimizer, named_parameters):
    """What the conversion needs from an optimizer, for torch.save; the tensors are those in use, not copies."""
    names = {id(param): name for name, param in named_parameters}
    params = [param for group in optimizer.param_groups for param in group["params"]]
    return {
        "optimizer": f"{type(optimizer).__module__.split('.')[0]}.{type(optimizer).__name__}",
        "names": [names[id(param)] for param in params],
        "params": [param.detach() for param in params],
        "state_dict": optimizer.state_dict(),
    }


def require(condition, problem):
    if not condition:
        raise NoCounterpart(problem)


def toggle(value):
    return "on" if value else "off"


def is_on(entry, option, auto=False):
    return {"on": True, "off": False, "auto": auto}[entry.get(option, "auto")]


def to_bytes(values):
    return values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def from_bytes(tensor):
    dtype = TORCH_DTYPES[tensor.dtype]
    return torch.frombuffer(bytearray(tensor.data), dtype=dtype) if tensor.data else torch.empty(0, dtype=dtype)


def rescaled(values, beta, step, debiased, wanted):
    """A moment, converted to debiased or biased."""
    if step == 0 or debiased == wanted:
        return values
    bias = 1 - beta**step
    return (values.double() / bias if wanted else values.double() * bias).to(values.dtype)


def group_to_radam(optimizer, group):
    beta1, beta2 = (group["beta1"], group["beta2"]) if optimizer == "optimi.RAdam" else group["betas"]
    require(not group.get("amsgrad"), "amsgrad is on, which radam does not have")
    lr = float(group["lr"])
    max_lr = group.get("max_lr")
    decoupled = group.get("decoupled_weight_decay", optimizer == "torch.AdamW")
    return {
        "lr": lr,
        "beta1": float(beta1),
        "beta2": float(beta2),
        "weight_decay": float(group["weight_decay"]),
        "eps": float(group["eps"]),
        "max_lr": lr if max_lr is None else float(max_lr),
        "rectify_threshold": RECTIFY_THRESHOLD,
        "decouple_wd": toggle(group.get("decouple_wd", decoupled)),
        "decouple_lr": toggle(group.get("decouple_lr")),
        "maximize": toggle(group.get("maximize")),
        "rectify": toggle(optimizer.endswith(".RAdam")),
        "unrectified": "on",
    }


def to_radam(snapshot, moments="debiased"):
    """Converts a snapshot to a checkpoint, with debiased moments as radam has them or "biased" ones as torch has."""
    optimizer = snapshot["optimizer"]
    require(optimizer in OPTIMIZERS, f"the optimizer is {optimizer}, and can be one of {', '.join(OPTIMIZERS)}")
    is_optimi = optimizer.startswith("optimi.")
    groups, params, tensors = [], [], {}
    for number, group in enumerate(snapshot["state_dict"]["param_groups"]):
        groups.append(group_to_radam(optimizer, group))
        for index in group["params"]:
            name, param = snapshot["names"][index], snapshot["params"][index]
            require(param.dtype in DTYPES, f'"{name}" is of {param.dtype}, which radam does not have')
            state = snapshot["state_dict"]["state"].get(index, {})
            # optimi counts steps per group, unless parameters are stepped in the backward pass.
            step = int(state.get("step", group.get("step", 0))) if "exp_avg" in state else 0
            arrays = {}
            for array in ("exp_avg", "exp_avg_sq"):
                beta = groups[-1]["beta1" if array == "exp_avg" else "beta2"]
                values = state.get(array, torch.zeros_like(param))
                arrays[array] = rescaled(values, beta, step, is_optimi, moments == "debiased")
            is_16_bit = param.dtype in (torch.float16, torch.bfloat16)
            if is_16_bit and not (is_optimi and group["kahan_sum"] is False):
                arrays["kahan_comp"] = state.get("kahan_comp", torch.zeros_like(param))
            for array, values in arrays.items():
                tensors[f"{name}.{array}"] = Tensor(DTYPES[values.dtype], list(values.shape), to_bytes(values))
            params.append(
                {
                    "name": name,
                    "group": number,
                    "dtype": DTYPES[param.dtype].lower(),
                    "len": param.numel(),
                    "step": step,
                    "checksums": dict.fromkeys(arrays),
                }
            )
    manifest = {"format": FORMAT, "library": "torch_radam.py", "moments": moments, "groups": groups, "params": params}
    return Checkpoint(manifest, tensors)


def group_to_torch(optimizer, entry):
    rectify, maximize = is_on(entry, "rectify", auto=True), is_on(entry, "maximize")
    decouple_wd, decouple_lr = is_on(entry, "decouple_wd"), is_on(entry, "decouple_lr")
    require(rectify == optimizer.endswith(".RAdam"), f"rectify is {toggle(rectify)}, and {optimizer} has it otherwise")
    threshold = entry.get("rectify_threshold", RECTIFY_THRESHOLD)
    require(not rectify or threshold == RECTIFY_THRESHOLD, f"rectify_threshold is {threshold}, and {optimizer} has 5")
    require(not rectify or is_on(entry, "unrectified", auto=True), "unrectified is off, which only radam has")
    require(not is_on(entry, "stochastic_rounding"), "stochastic_rounding is on, which only radam has")
    lr, betas, weight_decay = entry["lr"], (entry["beta1"], entry["beta2"]), entry["weight_decay"]
    if optimizer == "optimi.RAdam":
        require(not maximize, "maximize is on, which optimi does not have")
        options = {"beta1": betas[0], "beta2": betas[1], "decouple_wd": decouple_wd, "decouple_lr": decouple_lr}
        return options | {"lr": lr, "weight_decay": weight_decay, "eps": entry["eps"], "max_lr": entry["max_lr"]}
    decoupled = decouple_wd or decouple_lr or (optimizer == "torch.AdamW" and weight_decay == 0)
    require(decoupled or optimizer != "torch.AdamW", "weight decay is an L2 penalty, which torch.optim.AdamW lacks")
    return {
        "lr": lr,
        "betas": betas,
        "eps": entry["eps"],
        "weight_decay": weight_decay / entry["max_lr"] if decouple_lr else weight_decay,
        "decoupled_weight_decay": decoupled,
        "maximize": maximize,
    }


def state_to_torch(checkpoint, entry, param, is_optimi):
    """The moments and the compensation of a parameter, if the optimizer has them."""
    name, group = entry["name"], checkpoint.manifest["groups"][entry["group"]]
    arrays = checkpoint.arrays(entry)
    len_here = param.numel()
    require(entry["len"] == len_here, f'"{name}" has {entry["len"]} elements there, and {len_here} here')
    require(entry.get("total_len", len_here) == len_here, f'"{name}" is a slice; radam_load_shards puts them together')
    require(not entry.get("frozen"), f'"{name}" is frozen, which optimizers of PyTorch do not know of')
    require("master_remainder" not in arrays, f'"{name}" has a master_remainder, which only radam has')
    debiased, state = checkpoint.manifest["moments"] == "debiased", {}
    for array in ("exp_avg", "exp_avg_sq", "kahan_comp"):
        if array in arrays:
            state[array] = from_bytes(arrays[array]).reshape(param.shape)
        elif array != "kahan_comp":
            state[array] = torch.zeros(param.shape, dtype=param.dtype)  # no elements, and so no tensor
    for array, beta in (("exp_avg", group["beta1"]), ("exp_avg_sq", group["beta2"])):
        state[array] = rescaled(state[array], beta, entry["step"], debiased, is_optimi)
    return {array: values.to(param.dtype) for array, values in state.items()}


def to_torch(checkpoint, snapshot):
    """Puts the state and the options of a checkpoint into a snapshot."""
    optimizer, old = snapshot["optimizer"], snapshot["state_dict"]
    require(optimizer in OPTIMIZERS, f"the optimizer is {optimizer}, and can be one of {', '.join(OPTIMIZERS)}")
    is_optimi = optimizer.startswith("optimi.")
    entries = {entry["name"]: entry for entry in checkpoint.manifest["params"]}
    missing = set(snapshot["names"]) ^ set(entries)
    require(not missing, f"only one side has {sorted(missing)}; `radam_checkpoint.py rename` changes names")
    state, groups = {}, []
    for old_group in old["param_groups"]:
        group = dict(old_group)
        members = [(index, entries[snapshot["names"][index]]) for index in old_group["params"]]
        options = [group_to_torch(optimizer, checkpoint.manifest["groups"][entry["group"]]) for _, entry in members]
        for other in options:
            require(other == options[0], f"the parameters of group {len(groups)} have different options there")
            group.update(other)
        steps = set()
        for index, entry in members:
            if entry["step"] == 0:
                continue  # the optimizer makes its state at the first step
            steps.add(entry["step"])
            param = snapshot["params"][index]
            state[index] = state_to_torch(checkpoint, entry, param, is_optimi)
            if is_optimi:
                # What optimi has instead of a compensation; Triton needs a pointer, which it does not dereference.
                no_comp = torch.zeros(1, dtype=torch.uint8) if group.get("triton") else None
                state[index].setdefault("kahan_comp", no_comp)
                if group["gradient_release"]:
                    state[index]["step"] = torch.tensor(entry["step"], dtype=torch.int32)
            else:
                state[index].pop("kahan_comp", None)
                state[index]["step"] = torch.tensor(float(entry["step"]))
        if is_optimi and steps and not group["gradient_release"]:
            require(
                len(steps) == 1 and all(entry["step"] for _, entry in members),
                f"the parameters of group {len(groups)} have made different numbers of steps, and optimi counts "
                "those of the group",
            )
            with_comp = any(isinstance(state[index]["kahan_comp"], torch.Tensor) for index, _ in members)
            group.update(step=torch.tensor(steps.pop(), dtype=torch.int32), setup=True)
            if group["kahan_sum"] is None and with_comp:
                group["kahan_sum"] = True
        groups.append(group)
    return dict(snapshot, state_dict=dict(old, state=state, param_groups=groups))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    radam = commands.add_parser("to-radam", help="make a checkpoint of a snapshot")
    radam.add_argument("snapshot")
    radam.add_argument("checkpoint")
    radam.add_argument("--moments", choices=("debiased", "biased"), default="debiased", help="how they are stored")
    back = commands.add_parser("to-torch", help="give a snapshot the state of a checkpoint")
    back.add_argument("checkpoint")
    back.add_argument("snapshot")
    back.add_argument("new_snapshot")
    arguments = parser.parse_args()
    try:
        snapshot = torch.load(arguments.snapshot, map_location="cpu")
        if arguments.command == "to-radam":
            radam_checkpoint.write(arguments.checkpoint, to_radam(snapshot, arguments.moments))
        else:
            checkpoint = radam_checkpoint.read(arguments.checkpoint)
            torch.save(to_torch(checkpoint, snapshot), arguments.new_snapshot)
    except (OSError, ValueError) as error:
        sys.exit(f"torch_radam: {error}")


if __name__ == "__main__":
    main()
