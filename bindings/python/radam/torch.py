"""RAdam for PyTorch: a torch.optim.Optimizer that steps CPU tensors with radam.

    optimizer = radam.torch.RAdam(model.parameters(), lr=1e-3)

Its arguments, param groups, hooks and state_dict are those of torch.optim.RAdam, and a state_dict of one can be loaded
into the other. There are two differences:

- Averages are kept debiased, as m / (1 - beta1^t), also in `optimizer.state`; state_dict() converts them to PyTorch's,
  and load_state_dict() back, which rounds each number once. copy.deepcopy and pickle keep all bits.
- eps is added to the root of the debiased exp_avg_sq, as in torch.optim.Adam. torch.optim.RAdam adds it before bias
  correction, so its eps counts as eps / sqrt(1 - beta2^t) here. The number is not converted: it is the same in the long
  run.

16-bit parameters have Kahan summation, unless kahan_sum is False: a state "kahan_comp", which torch.optim.RAdam ignores.

SPDX: MIT OR Apache-2.0
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

import torch
from torch import Tensor

from ._api import DType
from ._arrays import Buffer
from ._optimizer import Optimizer

DTYPES = {torch.float32: DType.F32, torch.float64: DType.F64, torch.float16: DType.F16, torch.bfloat16: DType.BF16}
AVERAGES = ("exp_avg", "exp_avg_sq")


class Row(NamedTuple):
    """A parameter that has state, and where its arrays are. While rows stay the same, so does radam's optimizer."""

    group: int
    step: int
    data: Buffer
    grad_dtype: DType
    state: Dict[str, Buffer]

    def layout(self) -> Tuple[Any, ...]:
        addresses = [(name, buffer.address) for name, buffer in self.state.items()]
        return self.group, self.step, self.data.dtype, self.data.len, self.grad_dtype, addresses


class RAdam(torch.optim.Optimizer):
    """`foreach` and `capturable` have no effect. `num_threads` and `kahan_sum` are radam's own."""

    def __init__(
        self,
        params: Any,
        lr: Union[float, Tensor] = 1e-3,
        betas: Tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: Optional[bool] = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        kahan_sum: Optional[bool] = None,
        num_threads: int = 0,
    ) -> None:
        self._num_threads = num_threads
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
            "kahan_sum": kahan_sum,
        }
        self._forget()
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Dict[str, Any]) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            with Optimizer(num_threads=1) as trial:
                trial.add_group(**options_of(group))
            for number, param in enumerate(group["params"]):
                borrow(param, name_of(group, number))
        except BaseException:
            self.param_groups.pop()
            raise
        self._forget()

    @torch.no_grad()
    def step(self, closure: Optional[Callable[[], Any]] = None) -> Any:
        """Steps the parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        rows, grads = self._rows()
        if rows:
            self._bind(rows)
            self._step(rows, grads)
        return loss

    def state_dict(self) -> Dict[str, Any]:
        """That of torch.optim.RAdam."""
        state_dict = super().state_dict()
        return {**state_dict, "state": converted(state_dict, to_torch=True)}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        """Loads a state_dict of this class or of torch.optim.RAdam."""
        super().load_state_dict({**state_dict, "state": converted(state_dict, to_torch=False)})

    def __getstate__(self) -> Dict[str, Any]:
        return {**super().__getstate__(), "_num_threads": self._num_threads}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)
        self._forget()

    def _forget(self) -> None:
        """The next step makes radam's optimizer anew; it has nothing that is not in self.state."""
        self._radam: Optional[Optimizer] = None
        self._layout: List[Any] = []
        self._options: List[Dict[str, Any]] = []

    def _rows(self) -> Tuple[List[Row], List[Optional[Buffer]]]:
        """Everything that has a gradient or state, and the gradients."""
        rows: List[Row] = []
        grads: List[Optional[Buffer]] = []
        for number, group in enumerate(self.param_groups):
            for index, param in enumerate(group["params"]):
                if param.grad is None and not self.state.get(param):
                    continue
                name = name_of(group, index)
                data = borrow(param, name)
                grad = None if param.grad is None else borrow(param.grad, f"the gradient of {name}", data.len)
                state = self._state_of(param, group)
                buffers = {key: borrow(value, f"{key} of {name}", data.len, data.dtype)
                           for key, value in state.items() if key in (*AVERAGES, "kahan_comp")}
                rows.append(Row(number, int(state["step"]), data, grad.dtype if grad else data.dtype, buffers))
                grads.append(grad)
        return rows, grads

    def _state_of(self, param: Tensor, group: Dict[str, Any]) -> Dict[str, Tensor]:
        state = self.state[param]
        if not state:
            is_wide = torch.get_default_dtype() == torch.float64
            state["step"] = torch.tensor(0.0, dtype=torch.float64 if is_wide else torch.float32, device="cpu")
            for name in AVERAGES:
                state[name] = torch.zeros_like(param, memory_format=torch.contiguous_format)
        is_16_bit = param.dtype in (torch.float16, torch.bfloat16)
        if group["kahan_sum"] is False or not (is_16_bit or group["kahan_sum"]):
            state.pop("kahan_comp", None)
        elif "kahan_comp" not in state:
            state["kahan_comp"] = torch.zeros_like(param, memory_format=torch.contiguous_format)
        return state

    def _bind(self, rows: List[Row]) -> None:
        layout = [row.layout() for row in rows]
        options = [options_of(group) for group in self.param_groups]
        if layout != self._layout:
            self._forget()
            made = Optimizer(self._num_threads)
            for group in options:
                made.add_group(**group)
            for param, row in enumerate(rows):
                made._add(row.group, row.data.len, row.data.dtype, row.grad_dtype, None, row.state, {})
                made.set_step_count(param, row.step)
            self._radam, self._layout, self._options = made, layout, options
        assert self._radam is not None
        for number, (old, now) in enumerate(zip(self._options, options)):
            if now != old:
                self._radam.set_options(number, **now)
        self._options = options

    def _step(self, rows: List[Row], grads: List[Optional[Buffer]]) -> None:
        assert self._radam is not None
        data = [row.data if grad else None for row, grad in zip(rows, grads)]
        self._radam._set_buffers(0, data, grads)
        try:
            self._radam.step()
        finally:
            nothing = [None] * len(rows)
            self._radam._set_buffers(0, nothing, nothing)  # tensors may be freed or moved between steps
        stepped = [row for row, grad in zip(rows, grads) if grad]
        for row in stepped:
            self.state[row.data.owner]["step"] += 1
        self._layout = [(row.group, row.step + bool(grad), *layout[2:])
                        for row, grad, layout in zip(rows, grads, self._layout)]
        # Autograd notices if a backward pass needs a tensor as it was before the step.
        torch.autograd.graph.increment_version([row.data.owner for row in stepped])


