"""What the optimizer knows of each parameter: exponential moving averages, step counts, and all of it as a dict."""

from __future__ import annotations

import ctypes
from typing import Any, Dict, List, Optional

import numpy as np

from ._api import DType, State, Status
from ._arrays import Q8_ARRAYS, bfloat16, numpy_dtype, state_len, unsigned
from ._errors import Error, refuse
from ._library import lib
from ._params import ALL, Params

# The options that say how a run goes on, and not how its state is kept.
RESTORED = ("lr", "beta1", "beta2", "weight_decay", "eps", "max_lr", "decouple_wd", "decouple_lr", "maximize", "rectify",
            "unrectified", "rectify_threshold", "seed")


class States(Params):
    def step_count(self, param: int) -> int:
        return self._get(lib.radam_step_count, ctypes.c_uint64, unsigned(param, "param", 32))

    def set_step_count(self, param: int, steps: int) -> None:
        self._call(lib.radam_set_step_count, unsigned(param, "param", 32), unsigned(steps, "steps"))

    def reset_state(self, param: Optional[int] = None) -> None:
        """Zeros, and a step count of 0: of one parameter, or of all of them."""
        self._call(lib.radam_reset_state, ALL if param is None else unsigned(param, "param", 32))

    def state(self, param: int, which: State) -> Optional[np.ndarray]:
        """A copy of an array of the state, or None if the parameter has no such array. Averages are debiased.

        bfloat16 is that of ml_dtypes, or uint16 where it is not installed. State of 8 bits is int8 (EXP_AVG), uint8
        (EXP_AVG_SQ) and uint32 (STATE_SCALE, one for each block of 128 elements).
        """
        with self._lock:  # the memory stays while nobody changes groups or parameters
            memory = self._memory(param, which)
            return None if memory is None else memory.copy()

    def set_state(self, param: int, which: State, values: np.ndarray) -> None:
        """Writes an array of the state: values of its dtype and length. Not while another thread steps."""
        with self._lock:
            memory = self._memory(param, which)
            what = f'{State(which).name.lower()} of "{self._param(param).name}"'
            if memory is None:
                raise refuse(f"there is no {what}; the options of its group, or its length, say so")
            check_fits(what, values, memory)
            memory[:] = np.ascontiguousarray(values).reshape(-1).view(memory.dtype)

    def _memory(self, param: int, which: State) -> Optional[np.ndarray]:
        """The library's own memory, which only holders of the lock may look at."""
        address, dtype = ctypes.c_void_p(), ctypes.c_int32()
        self._call(lib.radam_param_state, unsigned(param, "param", 32), State(which), address, dtype)
        if address.value is None:
            return None
        of_array = element_of(State(which), dtype.value)
        size = state_len(State(which).name.lower(), self._param(param).len) * of_array.itemsize
        memory = (ctypes.c_uint8 * size).from_address(address.value)
        return np.ctypeslib.as_array(memory).view(of_array)

    def state_dict(self) -> Dict[str, Any]:
        """All that a run needs to go on, in the form of PyTorch's: copies, which pickle can save.

        "state" has for each parameter, by name, its step count, whether it is frozen, and its arrays; "param_groups" has
        the options of each group and the names of its parameters. Averages are debiased, which PyTorch's are not.
        """
        with self._lock:
            state = {described.name: self._state_of(param) for param, described in self._params.items()}
            groups = [{**self.options(group), "params": self._names(group)} for group in range(self._group_count)]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        """Loads what state_dict returned into an optimizer that has the same groups and parameters.

        Of the options, those that a checkpoint restores too (lr, betas, ...) are restored; the kinds and dtypes of the
        state must be the same. Everything is checked before anything changes.
        """
        state = state_dict["state"]
        with self._lock:
            self._check_groups(state_dict["param_groups"])
            for param, described in self._params.items():
                self._check_state(param, described.name, state[described.name])
            self._restore_options(state_dict["param_groups"])
            for param, described in self._params.items():
                values = state[described.name]
                for which in State:
                    if which.name.lower() in values:
                        self.set_state(param, which, values[which.name.lower()])
                self.set_step_count(param, values["step"])
                self.set_frozen(param, values["frozen"])

    def _names(self, group: int) -> List[str]:
        return [described.name for described in self._params.values() if described.group == group]

    def _state_of(self, param: int) -> Dict[str, Any]:
        arrays = {which.name.lower(): self.state(param, which) for which in State}
        present = {name: array for name, array in arrays.items() if array is not None}
        return {"step": self.step_count(param), "frozen": self.is_frozen(param), **present}

    def _check_groups(self, groups: List[Dict[str, Any]]) -> None:
        if len(groups) != self._group_count:
            raise mismatch(f"the state has {len(groups)} groups; the optimizer has {self._group_count}")
        for group, entry in enumerate(groups):
            if entry["params"] != self._names(group):
                raise mismatch(f"group {group} of the state has {entry['params']}; here it has {self._names(group)}")

    def _check_state(self, param: int, name: str, values: Dict[str, Any]) -> None:
        unsigned(values["step"], f'the step of "{name}"')
        for which in State:
            memory, given = self._memory(param, which), values.get(which.name.lower())
            if (memory is None) != (given is None):
                raise mismatch(f'only one side has {which.name.lower()} of "{name}"; the options of its group say so')
            if memory is not None:
                check_fits(f'{which.name.lower()} of "{name}"', given, memory)

    def _restore_options(self, groups: List[Dict[str, Any]]) -> None:
        old = [self.options(group) for group in range(self._group_count)]
        try:
            for group, entry in enumerate(groups):
                self.set_options(group, **{name: entry[name] for name in RESTORED})
        except BaseException:
            for group, options in enumerate(old):
                self.set_options(group, **options)
            raise


def element_of(which: State, dtype: int) -> np.dtype:
    """The elements of an array of the state, which the library says to be of this dtype."""
    if which == State.MASTER_REMAINDER:
        return np.dtype(np.int16)
    if which == State.STATE_SCALE or dtype == DType.Q8:
        return np.dtype(Q8_ARRAYS[which.name.lower()])
    return numpy_dtype(dtype)


def mismatch(message: str) -> Error:
    return Error(Status.MISMATCH, message)


def check_fits(what: str, values: Any, memory: np.ndarray) -> None:
    if not isinstance(values, np.ndarray):
        raise mismatch(f"{what} is a {type(values).__name__}; it must be a numpy array")
    bits_of = np.dtype(np.uint16) if memory.dtype == bfloat16() else memory.dtype
    if values.dtype not in (memory.dtype, bits_of) or values.size != memory.size:
        raise mismatch(f"{what} is {values.dtype.name} of {values.size} elements; it must be {memory.dtype.name} of "
                       f"{memory.size}")
