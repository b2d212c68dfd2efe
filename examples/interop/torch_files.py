"""Reads what PyTorch has saved of an optimizer: a snapshot with the names of its parameters, or its state_dict alone.

SPDX: MIT OR Apache-2.0
"""

import os
import warnings
import zipfile

import torch

from parameter_names import NoNames, dealt, paired
from radam_checkpoint import listed, require_file, sentence, shown
from torch_8bit import STAND_INS, shape_of

# What marks the options of an optimizer, of those that some have and others do not.
MARKS = {
    "torch.RAdam": set(),
    "torch.Adam": {"amsgrad"},
    "torch.AdamW": {"amsgrad"},
    "optimi.RAdam": {"beta1"},
    "apex.FusedAdam": {"bias_correction"},
    "apex.FusedAdam-L2": {"bias_correction"},
    "bitsandbytes.Adam": {"t_alpha"},
    "bitsandbytes.AdamW": {"t_alpha"},
    "torchao.Adam8bit": {"amsgrad"},
    "torchao.AdamW8bit": {"amsgrad"},
}
OPTIMIZERS = tuple(MARKS)
TELLING = set().union(*MARKS.values())


class WrongInput(ValueError):
    """Something that is damaged, or is not what it should be."""


def require(condition, problem):
    if not condition:
        raise WrongInput(problem)


def snapshot(optimizer, named_parameters):
    """What the conversion needs from an optimizer, for torch.save; the tensors are those in use, not copies."""
    names = {id(param): name for name, param in named_parameters}
    for number, group in enumerate(optimizer.param_groups):
        for index, param in enumerate(group["params"]):
            require(
                id(param) in names,
                f"parameter {index} of group {number}, of shape {list(param.shape)}, is none of the named parameters, "
                "which should be those of the model that the optimizer trains",
            )
    params = [param for group in optimizer.param_groups for param in group["params"]]
    library, kind = type(optimizer).__module__.split(".")[0], type(optimizer).__name__
    if library == "bitsandbytes":  # the state says how many bits it has, and not where it was
        kind = kind.removeprefix("Paged").removesuffix("8bit").removesuffix("32bit")
    name = f"{library}.{kind}"
    masters = getattr(optimizer, "param_groups_master", None) or []
    return {
        "optimizer": name if getattr(optimizer, "adam_w_mode", True) else f"{name}-L2",
        "names": [names[id(param)] for param in params],
        "params": [param.detach() for param in params],
        "state_dict": optimizer.state_dict(),
        "optimizer_accumulation": bool(getattr(optimizer, "optimizer_accumulation", False)),
        "masters": [master for group in masters for master in group["params"]],
    }


def numpy_scalars():
    """Scalars of NumPy, which learning-rate schedules leave in options; loading them executes nothing."""
    try:
        import _codecs

        import numpy
    except ImportError:
        return []
    scalar = numpy.float64(0).__reduce__()[0]
    kinds = {type(numpy.dtype(kind)) for kind in ("f2", "f4", "f8", "i4", "i8", "?")}
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [_codecs.encode, numpy.dtype, *kinds, *((scalar, name) for name in names)]