def name_of(group: Dict[str, Any], index: int) -> str:
    names = group.get("param_names")
    return f'"{names[index]}"' if names else f"parameter {index} of its group"


def options_of(group: Dict[str, Any]) -> Dict[str, Any]:
    """The options of radam's group. differentiable is the one that cannot be ignored."""
    if group["differentiable"]:
        raise ValueError("differentiable is True; radam does not record its step for autograd")
    beta1, beta2 = group["betas"]
    return {
        "lr": float(group["lr"]),
        "beta1": float(beta1),
        "beta2": float(beta2),
        "eps": float(group["eps"]),
        "weight_decay": float(group["weight_decay"]),
        "decouple_wd": bool(group["decoupled_weight_decay"]),
        "maximize": bool(group["maximize"]),
        "kahan_sum": group["kahan_sum"],
    }


def borrow(tensor: Tensor, what: str, len_: Optional[int] = None, dtype: Optional[DType] = None) -> Buffer:
    """Checks that the library can use a tensor as it is."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise ValueError(f"{what} is a {tensor.layout} tensor on {tensor.device}; it must be a strided one on the CPU")
    if tensor.dtype not in DTYPES:
        raise ValueError(f"{what} is {tensor.dtype}; it must be float32, float64, float16 or bfloat16")
    if not tensor.is_contiguous():
        raise ValueError(f"{what} has shape {tuple(tensor.shape)} and strides {tensor.stride()}; it must be contiguous")
    found = DTYPES[tensor.dtype]
    if dtype not in (None, found):
        raise ValueError(f"{what} is {tensor.dtype}; it must have the dtype of its parameter")
    if len_ not in (None, tensor.numel()):
        raise ValueError(f"{what} has {tensor.numel()} elements; it must have {len_}")
    return Buffer(tensor.data_ptr(), found, tensor.numel(), tensor)


def converted(state_dict: Dict[str, Any], to_torch: bool) -> Dict[Any, Any]:
    """The state with averages as PyTorch has them, or debiased. All tensors are copies."""
    result: Dict[Any, Any] = {}
    betas = {param: group["betas"] for group in state_dict["param_groups"] for param in group["params"]}
    for param, state in state_dict["state"].items():
        copy = {key: value.clone() if isinstance(value, Tensor) else value for key, value in state.items()}
        if param in betas and state:
            for name, beta in zip(AVERAGES, betas[param]):
                bias = 1 - float(beta) ** float(state["step"])
                if bias > 0:  # it is 0 before the first step
                    wide = state[name].double()
                    copy[name] = (wide * bias if to_torch else wide / bias).to(state[name].dtype)
        result[param] = copy
    return result
