"""One step of one tensor, without an optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import numpy as np

from . import _api
from ._arrays import Buffer, DTypeLike, borrow, unsigned
from ._api import DType
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
    **options: Unpack[GroupOptions],
) -> None:
    """Steps one tensor whose state is in the caller's arrays, which hold zeros before the first step.

    `step` starts at 1. `options` are those of a group. `kahan_comp` is needed for 16-bit parameters, unless kahan_sum is
    off. `dtype` is needed only for bfloat16 in uint16 arrays, and then counts for all of them. It runs on the calling
    thread.
    """
    def of_state(array: np.ndarray, what: str) -> Buffer:
        return borrow(array, what, dtype if array.dtype == np.uint16 else None)

    data = borrow(param, "param", dtype)
    gradient = borrow(grad, "grad", dtype if grad.dtype == np.uint16 else None, writeable=False)
    average, square = of_state(exp_avg, "exp_avg"), of_state(exp_avg_sq, "exp_avg_sq")
    arrays = [gradient, average, square]
    if average.dtype != square.dtype:
        raise refuse(f"exp_avg is {exp_avg.dtype.name} and exp_avg_sq {exp_avg_sq.dtype.name}; they must be the same")
    compensation = None
    if kahan_comp is not None:
        if kahan_comp.dtype == np.int16:  # that of master_remainder
            compensation = borrow(kahan_comp.view(np.uint16), "kahan_comp", DType.BF16)
        else:
            compensation = of_state(kahan_comp, "kahan_comp")
            if compensation.dtype != average.dtype:
                raise refuse(f"kahan_comp is {kahan_comp.dtype.name}; it must be {exp_avg.dtype.name}, as exp_avg is")
        arrays.append(compensation)
    for array in arrays:
        if array.len != data.len:
            raise refuse(f"param has {data.len} elements, and another array {array.len}; they must have the same number")
    struct = filled(_api.radam_group_options, options)
    is_remainder = kahan_comp is not None and kahan_comp.dtype == np.int16
    if is_remainder != (struct.master_remainder == _api.Toggle.ON):
        raise refuse("kahan_comp must be an int16 array with master_remainder, and only then")
    check(
        lib.radam_update(
            data.dtype, gradient.dtype, average.dtype, data.address, gradient.address, average.address, square.address,
            None if compensation is None else compensation.address, data.len, struct, unsigned(step, "step"),
        )
    )
