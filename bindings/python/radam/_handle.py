"""An optimizer of the library, with all that its addresses point to."""

from __future__ import annotations

import ctypes
import threading
import weakref
from typing import Any, Dict, NamedTuple, Tuple

from . import _api
from ._api import DType
from ._arrays import unsigned
from ._errors import check
from ._library import lib
from ._structs import filled


class Param(NamedTuple):
    """What of a parameter never changes."""

    group: int
    name: str
    dtype: DType
    grad_dtype: DType
    len: int


class Handle:
    """Frees the optimizer exactly once, and keeps the registered arrays alive as long as the library has their addresses.

    CPython never moves the memory of an array, and an array that is referred to is not freed. So each registered array
    is kept in `_roots` from before its address reaches the library until after it has left it. `_lock` makes the two
    one change, also for other threads: ctypes releases the GIL during a call. A call that steps keeps `self`, and with
    it the roots, until it returns.
    """

    def __init__(self, num_threads: int = 0, parallel_from: int = 0) -> None:
        options = filled(_api.radam_options, {})
        options.num_threads = unsigned(num_threads, "num_threads", 32)
        options.parallel_from = unsigned(parallel_from, "parallel_from")
        handle = ctypes.c_void_p()
        check(lib.radam_create(options, handle))
        self._handle = handle.value
        self._free = weakref.finalize(self, lib.radam_free, handle.value)
        self._lock = threading.RLock()
        self._group_count = 0
        self._params: Dict[int, Param] = {}
        self._roots: Dict[Tuple[int, str], Any] = {}

    def close(self) -> None:
        """Frees the optimizer and its state, and lets go of the arrays. Later calls fail; closing again does nothing.

        A call that another thread is in ends as usual.
        """
        with self._lock:
            self._free()
            # Not cleared in place: a step of another thread still needs what it has in hand.
            self._roots = {}

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("an optimizer cannot be copied or pickled; state_dict() and save_to_bytes() can be")

    def _call(self, function: Any, *arguments: Any) -> None:
        roots = self._roots  # held until the call returns, even if another thread closes the optimizer
        check(function(self._handle, *arguments), self._handle)
        del roots

    def _get(self, function: Any, type_: Any, *arguments: Any) -> Any:
        """What a getter writes behind its last argument."""
        value = type_()
        self._call(function, *arguments, value)
        return value.value

    def _param(self, param: int) -> Param:
        """The description of a parameter. The library is asked about unknown ones, for its sentence."""
        number = unsigned(param, "param", 32)
        if number not in self._params:
            self._get(lib.radam_step_count, ctypes.c_uint64, number)
        return self._params[number]
