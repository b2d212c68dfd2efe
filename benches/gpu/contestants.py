"""Who is measured, at which sizes, and that they compute the same."""

import dataclasses
import functools
import math
import warnings
from collections.abc import Callable

import torch

import shapes
from race import Entrant
from radam_tensors import OFF, ON, Q8, Radam

# Everyone's options: optimi's and radam's defaults, without weight decay.
LR, BETAS, EPS = 1e-3, (0.9, 0.99), 1e-6
COMMON = dict(lr=LR, betas=BETAS, eps=EPS, weight_decay=0.0)

RADAM = "radam"
CLIPPED = "radam, max_grad_norm and skip_nonfinite"
Q8_STATE = "radam, Q8 state"
NO_KAHAN = "radam, kahan_sum off"
TRITON = "optimi RAdam(triton=True)"
FOREACH = "optimi RAdam(foreach=True)"
TORCH_RADAM = "torch RAdam(foreach=True)"
FUSED_ADAMW = "torch AdamW(fused=True)"
COPY = "device copy of the same bytes"


def radam(params, step_options=None, **options):
    return Radam(params, step_options, lr=LR, beta1=BETAS[0], beta2=BETAS[1], eps=EPS, **options)


def optimi(params, **options):
    from optimi import RAdam

    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*foreach.*")
    return RAdam(params, **COMMON, **options)


OPTIMIZERS: dict[str, Callable] = {
    RADAM: radam,
    CLIPPED: functools.partial(radam, step_options=dict(max_grad_norm=1.0, skip_nonfinite=ON)),
    Q8_STATE: functools.partial(radam, state_dtype=Q8),
    NO_KAHAN: functools.partial(radam, kahan_sum=OFF),
    TRITON: functools.partial(optimi, triton=True),
    FOREACH: functools.partial(optimi, foreach=True),
    TORCH_RADAM: lambda params: torch.optim.RAdam(params, **COMMON, foreach=True),
    FUSED_ADAMW: lambda params: torch.optim.AdamW(params, **COMMON, fused=True, capturable=params[0].is_cuda),
}
# What a graph captures where it is not the same. (optimi's step counts are the host's: its graph repeats one step.)
CAPTURABLE = {
    **OPTIMIZERS,
    TORCH_RADAM: lambda params: torch.optim.RAdam(params, **COMMON, foreach=True, capturable=params[0].is_cuda),
}


@dataclasses.dataclass
class Case:
    title: str
    shapes: list[tuple[int, ...]]
    dtype: torch.dtype
    names: list[str]

    @property
    def elements(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes)

    @property
    def label(self) -> str:
        return f"{self.title}, {'f32' if self.dtype == torch.float32 else 'bf16'}"

    # Steps that last less than the replay of a graph costs the host: several go into one graph.
    @property
    def steps_in_graph(self) -> int:
        return 10 if self.elements <= 1 << 20 else 1

    def bytes_moved(self, name: str) -> int:
        """By a step that reads and writes each array once; of the copy, those of radam."""
        if self.dtype == torch.bfloat16:
            width = {NO_KAHAN: 14, FUSED_ADAMW: 14, TORCH_RADAM: 14, Q8_STATE: 14, CLIPPED: 20}.get(name, 18)
        else:
            width = {Q8_STATE: 16, CLIPPED: 32}.get(name, 28)
        return width * self.elements


PEERS = [TRITON, FOREACH, TORCH_RADAM, FUSED_ADAMW, COPY]
F32 = [RADAM, CLIPPED, *PEERS]
BF16 = [RADAM, CLIPPED, NO_KAHAN, *PEERS]


