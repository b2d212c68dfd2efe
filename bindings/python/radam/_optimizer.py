"""The optimizer."""

from __future__ import annotations

from ._checkpoint import Checkpoints
from ._states import States
from ._stepping import Stepping


class Optimizer(Stepping, States, Checkpoints):
    """An optimizer of NumPy arrays.

        with radam.Optimizer() as opt:
            opt.add_param(opt.add_group(lr=1e-3), weight, grad, name="weight")
            opt.step()

    num_threads is the maximum number of threads of a step; 0: one per core, 1: the library starts none. parallel_from is
    the number of elements from which a step runs on several threads; 0: the library's choice.

    Arrays that are registered are kept, and used in place. Do not resize them with refcheck=False, which moves their
    memory. A call on an optimizer that another thread is using fails as Status.BUSY, except for reading and for steps of
    different tensors or chunks.
    """

    def __repr__(self) -> str:
        if not self._free.alive:
            return "<radam.Optimizer, closed>"
        return f"<radam.Optimizer, {len(self._params)} parameters in {self._group_count} groups>"
