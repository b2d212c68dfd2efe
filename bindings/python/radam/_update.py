"""One step of one tensor, without an optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import numpy as np

from . import _api
from ._api import Toggle
from ._arrays import DTypeLike, borrow, borrow_grad, if_bits, remainder, unsigned
from ._errors import check, refuse
from ._library import lib
from ._structs import filled
from ._types import GroupOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack


def update(
    param: np.ndarray,
    grad: np.ndarray,
    exp_avg: np.ndarray,
    exp_avg_sq: np.ndarray,
    step: int,
    kahan_comp: Optional[np.ndarray] = None,
    dtype: Optional[DTypeLike] = None,
    grad_dtype: Optional[DTypeLike] = None,
    **options: Unpack[GroupOptions],
) -> None:
    """Steps one tensor whose state is in the caller's arrays, which hold zeros before the first step.

    `step` starts at 1. `options` are those of a group. `kahan_comp` is needed for 16-bit parameters, unless kahan_sum is
    off. `dtype` is needed only for bfloat16 in uint16 arrays, and then counts for all of them; `grad_dtype` only if grad has
    another dtype than param. It runs on the calling thread.
    """
    data = borrow(param, "param", dtype)
    gradient = borrow_grad(grad, "grad", data, dtype, grad_dtype, writeable=False)
    average = borrow(exp_avg, "exp_avg", if_bits(exp_avg, dtype))
    square = borrow(exp_avg_sq, "exp_avg_sq", average.dtype)
    struct = filled(_api.radam_group_options, options)
    compensation = None
    if kahan_comp is not None:
        is_remainder = struct.master_remainder == Toggle.ON
        compensation = remainder(kahan_comp) if is_remainder else borrow(kahan_comp, "kahan_comp", average.dtype)
    for array in (gradient, average, square, compensation):
        if array is not None and array.len != data.len:
            raise refuse(f"param has {data.len} elements, and another array {array.len}; they must have the same number")
    check(
        lib.radam_update(
            data.dtype, gradient.dtype, average.dtype, data.address, gradient.address, average.address, square.address,
            compensation and compensation.address, data.len, struct, unsigned(step, "step"),
        )
    )
