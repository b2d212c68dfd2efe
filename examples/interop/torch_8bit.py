"""Decodes the 8-bit state of Adam that bitsandbytes and torchao keep: codes, each a place in a table of 256 numbers,
which are multiplied by a scale for each block of elements.

SPDX: MIT OR Apache-2.0
"""

import torch

from radam_checkpoint import shown

WRAPPED = "__bnb_optimizer_quant_state__"  # bitsandbytes hides its tensors in here from FSDP
BITSANDBYTES = {"exp_avg": ("state1", "qmap1", "absmax1"), "exp_avg_sq": ("state2", "qmap2", "absmax2")}
BITSANDBYTES_BLOCK = 256


class Wrong8bit(ValueError):
    """A state that is not what bitsandbytes or torchao would have saved."""


class OptimState8bit(torch.Tensor):
    """What torchao's tensor of this name is loaded as, so that torchao is not needed. It only has attributes."""

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise Wrong8bit(f"{function} of a tensor of torchao")


MODULES = ("torchao.optim", "torchao.prototype.low_bit_optim")  # the latter in old versions
STAND_INS = [(OptimState8bit, f"{module}.subclass_8bit.OptimState8bit") for module in MODULES]


def is_of_torchao(value):
    return type(value).__name__ == "OptimState8bit"


def shape_of(state):
    """The shape of a parameter from its state, or None."""
    wrapped = state.get(WRAPPED)
    own = wrapped if isinstance(wrapped, dict) else state
    return getattr(own.get("state1", state.get("exp_avg")), "shape", None)


def decoded_state(name, state):
    """The state of a parameter with exp_avg and exp_avg_sq in f32, if it was that of bitsandbytes or torchao."""
    wrapped = state.get(WRAPPED, {})
    if not isinstance(wrapped, dict):
        raise Wrong8bit(f"{WRAPPED} of {name!r} is {shown(wrapped)}, and should be a dictionary")
    state = {key: value for key, value in state.items() if key != WRAPPED} | wrapped
    for array, keys in BITSANDBYTES.items():
        if keys[0] in state:
            codes, table, scale = (state.pop(key, None) for key in keys)
            is_small = table is None and scale is None  # and in f32
            what = f"{array} of {name!r}"
            state[array] = codes if is_small else decoded(what, codes, table, scale, BITSANDBYTES_BLOCK)
        elif is_of_torchao(state.get(array)):
            parts = [getattr(state[array], part, None) for part in ("codes", "qmap", "scale", "block_size")]
            state[array] = decoded(f"{array} of {name!r}", *parts)
    return state


def decoded(what, codes, table, scale, block):
    def check(part, tensor, dtype, shape):
        is_right = type(tensor) is torch.Tensor and tensor.device.type == "cpu" and tensor.layout == torch.strided
        is_right = is_right and tensor.dtype == dtype and shape in (None, tensor.shape)
        found = f"{tensor.dtype} of shape {list(tensor.shape)}" if type(tensor) is torch.Tensor else shown(tensor)
        right = f"{dtype}" if shape is None else f"{dtype} of shape {list(shape)}"
        if not is_right:
            raise Wrong8bit(f"the {part} of {what} are {found}, and should be {right}")

    if type(block) is not int or block < 1:
        raise Wrong8bit(f"the block of {what} is {shown(block)}, and should be a number of elements")
    check("codes", codes, torch.uint8, None)
    check("values", table, torch.float32, (256,))
    check("scales", scale, torch.float32, (-(-codes.numel() // block),))
    scales = scale.repeat_interleave(min(block, codes.numel()))[: codes.numel()]
    return (table[codes.flatten().int()] * scales).reshape(codes.shape)
