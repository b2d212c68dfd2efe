"""Rectified Adam (RAdam) on NumPy arrays. `radam.torch` has an optimizer for PyTorch.

    opt = radam.Optimizer()
    opt.add_param(opt.add_group(lr=1e-3), weight, grad, name="weight")
    opt.step()

SPDX: MIT OR Apache-2.0
"""

from ._api import DType, State, Status
from ._api import VERSION_STRING as __version__
from ._arrays import DTypeLike
from ._errors import Error
from ._grad_sums import GradSums
from ._library import version
from ._optimizer import Optimizer
from ._slices import SlicedStep
from ._types import GroupOptions, GroupReport, StepOptions, StepReport
from ._update import update

__all__ = [
    "DType",
    "DTypeLike",
    "Error",
    "GradSums",
    "GroupOptions",
    "GroupReport",
    "Optimizer",
    "SlicedStep",
    "State",
    "Status",
    "StepOptions",
    "StepReport",
    "update",
    "version",
]