def cases(rehearsal: bool) -> list[Case]:
    """The most important first. A rehearsal has small tensors instead of large ones."""
    big = [(1 << 16,), (1 << 14,), (1 << 12,)] if rehearsal else [(1 << 28,), (1 << 24,), (1 << 20,)]
    huge, large, medium = ([shape] for shape in big)
    gpt2 = [(n // 16 or 1,) for n, *_ in shapes.gpt2()] if rehearsal else shapes.gpt2()
    many = (20 if rehearsal else 1000) * [(64,)]
    f32, bf16 = torch.float32, torch.bfloat16
    with_q8 = [RADAM, CLIPPED, Q8_STATE, *PEERS]
    return [
        Case("256M in one tensor", huge, f32, with_q8),
        Case("GPT-2 124M, 148 tensors", gpt2, f32, F32),
        Case("GPT-2 124M, 148 tensors", gpt2, bf16, BF16),
        Case("1000 tensors of 64", many, f32, F32),
        Case("6800 in 6 tensors", shapes.MLP, f32, F32),
        Case("16M in one tensor", large, f32, with_q8),
        Case("1M in one tensor", medium, f32, F32),
        Case("256M in one tensor", huge, bf16, [*BF16, Q8_STATE]),
        Case("1000 tensors of 64", many, bf16, BF16),
        Case("6800 in 6 tensors", shapes.MLP, bf16, BF16),
        Case("16M in one tensor", large, bf16, BF16),
        Case("1M in one tensor", medium, bf16, BF16),
    ]


def random_tensors(case_shapes, dtype, device):
    return [torch.randn(shape, device=device).to(dtype) for shape in case_shapes]


def entrants(case: Case, gpu) -> list[Entrant]:
    grads = random_tensors(case.shapes, case.dtype, gpu.device)

    def make(name, optimizers):
        if name == COPY:
            source = torch.ones(case.bytes_moved(name) // 2, dtype=torch.uint8, device=gpu.device)
            return functools.partial(torch.empty_like(source).copy_, source)
        params = random_tensors(case.shapes, case.dtype, gpu.device)
        for param, grad in zip(params, grads):
            # With foreach, optimi computes in the gradients.
            param.grad = grad.clone() if name == FOREACH else grad
        return optimizers[name](params).step

    made = []
    for name in case.names:
        plain = functools.partial(make, name, OPTIMIZERS)
        same = name == COPY or CAPTURABLE[name] is OPTIMIZERS[name]
        capturable = plain if same else functools.partial(make, name, CAPTURABLE)
        made.append(Entrant(name, plain, capturable, case.bytes_moved(name)))
    return made


SAME_BITS = [
    ("f32", torch.float32, {}, {}),
    ("f32, clip and skip", torch.float32, {}, dict(max_grad_norm=1.0, skip_nonfinite=ON)),
    ("f32, weight decay", torch.float32, dict(weight_decay=0.1, decouple_wd=ON), {}),
    ("f32, Q8 state", torch.float32, dict(state_dtype=Q8, seed=1), {}),
    ("f64", torch.float64, {}, {}),
    ("f16 with Kahan", torch.float16, {}, {}),
    ("bf16 with Kahan", torch.bfloat16, {}, {}),
    ("bf16 with Kahan, Q8 state", torch.bfloat16, dict(state_dtype=Q8, seed=1), {}),
    ("bf16, stochastic rounding", torch.bfloat16, dict(stochastic_rounding=ON, seed=1), {}),
    ("bf16, master_remainder", torch.bfloat16, dict(master_remainder=ON), {}),
]


def differing(device, dtype, options, step_options, steps=12) -> int:
    """Elements that differ between radam on this device and on the CPU after some steps."""
    case_shapes = [(300_001,), (2343, 128), (37, 19), (1,)]
    ours, reference = [], random_tensors(case_shapes, dtype, "cpu")
    for param in reference:
        param.grad = torch.empty_like(param)
        ours.append(param.detach().to(device, copy=True))
        ours[-1].grad = torch.empty_like(ours[-1])
    optimizers = [radam(params, step_options or None, **options) for params in (ours, reference)]
    for _ in range(steps):
        grads = random_tensors(case_shapes, dtype, "cpu")
        for params in (ours, reference):
            torch._foreach_copy_([param.grad for param in params], grads)
        for optimizer in optimizers:
            optimizer.step()
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[reference[0].element_size()]
    return sum(int((mine.cpu().view(bits) != theirs.view(bits)).sum()) for mine, theirs in zip(ours, reference))


def same_work(device) -> list[tuple[str, float]]:
    """The largest difference from radam after ten steps, relative to max(|parameter|, 1): some roundings."""
    found = []
    start, grads = random_tensors([(4096,)], torch.float32, device), random_tensors(10 * [(4096,)], torch.float32, device)
    trained = {}
    for name in (RADAM, TRITON, FOREACH, TORCH_RADAM):
        try:
            params = [start[0].clone()]
            params[0].grad = torch.empty_like(params[0])
            optimizer = OPTIMIZERS[name](params)
            for step, grad in enumerate(grads, start=1):
                params[0].grad.copy_(grad)
                if name == TORCH_RADAM:  # which adds eps before bias correction
                    optimizer.param_groups[0]["eps"] = EPS * math.sqrt(1 - BETAS[1] ** step)
                optimizer.step()
            trained[name] = params[0].double()
        except Exception:  # the race says why
            continue
    for name, values in trained.items():
        if name != RADAM and RADAM in trained:
            difference = (values - trained[RADAM]).abs() / trained[RADAM].abs().clamp(min=1)
            found.append((name, difference.max().item()))
    return found
