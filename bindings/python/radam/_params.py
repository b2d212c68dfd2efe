"""Groups and parameters: adding, finding, moving and removing them."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

import numpy as np

from . import _api
from ._api import DType, Toggle
from ._arrays import (
    Q8_ARRAYS, Buffer, DTypeLike, borrow, borrow_grad, code, dtype_of, number, of_param, remainder, state_len, text,
    unsigned
)
from ._errors import refuse, text_from
from ._handle import Handle, Param
from ._library import lib
from ._structs import fill, filled, group_options, new, report
from ._types import GroupOptions, GroupReport

if TYPE_CHECKING:
    from typing_extensions import Unpack

ALL = 2**32 - 1
STATE_ARRAYS = ("exp_avg", "exp_avg_sq", "kahan_comp", "state_scale")
Q8_FROM = 4096  # smaller tensors keep f32 state


class Params(Handle):
    def add_group(self, **options: Unpack[GroupOptions]) -> int:
        """Adds a group of parameters with common options, of which lr is required. Returns its id: 0, 1, 2, ..."""
        group = ctypes.c_uint32()
        struct = filled(_api.radam_group_options, options)
        with self._lock:
            self._call(lib.radam_add_param_group, struct, None, 0, group)
            self._group_count += 1
        return group.value

    def add_param(
        self,
        group: int,
        data: np.ndarray,
        grad: Optional[np.ndarray] = None,
        name: Optional[str] = None,
        *,
        dtype: Optional[DTypeLike] = None,
        grad_dtype: Optional[DTypeLike] = None,
        copy: Optional[np.ndarray] = None,
        copy_dtype: Optional[DTypeLike] = None,
        exp_avg: Optional[np.ndarray] = None,
        exp_avg_sq: Optional[np.ndarray] = None,
        kahan_comp: Optional[np.ndarray] = None,
        state_scale: Optional[np.ndarray] = None,
        tensor_offset: int = 0,
        tensor_len: int = 0,
    ) -> int:
        """Adds a parameter that stays in `data`, and returns its id: 0, 1, 2, ... across all groups.

        `data` is a contiguous array of any shape, of float32, float64, float16 or bfloat16 (that of ml_dtypes, or uint16
        with dtype="bf16"). `grad` has as many elements, and the same dtype unless `grad_dtype` names another; without it
        steps skip the parameter until set_grad. The optimizer keeps the arrays until they are replaced, the parameter is
        removed or it is closed.
        `copy` receives the new values rounded to its dtype; the state may be in arrays of your own: of its dtype or, if it
        is of 8 bits, int8 (exp_avg), uint8 (exp_avg_sq) and uint32 (state_scale, one for each 128 elements).
        """
        of_name = "" if name is None else f' of "{name}"'
        arrays = {"data": borrow(data, f"data{of_name}", dtype)}
        of_grad = None if grad_dtype is None else dtype_of(grad_dtype, "grad_dtype")
        if grad is not None:
            arrays["grad"] = borrow_grad(grad, f"grad{of_name}", arrays["data"], dtype, of_grad, writeable=True)
        if copy is not None:
            arrays["copy"] = borrow(copy, f"copy{of_name}", copy_dtype)
        given = {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq, "kahan_comp": kahan_comp, "state_scale": state_scale}
        for what, array in given.items():
            if array is not None:
                is_small = (tensor_len or arrays["data"].len) < Q8_FROM
                arrays[what] = self._state_array(group, array, what, arrays["data"].dtype, is_small)
        whole = {"tensor_offset": unsigned(tensor_offset, "tensor_offset"),
                 "tensor_len": unsigned(tensor_len, "tensor_len")}
        return self._add(group, arrays["data"].len, arrays["data"].dtype, of_grad, name, arrays, whole)

    def add_unbound(
        self, group: int, len: int, dtype: DTypeLike, name: Optional[str] = None, grad_dtype: Optional[DTypeLike] = None
    ) -> int:
        """Adds a parameter without arrays: each step_tensor is given them, or set_tensors sets them."""
        of_grad = None if grad_dtype is None else dtype_of(grad_dtype, "grad_dtype")
        return self._add(group, unsigned(len, "len"), dtype_of(dtype, "dtype"), of_grad, name, {}, {})

    def _state_array(self, group: int, array: np.ndarray, what: str, dtype: DType, is_small: bool) -> Buffer:
        options = self.options(group)
        state_dtype = options["state_dtype"] or dtype
        if what == "kahan_comp" and options["master_remainder"]:
            return remainder(array)
        if what == "state_scale" or (state_dtype == DType.Q8 and not is_small and what in Q8_ARRAYS):
            return code(array, what)
        if state_dtype == DType.Q8:
            state_dtype = DType.F32 if is_small else dtype
        return borrow(array, what, state_dtype)

    def _add(
        self, group: int, len_: int, dtype: DType, grad_dtype: Optional[DType], name: Optional[str],
        arrays: Dict[str, Buffer], whole: Dict[str, int],
    ) -> int:
        for what, buffer in arrays.items():
            if buffer.len != state_len(what, len_):
                raise refuse(f"{what} has {buffer.len} elements; it must have {state_len(what, len_)}, as data has {len_}")
        described = new(_api.radam_param)
        described.dtype, described.grad_dtype, described.len = dtype, grad_dtype or 0, len_
        described.name = None if name is None else text(name, "name")
        for what, buffer in arrays.items():
            setattr(described, what, buffer.address)
        if "copy" in arrays:
            described.copy_dtype = arrays["copy"].dtype
        for what, value in whole.items():
            setattr(described, what, value)
        first = ctypes.c_uint32()
        with self._lock:
            self._call(lib.radam_add_params, unsigned(group, "group", 32), described, 1, first)
            id_ = first.value
            self._roots.update({(id_, what): buffer.owner for what, buffer in arrays.items()})
            found = text_from(lib.radam_param_name, self._handle, id_)
            self._params[id_] = Param(group, found, dtype, grad_dtype or dtype, len_)
        return id_

    def param_id(self, name: str) -> int:
        return self._get(lib.radam_param_id, ctypes.c_uint32, text(name, "name"))

    def param_name(self, param: int) -> str:
        return self._param(param).name

    def group_of(self, param: int) -> int:
        return self._param(param).group

    def set_data(self, param: int, data: Optional[np.ndarray]) -> None:
        """Moves the elements of a parameter to another array, or unbinds it."""
        self._set(lib.radam_set_data, param, "data", data)

    def set_grad(self, param: int, grad: Optional[np.ndarray]) -> None:
        """Sets the gradient of a parameter; with None, steps skip it."""
        self._set(lib.radam_set_grad, param, "grad", grad)

    def _set(self, function: Any, param: int, what: str, array: Optional[np.ndarray]) -> None:
        described = self._param(param)
        dtype = described.dtype if what == "data" else described.grad_dtype
        buffer = None if array is None else of_param(array, what, described.name, dtype, described.len)
        with self._lock:
            self._call(function, param, None if buffer is None else buffer.address)
            self._roots[param, what] = array

    def set_tensors(
        self,
        first: int = 0,
        data: Optional[Sequence[Optional[np.ndarray]]] = None,
        grads: Optional[Sequence[Optional[np.ndarray]]] = None,
    ) -> None:
        """Sets the arrays of the parameters first, first + 1, ... at once: all of them or, on error, none.

        For gradients that are new in every step. None in a list unbinds; None as a list leaves those arrays as they are.
        """
        if data is not None and grads is not None and len(data) != len(grads):
            raise refuse(f"there are {len(data)} data and {len(grads)} grads; there must be as many")
        buffers = {what: self._fitting(first, what, arrays)
                   for what, arrays in (("data", data), ("grad", grads)) if arrays is not None}
        self._set_buffers(first, buffers.get("data"), buffers.get("grad"))

    def _fitting(self, first: int, what: str, arrays: Sequence[Optional[np.ndarray]]) -> List[Optional[Buffer]]:
        buffers: List[Optional[Buffer]] = []
        for param, array in enumerate(arrays, unsigned(first, "first", 32)):
            described = self._param(param)
            dtype = described.dtype if what == "data" else described.grad_dtype
            buffers.append(None if array is None else of_param(array, what, described.name, dtype, described.len))
        return buffers

    def _set_buffers(
        self, first: int, data: Optional[Sequence[Optional[Buffer]]], grads: Optional[Sequence[Optional[Buffer]]]
    ) -> None:
        lists = {"data": data, "grad": grads}
        count = max(len(buffers) for buffers in ([], data, grads) if buffers is not None)
        pointers = ctypes.c_void_p * count
        addresses = [None if buffers is None else pointers(*[buffer and buffer.address for buffer in buffers])
                     for buffers in lists.values()]
        with self._lock:
            self._call(lib.radam_set_tensors, first, count, *addresses)
            for what, buffers in lists.items():
                for param, buffer in enumerate(buffers or (), first):
                    self._roots[param, what] = buffer and buffer.owner

    def remove_param(self, param: int) -> None:
        """Removes a parameter and its state. Its arrays and its name can be used again, its id is not."""
        with self._lock:
            self._call(lib.radam_remove_param, unsigned(param, "param", 32))
            del self._params[param]
            for what in ("data", "grad", "copy", *STATE_ARRAYS):
                self._roots.pop((param, what), None)

    def set_frozen(self, param: int, frozen: bool = True) -> None:
        """Steps skip a frozen parameter."""
        self._call(lib.radam_set_frozen, unsigned(param, "param", 32), Toggle(bool(frozen)))

    def is_frozen(self, param: int) -> bool:
        return self._get(lib.radam_get_frozen, ctypes.c_int32, unsigned(param, "param", 32)) == Toggle.ON

    def options(self, group: int) -> GroupOptions:
        """All options of a group, as keywords for add_group and set_options."""
        struct = new(_api.radam_group_options)
        self._call(lib.radam_get_group_options, unsigned(group, "group", 32), struct)
        return group_options(struct)

    def set_options(self, group: int, **options: Unpack[GroupOptions]) -> None:
        """Changes options of a group: all of the given ones or, on error, none. Others stay as they are."""
        with self._lock:
            struct = new(_api.radam_group_options)
            self._call(lib.radam_get_group_options, unsigned(group, "group", 32), struct)
            fill(struct, options)
            self._call(lib.radam_set_group_options, group, struct)

    def lr(self, group: int) -> float:
        return self._get(lib.radam_get_lr, ctypes.c_double, unsigned(group, "group", 32))

    def set_lr(self, group: int, lr: float) -> None:
        self._call(lib.radam_set_lr, unsigned(group, "group", 32), number(lr, "lr"))

    def weight_decay(self, group: int) -> float:
        return self._get(lib.radam_get_weight_decay, ctypes.c_double, unsigned(group, "group", 32))

    def set_weight_decay(self, group: int, weight_decay: float) -> None:
        self._call(lib.radam_set_weight_decay, unsigned(group, "group", 32), number(weight_decay, "weight_decay"))

    def group_report(self, group: int) -> GroupReport:
        """The scalars of the group's next step, to plot: rho, r, the effective learning rate."""
        struct = new(_api.radam_group_report)
        self._call(lib.radam_get_group_report, unsigned(group, "group", 32), struct)
        return report(struct, GroupReport)

    def advice(self) -> List[str]:
        """Sentences on settings that are allowed but known to make training fail; empty if there is nothing to report."""
        self._get(lib.radam_get_optimizer_accumulation, ctypes.c_int32)  # refuses a closed one, which radam_advice does not
        return text_from(lib.radam_advice, self._handle).splitlines()
