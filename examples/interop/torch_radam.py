"""Converts the state of PyTorch optimizers to a checkpoint of radam, and back: torch.optim.RAdam, Adam and AdamW,
optimi.RAdam, apex.optimizers.FusedAdam, and, to radam only, Adam and AdamW of bitsandbytes and of torchao in 8 bits.

In the program that trains with PyTorch, save what the conversion needs:

    torch.save(torch_radam.snapshot(optimizer, model.named_parameters()), "snapshot.pt")

Then, in a shell:

    python torch_radam.py to-radam snapshot.pt run.radam                  # for radam_load
    python torch_radam.py to-torch run.radam snapshot.pt new_snapshot.pt  # what radam_save has saved

The second command puts the state and the options of the checkpoint into the optimizer of the snapshot, which may be one
that has not made a step yet; load the result with
`optimizer.load_state_dict(torch.load("new_snapshot.pt")["state_dict"])`. Parameters are not part of this: both programs
save and load them themselves.

A state_dict alone, such as the optimizer.pt of Hugging Face's Trainer, has no names. They come from the model, whose
parameters the groups of the optimizer must have in the model's order:

    python torch_radam.py to-radam checkpoint-500/optimizer.pt run.radam --optimizer torch.AdamW --model checkpoint-500
    python torch_radam.py to-torch run.radam checkpoint-500/optimizer.pt optimizer.pt --optimizer torch.AdamW \\
        --model checkpoint-500

The model is a folder that transformers can load, or a file: pytorch_model.bin, or
`torch.save(dict(model.named_parameters()), "model.pt")`. The new file is a state_dict alone, too.

With `--state q8`, to-radam writes 8-bit state, for groups whose state_dtype is RADAM_DTYPE_Q8. The state of
bitsandbytes and torchao is decoded to f32 first, by their tables, and to-torch decodes the 8-bit state of a checkpoint.

All step counts, moments and options are converted, with these exceptions:

- eps of torch.optim.RAdam is applied before bias correction: at step t it is radam's eps times sqrt(1 - beta2^t). The
  number is kept as it is, which is right in the long run. continue_training.cpp shows how to follow torch exactly.
- 16-bit parameters get a compensation of zeros for radam's Kahan summation, which torch.optim does not have. On the way
  back, the compensation, which is less than what rounding loses in one step, is dropped.
- decouple_lr becomes torch's decoupled weight decay by weight_decay / max_lr. It has the same effect, but is not
  decouple_lr any more if it is converted back.
- torch and optimi keep moments in the dtype of the parameter, so moments of state_dtype f32 are rounded. On the way to
  radam, moments of another dtype than the parameter are widened, which is exact: to f32 for parameters of up to 32
  bits. 16-bit parameters then need state_dtype f32.
- FusedAdam of apex is "apex.FusedAdam" if its adam_w_mode is on, and else "apex.FusedAdam-L2"; a state_dict does not
  say which. Its master weights are not in a state_dict, but a snapshot has them: to radam, what they have more than the
  parameters becomes the compensation.
- "bitsandbytes.AdamW" and "bitsandbytes.Adam" are all classes of these names, paged or not and of any bits; both
  decouple weight decay. skip_zeros, and bf16_stochastic_round of torchao, are not in a state_dict.
- 8-bit state is rounded to nearest. In it, what is not finite starts anew as 0. A compensation beside it has the dtype
  of the parameter. Parameters of fewer than 4096 elements have f32 state, there too.

Parameters of a checkpoint and of a snapshot are paired by name. The segments that wrappers put into names, such as
`module.` and `_orig_mod.`, may be on one side only; parameter_names.py has the rule. to-radam keeps the names of the
snapshot; `radam_checkpoint.py rename` changes them.

What has no counterpart is an error: amsgrad; maximize in optimi and apex; bias_correction off in apex; max_unorm in
bitsandbytes; rectify if the optimizer does it the other way, and so any rectify_threshold but 5, and unrectified off;
stochastic_rounding, master_remainder, frozen parameters, slices of tensors, and, on the way back,
optimizer_accumulation.

SPDX: MIT OR Apache-2.0
"""

import argparse
import io
import sys

import torch

import radam_checkpoint
import state_8bit
from parameter_names import NoNames, paired
from radam_checkpoint import CODES, FORMAT, Checkpoint, Tensor, is_number, listed, sentence, shown
from torch_8bit import decoded_state
from torch_files import OPTIMIZERS, is_tensor, read_snapshot, snapshot  # the last for the program that trains

DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
FILE_DTYPES = DTYPES | {torch.int8: "I8", torch.uint8: "U8", torch.uint32: "U32"}
TORCH_DTYPES = {name: dtype for dtype, name in DTYPES.items()}
RECTIFY_THRESHOLD = 5.0  # of both torch and optimi
DECOUPLED = ("torch.AdamW", "apex.FusedAdam", "bitsandbytes.Adam", "bitsandbytes.AdamW", "torchao.AdamW8bit")
MOST_STEPS = {"torch": 2**24, "optimi": 2**31 - 1, "apex": 2**31 - 1}  # they count in f32 and in 32-bit integers
KNOWN_STATE = {"step", "exp_avg", "exp_avg_sq", "kahan_comp", "group"}  # the last is what optimi has for its hooks


class NoCounterpart(ValueError):
    """Something that the other library does not have."""


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


def plain(value):
    """The number or boolean of a tensor with one element, or of a scalar of NumPy; any other value as it is."""
    try:
        return value.item()
    except (AttributeError, RuntimeError, ValueError):
        return value


def checked(what, value, is_right, expected):
    """A number of an optimizer, as a float."""
    value = plain(value)
    require(is_number(value) and is_right(value), f"{what} is {shown(value)}, and should be {expected}")
    return float(value)


def group_to_radam(optimizer, where, group):
    def option(name, value):
        return checked(f"{name} of {where}", value, lambda value: value >= 0, "a number of at least 0")

    def beta(name, value):
        return checked(f"{name} of {where}", value, lambda value: 0 <= value < 1, "a number from 0 to less than 1")

    def flag(name, default=False):
        value = plain(group.get(name, default))
        require(type(value) in (bool, type(None)), f"{name} of {where} is {shown(value)}, and should be True or False")
        return bool(value)

    betas = (group.get("beta1"), group.get("beta2")) if optimizer == "optimi.RAdam" else group.get("betas")
    is_pair = isinstance(betas, (list, tuple)) and len(betas) == 2
    require(is_pair, f"betas of {where} are {shown(betas)}, and should be two numbers")
    require(not flag("amsgrad"), f"amsgrad of {where} is on, which radam does not have")
    require(flag("bias_correction", True), f"bias_correction of {where} is off, which radam does not have")
    for name in ("kahan_sum", "triton", "gradient_release"):
        flag(name)
    is_decoupled = optimizer in DECOUPLED
    lr = option("lr", group.get("lr"))
    max_lr = group.get("max_lr")
    return {
        "lr": lr,
        "beta1": beta("beta1", betas[0]),
        "beta2": beta("beta2", betas[1]),
        "weight_decay": option("weight_decay", group.get("weight_decay")),
        "eps": option("eps", group.get("eps")),
        "max_lr": lr if max_lr is None else option("max_lr", max_lr),
        "rectify_threshold": RECTIFY_THRESHOLD,
        "decouple_wd": toggle(flag("decouple_wd", flag("decoupled_weight_decay", is_decoupled))),
        "decouple_lr": toggle(flag("decouple_lr")),
        "maximize": toggle(flag("maximize")),
        "rectify": toggle(optimizer.endswith(".RAdam")),
        "unrectified": "on",
    }


def state_to_radam(name, param, state, group, has_comp, is_f32):
    """The step count and the arrays of a parameter, all of one dtype that radam has for it, or all of f32."""
    state = decoded_state(name, state)
    unknown = [key for key in state if key not in KNOWN_STATE]
    require(not unknown, f"the state of {name!r} has {shown(unknown)}, which radam does not have")
    arrays = {array: state.get(array) for array in ("exp_avg", "exp_avg_sq")}
    if arrays["exp_avg"] is None and arrays["exp_avg_sq"] is None:
        arrays, step = dict.fromkeys(arrays, torch.zeros_like(param)), 0
    else:
        # Parameters count their steps in torch, and groups in apex and optimi (there not with gradient release).
        def is_count(value):
            return 0 <= value < 2**64 and value == int(value)

        step = state.get("step", group.get("step"))
        step = int(checked(f"step of {name!r}", step, is_count, "a whole number"))
    if has_comp:
        comp = state.get("kahan_comp")
        arrays["kahan_comp"] = torch.zeros_like(param) if comp is None else comp
    for array, values in arrays.items():
        is_right = is_tensor(values) and values.dtype in DTYPES and values.shape == param.shape
        found = f"{values.dtype} of shape {list(values.shape)}" if isinstance(values, torch.Tensor) else shown(values)
        right = f"a whole tensor in memory of shape {list(param.shape)} and of {', '.join(map(str, DTYPES))}"
        require(is_right, f"{array} of {name!r} is {found}, and should be {right}")
    dtypes = {values.dtype for values in arrays.values()}
    is_own = dtypes == {param.dtype} and not is_f32 or param.dtype == torch.float64
    wide = param.dtype if is_own else torch.float32
    require(
        wide == torch.float64 or torch.float64 not in dtypes,
        f"the state of {name!r} is torch.float64, which radam has for such parameters only, and not {param.dtype}",
    )
    return step, {array: values.to(wide) for array, values in arrays.items()}


