"""Exact sums of squares of gradients, for clipping across tensors and processes."""

from __future__ import annotations

import ctypes
from typing import Any, Optional

import numpy as np

from . import _api
from ._arrays import DTypeLike, borrow
from ._errors import check
from ._library import lib
from ._structs import new


class GradSums:
    """The exact sum of squares of any number of gradient elements, and how many of them are infinite or NaN.

    `words` is an int64 array of 72 numbers. To combine the sums of several processes, add their words:
    `MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, sums.words)`.
    """

    def __init__(self) -> None:
        self._struct = new(_api.radam_grad_sums)

    @property
    def words(self) -> np.ndarray:
        return np.ctypeslib.as_array(self._struct.words)

    def measure(self, grad: np.ndarray, dtype: Optional[DTypeLike] = None) -> GradSums:
        """Adds the gradient of one tensor. Returns self."""
        buffer = borrow(grad, "grad", dtype, writeable=False)
        check(lib.radam_measure_tensor(buffer.dtype, buffer.address, buffer.len, self._struct))
        return self

    def __iadd__(self, other: GradSums) -> GradSums:
        if not isinstance(other, GradSums):
            return NotImplemented
        self.words[:] += other.words
        return self

    def __add__(self, other: GradSums) -> GradSums:
        if not isinstance(other, GradSums):
            return NotImplemented
        total = GradSums()
        total.words[:] = self.words + other.words
        return total

    @property
    def norm(self) -> float:
        """NaN if any element is NaN, else infinite if any is infinite."""
        return self._value()[0]

    @property
    def nonfinite(self) -> int:
        return self._value()[1]

    def _value(self) -> Any:
        norm, nonfinite = ctypes.c_double(), ctypes.c_uint64()
        check(lib.radam_grad_sums_value(self._struct, norm, nonfinite))
        return norm.value, nonfinite.value

    def __getstate__(self) -> Any:
        return self.words.tolist()

    def __setstate__(self, words: Any) -> None:
        self.__init__()  # type: ignore[misc]
        self.words[:] = words
