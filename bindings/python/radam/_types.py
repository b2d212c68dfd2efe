"""Options and reports as Python has them. Generated from bindings/radam_api.json by `make bindings`. SPDX: MIT OR Apache-2.0"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional, TypedDict

if TYPE_CHECKING:
    from ._arrays import DTypeLike
    from ._grad_sums import GradSums


class GroupOptions(TypedDict, total=False):
    # Decoupled weight decay, as in AdamW: each step multiplies the parameter by 1 - lr * weight_decay. None: off, which
    # makes weight_decay an L2 penalty added to the gradient.
    decouple_wd: Optional[bool]
    # Fully decoupled weight decay: each step multiplies the parameter by 1 - lr / max_lr * weight_decay, so the best
    # weight_decay does not depend on lr. Takes precedence over decouple_wd. None: off.
    decouple_lr: Optional[bool]
    # Kahan summation: a compensation array beside each parameter keeps what rounding loses, so 16-bit parameters train
    # without an f32 copy. None: on for f16 and bf16, unless master_remainder or stochastic_rounding is on. Turning it
    # on starts with a compensation of 0; turning it off discards the compensation.
    kahan_sum: Optional[bool]
    # None and True (optimi's foreach): a step runs over all tensors of the group in one parallel loop. False: one
    # tensor after another. The results are the same.
    for_each: Optional[bool]
    # The group is stepped one parameter at a time with radam_step_param or radam_step_tensor, for example from inside
    # the backward pass; radam_step, radam_step_with, radam_measure and radam_zero_grad skip it. None: off.
    gradient_release: Optional[bool]
    # Maximizes: the gradient is negated before anything else. None: off.
    maximize: Optional[bool]
    # Rectification, the R of RAdam. False: every step uses r = 1, which makes this Adam, or AdamW with decouple_wd.
    # None: on.
    rectify: Optional[bool]
    # The dtype of exp_avg, exp_avg_sq and kahan_comp. 0: that of each parameter. Otherwise f32, the dtype of all
    # parameters of the group, or "q8". Changing it converts the state, rounding to nearest even.
    # "q8", for f32, f16 and bf16 parameters, keeps exp_avg and exp_avg_sq in 2.03 bytes an element together, and trains
    # as well as f32: the ratio exp_avg / (sqrt(exp_avg_sq) + eps) and the root are coded in 8 bits each, rounded at
    # random, with a scale for each block of 128 elements. Results have the same bits on every machine; the random
    # numbers depend on seed, as those of stochastic_rounding do. kahan_comp has the dtype of the parameter. Tensors of
    # fewer than 4096 elements (of the whole tensor) keep f32 state. docs/q8.md describes the format.
    state_dtype: Optional[DTypeLike]
    # Exact f32 master weights at 16 bits per parameter, instead of Kahan summation: for each bf16 parameter, a signed
    # 16-bit remainder holds the rest of its f32 master. The bits of the master are those of the parameter, shifted left
    # by 16, plus the remainder; the parameter is the master rounded to nearest, ties away from zero. Results are bit
    # for bit those of f32 parameters with the same state_dtype (set it to f32 for f32 training). For groups of bf16
    # parameters only; cannot be combined with kahan_sum or stochastic_rounding. Turning it on starts with remainders of
    # 0; turning it off discards them. None: off.
    master_remainder: Optional[bool]
    # Stochastic rounding of bf16 parameters, instead of Kahan summation: each new value is rounded up or down at
    # random, with probabilities that make it right on average. It needs no memory. The random number of an element is a
    # hash of seed, the parameter's name, its step number and the element's index in the whole tensor
    # (radam_param.tensor_offset included), so results do not depend on the machine, the order in which parameters were
    # added, or how a tensor is sharded. For groups of bf16 parameters only; cannot be combined with kahan_sum or
    # master_remainder. None: off.
    stochastic_rounding: Optional[bool]
    # What to do in unrectified steps, the first ones, while rho does not exceed rectify_threshold. None and True:
    # parameters move by lr * exp_avg, as in the paper, optimi and PyTorch. False: only exp_avg and exp_avg_sq are
    # updated, by the gradient without an L2 penalty, and weight decay of any kind waits too, as the paper's authors
    # recommend if the first steps diverge.
    unrectified: Optional[bool]
    # The learning rate; finite, at least 0. Required: radam_group_options_init sets NaN, which is rejected.
    lr: float
    # The decay rate of exp_avg, in [0, 1). Default: 0.9.
    beta1: float
    # The decay rate of exp_avg_sq, in [0, 1). Default: 0.99.
    beta2: float
    # The weight decay; finite, at least 0. Default: 0.
    weight_decay: float
    # Added to the square root of exp_avg_sq in the denominator; finite, at least 0. Default: 1e-6.
    eps: float
    # The highest lr of the schedule, by which decouple_lr divides; finite, at least 0, and above 0 if decouple_lr is
    # on. NaN, the default: the value of lr in the same struct.
    max_lr: float
    # A step is rectified if rho, the length of the approximated simple moving average, exceeds this; finite, at least
    # 4, since r does not exist below. Default: 5, as in optimi and PyTorch; the paper has 4.
    rectify_threshold: float
    # The seed of stochastic_rounding and of 8-bit state. Default: 0.
    seed: int


class StepOptions(TypedDict, total=False):
    # Skips the step if any gradient element is infinite or NaN: parameters, state and step counts keep their bits. The
    # call still succeeds, and the report says so. None: off.
    skip_nonfinite: Optional[bool]
    # Zeroes each gradient once it is no longer needed, also if the step is skipped; the same as calling radam_zero_grad
    # afterwards. None: off.
    zero_grad: Optional[bool]
    # Measures update_norm and param_norm for the report, which is about as much work as the update itself. None: off.
    report_norms: Optional[bool]
    # What is already known of all gradients, for example of several processes or of tensors that are stepped one by
    # one: max_grad_norm and skip_nonfinite use these sums, and the step measures nothing. The sums are of gradients
    # before grad_scale. NULL, the default: the step measures its own gradients if it needs to.
    grad_sums: Optional[GradSums]
    # Multiplies every gradient before anything else; finite, above 0. With loss scaling, it is 1 / loss scale. Default:
    # 1.
    grad_scale: float
    # Clips gradients by their norm: the maximum L2 norm of all gradients together, after grad_scale; finite, at least
    # 0. If max_grad_norm / (norm + 1e-6) is below 1, all gradients are multiplied by it, as
    # torch.nn.utils.clip_grad_norm_ does. An infinite norm therefore turns finite gradients into 0 and infinite ones
    # into NaN, and a NaN norm turns all of them into NaN. 0, the default: no limit.
    max_grad_norm: float
    # Clips gradients by value, after grad_scale and max_grad_norm: each element is clamped to [-max_grad_value,
    # max_grad_value], and NaN stays NaN. Finite, at least 0. 0, the default: no limit.
    max_grad_value: float


@dataclass(frozen=True)
class StepReport:
    """The outcome of a step."""

    # 1 if skip_nonfinite skipped the step, else 0.
    skipped: bool
    # The number of gradient elements that are infinite or NaN.
    nonfinite: int
    # The norm of the gradients after grad_scale and before clipping; 0 if there are none.
    grad_norm: float
    # What max_grad_norm multiplied the gradients by; 1 if they were within the limit.
    clip_coefficient: float
    # The norm of the change of the parameters, as stored; 0 if the step was skipped. NaN unless report_norms is on.
    update_norm: float
    # The norm of the parameters after the step, as stored. NaN if the step was skipped, and unless report_norms is on.
    param_norm: float
    # The number of parameters that were stepped: 0 if none has a gradient, or if the step was skipped.
    params_stepped: int
    # The number of threads that worked on the step, including the calling one; 0 for a step in slices, which the caller
    # distributes. A thread of an executor that works for two optimizers in turns may be counted more than once.
    threads: int


@dataclass(frozen=True)
class GroupReport:
    """The scalars of a group's next step, for training loops that log them."""

    # 1 if the step will be rectified (always, with rectify off), else 0: then it moves parameters by lr * exp_avg,
    # without a square root, or not at all with unrectified off.
    rectified: bool
    # The number t of the step, starting at 1, of the parameter that has made the most steps. Parameters that joined
    # late or were paused have lower ones.
    step: int
    # The length of the approximated simple moving average. A step is rectified if it exceeds rectify_threshold.
    rho: float
    # The limit of rho: 2 / (1 - beta2) - 1.
    rho_inf: float
    # The rectification term, in [0, 1]; 0 in unrectified steps, 1 with rectify off.
    r: float
    # The factor of exp_avg: lr * r in rectified steps; otherwise lr, or 0 with unrectified off.
    effective_lr: float
    # The debiased beta1: (beta1^t - beta1) / (beta1^t - 1).
    beta1_hat: float
    # The debiased beta2: (beta2^t - beta2) / (beta2^t - 1).
    beta2_hat: float
    # The factor by which weight decay multiplies each parameter: 1 - lr * weight_decay with decouple_wd, 1 - lr /
    # max_lr * weight_decay with decouple_lr, else 1.
    decay_factor: float
