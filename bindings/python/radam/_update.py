"""One step of one tensor, without an optimizer."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Optional

import numpy as np

from . import _api
from ._api import Toggle
from ._arrays import DTypeLike, borrow, borrow_grad, code, if_bits, remainder, state_len, unsigned
from ._errors import check, refuse
from ._library import lib
from ._structs import filled
from ._types import GroupOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

POINTERS = {
    "exp_avg": ctypes.POINTER(ctypes.c_int8),
    "exp_avg_sq": ctypes.POINTER(ctypes.c_uint8),
    "state_scale": ctypes.POINTER(ctypes.c_uint32),
}


def update(
    param: np.ndarray,
    grad: np.ndarray,
    exp_avg: np.ndarray,
    exp_avg_sq: np.ndarray,
    step: int,
    kahan_comp: Optional[np.ndarray] = None,
    dtype: Optional[DTypeLike] = None,
    grad_dtype: Optional[DTypeLike] = None,
    state_scale: Optional[np.ndarray] = None,
    **options: Unpack[GroupOptions],
) -> None:
    """Steps one tensor whose state is in the caller's arrays, which hold zeros before the first step.

    `step` starts at 1. `options` are those of a group. `kahan_comp` is needed for 16-bit parameters, unless kahan_sum is
    off. `dtype` is needed only for bfloat16 in uint16 arrays, and then counts for all of them; `grad_dtype` only if grad has
    another dtype than param. It runs on the calling thread.

    With `state_scale`, a uint32 array of one element for each 128 of param, the state is of 8 bits: exp_avg is then int8,
    exp_avg_sq uint8 and kahan_comp of the dtype of param. Codes are rounded at random, so each tensor needs its own `seed`.
    """
    data = borrow(param, "param", dtype)
    gradient = borrow_grad(grad, "grad", data, dtype, grad_dtype, writeable=False)
    coded = state_scale is not None
    average = code(exp_avg, "exp_avg") if coded else borrow(exp_avg, "exp_avg", if_bits(exp_avg, dtype))
    square = code(exp_avg_sq, "exp_avg_sq") if coded else borrow(exp_avg_sq, "exp_avg_sq", average.dtype)
    arrays = {"grad": gradient, "exp_avg": average, "exp_avg_sq": square}
    struct = filled(_api.radam_group_options, options)
    if kahan_comp is not None:
        is_remainder = struct.master_remainder == Toggle.ON
        of_comp = data.dtype if coded else average.dtype
        arrays["kahan_comp"] = remainder(kahan_comp) if is_remainder else borrow(kahan_comp, "kahan_comp", of_comp)
    if coded:
        arrays["state_scale"] = code(state_scale, "state_scale")
    for what, array in arrays.items():
        if array.len != state_len(what, data.len):
            raise refuse(f"{what} has {array.len} elements; it must have {state_len(what, data.len)}, as param has {data.len}")
    compensation = arrays["kahan_comp"].address if "kahan_comp" in arrays else None
    tail = compensation, data.len, struct, unsigned(step, "step")
    if coded:
        codes = (ctypes.cast(arrays[what].address, pointer) for what, pointer in POINTERS.items())
        check(lib.radam_update_q8(data.dtype, gradient.dtype, data.address, gradient.address, *codes, *tail))
    else:
        check(lib.radam_update(data.dtype, gradient.dtype, average.dtype, data.address, gradient.address, average.address,
                               square.address, *tail))