def to_8bit(param, arrays, eps):
    """The arrays of a parameter, of f32, as a group of 8-bit state has them."""
    if param.numel() < state_8bit.CODED_FROM:
        return arrays
    moments = (arrays[array].contiguous().flatten().numpy() for array in ("exp_avg", "exp_avg_sq"))
    codes = map(torch.from_numpy, state_8bit.encode(*moments, eps))
    others = {array: values.to(param.dtype) for array, values in arrays.items() if array not in CODES}
    return dict(zip(CODES, codes)) | others


def to_radam(snapshot, moments="debiased", state_form=None):
    """Converts a snapshot to a checkpoint, with debiased moments as radam has them or "biased" ones as torch has.

    With the state_form "q8", the state is that of groups whose state_dtype is RADAM_DTYPE_Q8, which is debiased.
    """
    is_q8 = state_form == "q8"
    require(not is_q8 or moments == "debiased", f"moments are {moments}, and those of 8-bit state can only be debiased")
    optimizer = snapshot["optimizer"]
    require(optimizer in OPTIMIZERS, f"the optimizer is {optimizer}, and can be one of {', '.join(OPTIMIZERS)}")
    is_optimi = optimizer.startswith("optimi.")
    masters = snapshot.get("masters") or [None] * len(snapshot["params"])
    groups, params, tensors = [], [], {}
    for number, group in enumerate(snapshot["state_dict"]["param_groups"]):
        groups.append(group_to_radam(optimizer, f"group {number}", group))
        for index in group["params"]:
            name, param, master = snapshot["names"][index], snapshot["params"][index], masters[index]
            require(param.dtype in DTYPES, f"{name!r} is of {param.dtype}, which radam does not have")
            require(is_tensor(param), f"{name!r} is a {type(param).__name__}, and should be a whole tensor in memory")
            state = snapshot["state_dict"]["state"].get(index, {})
            is_16_bit = param.dtype in (torch.float16, torch.bfloat16)
            if is_16_bit and master is not None:
                state = state | {"kahan_comp": master.float() - param.float()}
            has_comp = is_16_bit and not (is_optimi and group.get("kahan_sum") is False)
            is_right = not is_q8 or param.dtype != torch.float64
            require(is_right, f"{name!r} is of torch.float64, which cannot have 8-bit state")
            step, arrays = state_to_radam(name, param, state, group, has_comp, is_q8)
            for array, beta in (("exp_avg", groups[-1]["beta1"]), ("exp_avg_sq", groups[-1]["beta2"])):
                arrays[array] = rescaled(arrays[array], beta, step, is_optimi, moments == "debiased")
            arrays = to_8bit(param, arrays, groups[-1]["eps"]) if is_q8 else arrays
            for array, values in arrays.items():
                tensors[f"{name}.{array}"] = Tensor(FILE_DTYPES[values.dtype], list(values.shape), to_bytes(values))
            entry = {"name": name, "group": number, "dtype": DTYPES[param.dtype].lower(), "len": param.numel()}
            entry |= {"step": step, "checksums": dict.fromkeys(arrays)}
            params.append(entry | {"state": "q8"} if "state_scale" in arrays else entry)
    manifest = {"format": FORMAT, "library": "torch_radam.py", "moments": moments}
    if snapshot.get("optimizer_accumulation"):
        manifest["optimizer_accumulation"] = True
    return Checkpoint(manifest | {"groups": groups, "params": params}, tensors)


