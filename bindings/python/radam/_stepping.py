"""Steps: of all parameters, of one tensor, and in slices."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from . import _api
from ._api import Toggle
from ._arrays import of_param
from ._grad_sums import GradSums
from ._library import lib
from ._params import Params
from ._slices import SlicedStep
from ._structs import filled, new, report, sums_struct
from ._types import StepOptions, StepReport

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Stepping(Params):
    def step(self, **options: Unpack[StepOptions]) -> None:
        """Updates every parameter that has a gradient. Options scale, clip, skip and zero gradients in the same pass."""
        if options:
            self._call(lib.radam_step_with, filled(_api.radam_step_options, options), None)
        else:
            self._call(lib.radam_step)

    def step_with(self, **options: Unpack[StepOptions]) -> StepReport:
        """The same, with a report, for which gradients are measured."""
        struct = new(_api.radam_step_report)
        self._call(lib.radam_step_with, filled(_api.radam_step_options, options), struct)
        return report(struct, StepReport)

    def step_tensor(
        self, param: int, data: Optional[np.ndarray], grad: np.ndarray, **options: Unpack[StepOptions]
    ) -> None:
        """Updates one parameter of a group with gradient_release in arrays that are used only during the call.

        data None: the registered elements. Different parameters may be stepped at the same time, on any threads.
        max_grad_norm needs grad_sums: measure all gradients first.
        """
        self._step_tensor(param, data, grad, options, None)

    def step_tensor_with(
        self, param: int, data: Optional[np.ndarray], grad: np.ndarray, **options: Unpack[StepOptions]
    ) -> StepReport:
        """The same, with a report."""
        struct = new(_api.radam_step_report)
        self._step_tensor(param, data, grad, options, struct)
        return report(struct, StepReport)

    def _step_tensor(self, param: int, data: Any, grad: Any, options: StepOptions, into: Any) -> None:
        described = self._param(param)
        elements = None
        if data is not None:
            elements = of_param(data, "data", described.name, described.dtype, described.len)
        writes_grad = bool(options.get("zero_grad"))
        gradient = of_param(grad, "grad", described.name, described.grad_dtype, described.len, writes_grad)
        struct = filled(_api.radam_step_options, options) if options else None
        self._call(
            lib.radam_step_tensor, param, None if elements is None else elements.address, gradient.address, struct, into
        )

    def measure(self, sums: Optional[GradSums] = None) -> GradSums:
        """Adds the gradients that step() would use to sums, or to new ones."""
        sums = GradSums() if sums is None else sums
        self._call(lib.radam_measure, sums_struct(sums, "sums"))
        return sums

    def zero_grad(self) -> None:
        """Fills all registered gradients with zeros."""
        self._call(lib.radam_zero_grad)

    def sliced_step(self, **options: Unpack[StepOptions]) -> SlicedStep:
        """Opens a step that is done piece by piece, for instance between the frames of a game."""
        return SlicedStep(self, filled(_api.radam_step_options, options))

    @property
    def optimizer_accumulation(self) -> bool:
        """While it is True, steps update the state but not the parameters."""
        return self._get(lib.radam_get_optimizer_accumulation, ctypes.c_int32) == Toggle.ON

    @optimizer_accumulation.setter
    def optimizer_accumulation(self, on: bool) -> None:
        self._call(lib.radam_set_optimizer_accumulation, Toggle(bool(on)))
