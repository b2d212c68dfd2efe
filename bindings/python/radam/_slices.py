"""A step in slices."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Iterator, Optional

from . import _api
from ._api import Status
from ._arrays import unsigned
from ._errors import Error
from ._library import lib
from ._structs import new, report
from ._types import StepReport

if TYPE_CHECKING:
    from ._handle import Handle


class SlicedStep:
    """An open step. Until it ends, other calls on the optimizer that change anything fail as Status.BUSY.

        with opt.sliced_step() as step:
            while step.run_for(0.002):  # seconds
                draw_a_frame()

    Leaving the block does what is left of the step. If an exception leaves it, the step is cancelled as if it had never
    begun, or done to its end if parameters have already changed: there is no half step.
    """

    report: Optional[StepReport] = None  # once the step has ended

    def __init__(self, optimizer: Handle, options: _api.radam_step_options) -> None:
        self._optimizer = optimizer
        optimizer._call(lib.radam_step_begin, options)
        self._is_open = True

    def run_for(self, seconds: float) -> int:
        """Works for a limited time, on this thread, and returns the number of chunks that are left."""
        if not seconds >= 0:
            raise ValueError(f"seconds is {seconds}; it must be at least 0")
        budget = min(int(seconds * 1e9), 2**64 - 1) if seconds != float("inf") else 2**64 - 1
        return self._optimizer._get(lib.radam_step_for, ctypes.c_uint64, budget)

    def slices(self, seconds: float) -> Iterator[int]:
        """Works for a limited time in each turn of a loop: `for chunks_left in step.slices(0.002): draw_a_frame()`."""
        while True:
            left = self.run_for(seconds)
            yield left
            if left == 0:
                return

    def waves(self) -> Iterator[range]:
        """The step as sets of chunks. Those of a set may be stepped in any order and on any threads, each once."""
        while True:
            chunks = self._optimizer._get(lib.radam_step_wave, ctypes.c_uint64)
            if chunks == 0:
                return
            yield range(chunks)

    def chunk(self, number: int) -> None:
        """Steps one chunk of the current wave, some 10 microseconds of work."""
        self._optimizer._call(lib.radam_step_chunk, unsigned(number, "chunk"))

    def end(self) -> StepReport:
        """Ends the step, all of whose chunks have been stepped."""
        struct = new(_api.radam_step_report)
        self._optimizer._call(lib.radam_step_end, struct)
        self._is_open = False
        self.report = report(struct, StepReport)
        return self.report

    def abort(self) -> None:
        """Cancels the step as if it had never begun. Possible until the first parameter changes."""
        self._optimizer._call(lib.radam_step_abort)
        self._is_open = False

    def __enter__(self) -> SlicedStep:
        return self

    def __exit__(self, type_: Any, *_: Any) -> None:
        if not self._is_open:
            return
        if type_ is not None:
            try:
                self.abort()
                return
            except Error as error:
                if error.status != Status.INVALID_STATE:
                    raise
        self.run_for(float("inf"))
        self.end()