def group_to_torch(optimizer, where, entry):
    rectify, maximize = is_on(entry, "rectify", auto=True), is_on(entry, "maximize")
    decouple_wd, decouple_lr = is_on(entry, "decouple_wd"), is_on(entry, "decouple_lr")
    has_rectify = optimizer.endswith(".RAdam")
    threshold = entry.get("rectify_threshold", RECTIFY_THRESHOLD)
    refused = {
        f"rectify is {toggle(rectify)}, and {optimizer} has it {toggle(has_rectify)}": rectify != has_rectify,
        f"rectify_threshold is {threshold}, and {optimizer} has 5": rectify and threshold != RECTIFY_THRESHOLD,
        "unrectified is off, which only radam has": rectify and not is_on(entry, "unrectified", auto=True),
        "stochastic_rounding is on, which only radam has": is_on(entry, "stochastic_rounding"),
        f"maximize is on, which {optimizer} does not have": maximize and not optimizer.startswith("torch."),
    }
    for problem, is_so in refused.items():
        require(not is_so, f"in {where} of the checkpoint, {problem}")
    lr, betas, weight_decay = entry["lr"], (entry["beta1"], entry["beta2"]), entry["weight_decay"]
    if optimizer == "optimi.RAdam":
        options = {"beta1": betas[0], "beta2": betas[1], "decouple_wd": decouple_wd, "decouple_lr": decouple_lr}
        return options | {"lr": lr, "weight_decay": weight_decay, "eps": entry["eps"], "max_lr": entry["max_lr"]}
    decoupled = decouple_wd or decouple_lr
    has_decoupled = {"torch.AdamW": True, "apex.FusedAdam": True, "apex.FusedAdam-L2": False}.get(optimizer, decoupled)
    kind = "decoupled" if decoupled else "an L2 penalty"
    is_right = decoupled == has_decoupled or weight_decay == 0
    require(is_right, f"in {where} of the checkpoint, weight decay is {kind}, which {optimizer} does not have")
    is_right = not decouple_lr or entry["max_lr"] > 0
    require(is_right, f"in {where} of the checkpoint, max_lr is 0, and decouple_lr divides by it")
    options = {"lr": lr, "betas": betas, "eps": entry["eps"]}
    options["weight_decay"] = weight_decay / entry["max_lr"] if decouple_lr else weight_decay
    if optimizer.startswith("torch."):
        options |= {"decoupled_weight_decay": has_decoupled, "maximize": maximize}
    return options


def check_param(entry, param, library):
    """That an optimizer of PyTorch can have what a checkpoint has of a parameter."""
    name, length, step = shown(entry["name"]), param.numel(), entry["step"]
    require(entry["len"] == length, f"{name} has {entry['len']} elements there, and {length} in the snapshot")
    require(entry.get("total_len", length) == length, f"{name} is a slice; radam_load_shards puts slices together")
    require(not entry.get("frozen"), f"{name} is frozen, which optimizers of PyTorch do not know of")
    require("master_remainder" not in entry["checksums"], f"{name} has a master_remainder, which only radam has")
    most = MOST_STEPS[library]
    require(step <= most, f"{name} has made {step} steps, and {library} can count {most}")


def moments_of(entry, arrays, eps):
    """exp_avg and exp_avg_sq of a parameter, in f32 if they are coded."""
    if "state_scale" in arrays:
        return map(torch.from_numpy, state_8bit.decode_tensors(arrays, eps))
    moments = ("exp_avg", "exp_avg_sq")
    for array in moments:
        require(array in arrays or entry["len"] == 0, f"{shown(entry['name'])} has no {array} in the checkpoint")
    return [from_bytes(arrays.get(array, Tensor("F32", [0], b""))) for array in moments]


def state_to_torch(checkpoint, entry, param, library):
    """The moments of a parameter, and in optimi the compensation."""
    group, arrays = checkpoint.manifest["groups"][entry["group"]], checkpoint.arrays(entry)
    debiased, wanted = checkpoint.manifest["moments"] == "debiased", library == "optimi"
    dtype = torch.float32 if library == "apex" else param.dtype
    state, moments = {}, moments_of(entry, arrays, group["eps"])
    for array, values, beta in zip(("exp_avg", "exp_avg_sq"), moments, (group["beta1"], group["beta2"])):
        state[array] = rescaled(values, beta, entry["step"], debiased, wanted).reshape(param.shape).to(dtype)
    if library == "optimi" and "kahan_comp" in arrays:
        state["kahan_comp"] = from_bytes(arrays["kahan_comp"]).reshape(param.shape).to(dtype)
    return state


def put_steps(library, where, group, steps, states):
    """Gives step counts to the states, or to the group if that is what counts them."""
    if library == "torch" or group.get("gradient_release"):
        dtype = torch.float32 if library == "torch" else torch.int32
        for index, state in states.items():
            state["step"] = torch.tensor(steps[index], dtype=dtype)
        return
    counts = set(steps.values())
    problem = f"the parameters of {where} have made different numbers of steps, {sorted(counts)}, and {library} counts"
    require(len(counts) <= 1, f"{problem} those of the group")
    if states:
        group["step"] = torch.tensor(max(counts), dtype=torch.int32) if library == "optimi" else max(counts)