def load(path):
    """What torch.save has written, on the CPU, with its checksums verified; nothing in the file is executed."""
    require_file(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                damaged = file.testzip()
                require(damaged is None, f"its part {shown(damaged)} does not have its checksum")
                # Of what is marked as a folder, torch would return memory without reading anything into it.
                folders = [part.filename for part in file.infolist() if part.external_attr & 0x10]
                require(not folders, f"its parts {listed(folders)} are marked as folders")
        with torch.serialization.safe_globals([*numpy_scalars(), *STAND_INS]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file leads to nearly every kind of error
        reason = sentence(error).split(". ")[0]
        raise WrongInput(
            f"{path} is damaged, or is not a file of torch.save with tensors and numbers only: {reason}"
        ) from None


def is_tensor(value):
    """Whether a value is a tensor with ordinary elements in memory: not sharded, sparse, quantized or without data."""
    is_plain = type(value) in (torch.Tensor, torch.nn.Parameter) and value.layout == torch.strided
    return is_plain and not value.is_quantized and value.device.type == "cpu"


def is_list_of(kind, values):
    return isinstance(values, (list, tuple)) and all(isinstance(value, kind) for value in values)


def is_state_dict(value):
    return isinstance(value, dict) and {"state", "param_groups"} <= value.keys()


def describe(value):
    """What a file has instead of what it should have."""
    return f"a dictionary of {listed(map(str, value))}" if isinstance(value, dict) else f"a {type(value).__name__}"


def check_state_dict(path, state_dict):
    """That a state_dict has groups of parameters 0, 1, 2, … in some order, and state of no others."""
    state, groups = state_dict["state"], state_dict["param_groups"]
    require(isinstance(state, dict) and is_list_of(dict, groups), f"{path} has a state_dict with other types")
    require(all(is_list_of(dict, [entry]) for entry in state.values()), f"{path} has a state that is no dictionary")
    for number, group in enumerate(groups):
        numbers = group.get("params")
        require(is_list_of(int, numbers), f"{path} has a group {number} whose params are {shown(numbers)}, not numbers")
    numbers = [index for group in groups for index in group["params"]]
    require(sorted(numbers) == list(range(len(numbers))), f"{path} has groups with parameters {listed(numbers)}")
    unknown = state.keys() - set(numbers)
    require(not unknown, f"{path} has state of parameters {listed(map(str, unknown))}, which are in no group")
    return numbers


def check_options(path, optimizer, state_dict):
    require(optimizer in OPTIMIZERS, f"the optimizer is {optimizer}, and can be one of {', '.join(OPTIMIZERS)}")
    for number, group in enumerate(state_dict["param_groups"]):
        marks = TELLING & group.keys()
        require(
            marks == MARKS[optimizer],
            f"{path} is not of {optimizer}: its group {number} has {listed(marks) or 'none'} of {listed(TELLING)}, and "
            f"{optimizer} has {listed(MARKS[optimizer]) or 'none'}",
        )


def parameters_of_model(path):
    """The parameters of a model by their names, in its order: of a file of torch.save, or a folder of transformers."""
    if os.path.isdir(path):
        return parameters_of_transformers(path)
    require(
        not str(path).endswith(".safetensors"),
        f"{path} has names in the order of the alphabet, not in that of the model; give its folder, if that has a "
        "config.json of transformers, or a file made by torch.save(dict(model.named_parameters()), …)",
    )
    model = load(path)
    right = isinstance(model, dict) and model and all(isinstance(name, str) for name in model)
    right = right and all(isinstance(value, torch.Tensor) for value in model.values())
    require(right, f"{path} has {describe(model)}, and should have the tensors of a model by their names")
    params, places = {}, set()
    for name, tensor in model.items():
        require(is_tensor(tensor), f"{path} has {name!r} with elements that are not in memory as they should be")
        # An optimizer has tied parameters once, and no integers, which are buffers.
        place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.shape)
        if tensor.is_floating_point() and (place not in places or not tensor.numel()):
            places.add(place)
            params[name] = tensor
    return params


def parameters_of_transformers(folder):
    """The parameters of the model in a folder that a Trainer of Hugging Face or save_pretrained has written."""
    try:
        import transformers
    except ImportError:
        raise WrongInput(f"the order of the parameters in {folder} is known to transformers, which is not installed")
    try:
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        kind = getattr(transformers, config.architectures[0])
        model = kind.from_pretrained(folder, dtype="auto", local_files_only=True)
    except Exception as error:  # of any kind, as it comes from the class of the model
        raise WrongInput(f"{folder} has no model that transformers can load: {sentence(error)}") from None
    return {name: param.detach() for name, param in model.named_parameters()}


def with_names(path, state_dict, optimizer, model):
    """The snapshot that a bare state_dict would have been, with the parameters of a model."""
    require(
        optimizer and model,
        f"{path} has a state_dict alone, without names: give --optimizer (one of {', '.join(OPTIMIZERS)}) and --model, "
        "or save torch_radam.snapshot(optimizer, model.named_parameters()) instead",
    )
    numbers = check_state_dict(path, state_dict)
    params, groups = parameters_of_model(model), state_dict["param_groups"]
    try:
        if all(is_list_of(str, group.get("param_names")) for group in groups):
            own = [name for group in groups for name in group["param_names"]]
            pairs = paired(own, params)
            names = [pairs[name] for name in own]
        else:
            shapes = {index: shape_of(state) for index, state in state_dict["state"].items()}
            shapes = [[shapes.get(index) for index in group["params"]] for group in groups]
            names = sum(dealt({name: param.shape for name, param in params.items()}, shapes), [])
    except NoNames as error:
        raise NoNames(
            f"which parameter of {path} is which of {model} is not known: {error}; give a file with what the optimizer "
            "trains, in its order, made by torch.save(dict(model.named_parameters()), …), or save a snapshot"
        ) from None
    require(len(names) == len(numbers), f"{path} has {len(numbers)} parameters and {len(names)} names")
    names = [name for _, name in sorted(zip(numbers, names))]
    tensors = [params[name] for name in names]
    return {"optimizer": optimizer, "names": names, "params": tensors, "state_dict": state_dict}


def read_snapshot(path, optimizer=None, model=None):
    """Reads a snapshot, or makes one of a bare state_dict, of what optimizer, and of a model in a file or folder."""
    contents = load(path)
    if is_state_dict(contents):
        snapshot = with_names(path, contents, optimizer, model)
    else:
        keys = {"optimizer", "names", "params", "state_dict"}
        right = isinstance(contents, dict) and keys <= contents.keys() and is_state_dict(contents["state_dict"])
        require(right, f"{path} has {describe(contents)}, and should have a snapshot or the state_dict of an optimizer")
        require(not (optimizer or model), f"{path} has names; --optimizer and --model are for a state_dict alone")
        snapshot = contents
    names, params = snapshot["names"], snapshot["params"]
    numbers = check_state_dict(path, snapshot["state_dict"])
    check_options(path, snapshot["optimizer"], snapshot["state_dict"])
    require(is_list_of(str, names) and is_list_of(torch.Tensor, params), f"{path} has names or params of other types")
    require(
        len(names) == len(params) == len(numbers),
        f"{path} has {len(names)} names and {len(params)} tensors of {len(numbers)} parameters",
    )
    require(len(set(names)) == len(names), f"{path} has a name twice, among {listed(names)}")
    accumulates, masters = snapshot.get("optimizer_accumulation", False), snapshot.get("masters", [])
    require(type(accumulates) is bool, f"{path} has optimizer_accumulation {shown(accumulates)}, not True or False")
    require(is_list_of((torch.Tensor, type(None)), masters), f"{path} has masters that are not a list of tensors")
    require(len(masters) in (0, len(params)), f"{path} has {len(masters)} master weights of {len(params)} parameters")
    return snapshot