def finish_optimi(group, states):
    """What else optimi has of a group that has made steps."""
    if not group.get("gradient_release"):
        group["setup"] = True
        if group.get("kahan_sum") is None and any("kahan_comp" in state for state in states):
            group["kahan_sum"] = True
    # What it has instead of a compensation; Triton needs a pointer, which it does not dereference.
    no_comp = torch.zeros(1, dtype=torch.uint8) if group.get("triton") else None
    for state in states:
        state.setdefault("kahan_comp", no_comp)


def to_torch(checkpoint, snapshot):
    """Puts the state and the options of a checkpoint into a snapshot."""
    optimizer, old = snapshot["optimizer"], snapshot["state_dict"]
    require(optimizer in OPTIMIZERS, f"the optimizer is {optimizer}, and can be one of {', '.join(OPTIMIZERS)}")
    library = optimizer.split(".")[0]
    require(
        library in MOST_STEPS,
        f"the snapshot is of {optimizer}, whose state can only be converted to radam; give one of torch.AdamW",
    )
    is_accumulating = checkpoint.manifest.get("optimizer_accumulation")
    require(
        not is_accumulating, "optimizer_accumulation is on in the checkpoint, which no state_dict can say; turn it off"
    )
    entries = {entry["name"]: entry for entry in checkpoint.manifest["params"]}
    try:
        pairs = paired(snapshot["names"], entries)
    except NoNames as error:
        raise NoCounterpart(
            f"the snapshot and the checkpoint do not have the same parameters: {error}; `radam_checkpoint.py rename` "
            "changes names"
        ) from None
    state, groups = {}, []
    for number, old_group in enumerate(old["param_groups"]):
        group, where = dict(old_group), f"group {number} of the snapshot"
        group_to_radam(optimizer, where, group)  # so that what radam cannot do is not there either
        members = {index: entries[pairs[snapshot["names"][index]]] for index in old_group["params"]}
        for index, entry in members.items():
            check_param(entry, snapshot["params"][index], library)
        there = {entry["group"]: entry["name"] for entry in members.values()}
        options = [group_to_torch(optimizer, f"group {other}", checkpoint.manifest["groups"][other]) for other in there]
        differ = f"the checkpoint has different options for parameters of {where}, among them {listed(there.values())}"
        require(all(other == options[0] for other in options), differ)
        for other in options[:1]:
            group.update(other)
        # Without a step the optimizer has no state.
        states = {
            index: state_to_torch(checkpoint, entry, snapshot["params"][index], library)
            for index, entry in members.items()
            if entry["step"] > 0
        }
        put_steps(library, where, group, {index: entry["step"] for index, entry in members.items()}, states)
        if library == "optimi" and states:
            finish_optimi(group, states.values())
        state |= states
        groups.append(group)
    return dict(snapshot, state_dict=dict(old, state=state, param_groups=groups))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    of_state_dict = argparse.ArgumentParser(add_help=False)
    of_state_dict.add_argument("--optimizer", choices=OPTIMIZERS, help="what a state_dict alone is of")
    of_state_dict.add_argument("--model", help="a file or folder with the parameters that it is for")
    commands = parser.add_subparsers(dest="command", required=True)
    radam = commands.add_parser("to-radam", parents=[of_state_dict], help="make a checkpoint of a snapshot")
    radam.add_argument("snapshot")
    radam.add_argument("checkpoint")
    radam.add_argument("--moments", choices=("debiased", "biased"), default="debiased", help="how they are stored")
    radam.add_argument("--state", choices=("q8",), help="8-bit state, for groups of RADAM_DTYPE_Q8")
    back = commands.add_parser("to-torch", parents=[of_state_dict], help="give a snapshot the state of a checkpoint")
    back.add_argument("checkpoint")
    back.add_argument("snapshot")
    back.add_argument("new_snapshot")
    arguments = parser.parse_args()
    try:
        snapshot = read_snapshot(arguments.snapshot, arguments.optimizer, arguments.model)
        if arguments.command == "to-radam":
            radam_checkpoint.write(arguments.checkpoint, to_radam(snapshot, arguments.moments, arguments.state))
        else:
            new = to_torch(radam_checkpoint.read(arguments.checkpoint), snapshot)
            new = new["state_dict"] if arguments.model else new
            contents = io.BytesIO()
            torch.save(new, contents)
            radam_checkpoint.replace(arguments.new_snapshot, contents.getbuffer())
    except (OSError, ValueError) as error:
        sys.exit(f"torch_radam: {sentence(error)}")


if __name__ == "__main__":
    main()
