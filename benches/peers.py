"""Measures radam against the optimizers that a user might use instead: `make bench-peers`.

The same tensors with the same gradients go through radam (its shared library, called through ctypes)
and through PyTorch, optimi, DeepSpeed's CPU Adam and the 8-bit AdamW of bitsandbytes and torchao, in one
process. Results are compared before times are. The table and the plot go to benches/results/peers.md and
peers.svg.

    python benches/peers.py                  # everything, seven minutes on a quiet machine
    python benches/peers.py --only MLP       # the cases whose title has this in it; writes no files
    python benches/peers.py --rounds 3       # quicker and less certain; writes no files
"""

import argparse
import dataclasses
import functools
import gc
import logging
import os
import pathlib
import sys
import warnings
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
LIBRARY = TARGET / "release" / "libradam.so"
RESULTS = ROOT / "benches" / "results"
THREADS = 2

# These are read when PyTorch and DeepSpeed are imported. DeepSpeed compiles its kernel with ninja,
# which pip put beside this interpreter, and torchao its step with torch.compile. Both are kept in the
# virtual environment.
os.environ["OMP_NUM_THREADS"] = str(THREADS)
os.environ["DS_ACCELERATOR"] = "cpu"
os.environ["DS_SKIP_CUDA_CHECK"] = "1"
# DeepSpeed would set it to 1, and PyTorch then looks for a GPU driver in each step of each optimizer.
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
os.environ.setdefault("TORCH_EXTENSIONS_DIR", os.path.join(sys.prefix, "torch_extensions"))
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(sys.prefix, "torch_inductor"))
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]

import torch

import peers_race
import peers_report
import shapes
from peers_race import Comparison, Contender
from peers_radam import OFF, DTYPES, Q8, Radam, load

# Everyone's options: optimi's and radam's defaults, without weight decay, which is no work for the
# fused optimizers but one more pass for the others.
LR, BETAS, EPS = 1e-3, (0.9, 0.99), 1e-6
COMMON = dict(lr=LR, betas=BETAS, eps=EPS, weight_decay=0.0)


@functools.cache
def library():
    return load(str(LIBRARY))


def radam(params, **options):
    return Radam(library(), params, THREADS, lr=LR, beta1=BETAS[0], beta2=BETAS[1], eps=EPS, **options)


def optimi_radam(params, **options):
    import optimi

    # foreach=True warns that it is deprecated; it is raced where it is the faster one.
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*foreach.*")
    return optimi.RAdam(params, **COMMON, **options)


def deepspeed_adam(params):
    from deepspeed.ops.adam import DeepSpeedCPUAdam

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    return DeepSpeedCPUAdam(params, **COMMON, adamw_mode=True, fp32_optimizer_states=True)


def bitsandbytes_adamw(params):
    import bitsandbytes

    return bitsandbytes.optim.AdamW8bit(params, **COMMON)


def torchao_adamw(params):
    import torchao.optim

    return torchao.optim.AdamW8bit(params, **COMMON)


class Roof:
    """The memory traffic of RAdam without its arithmetic: each of four arrays is read and three are written, once.

    No single PyTorch operation has these streams; three in-place ones together do: θ += g, m = −m, v = −v.
    """

    def __init__(self, params):
        self.params = [param.data for param in params]
        self.grads = [param.grad for param in params]
        self.exp_avgs = [torch.zeros_like(data) for data in self.params]
        self.exp_avg_sqs = [torch.zeros_like(data) for data in self.params]

    def step(self):
        torch._foreach_add_(self.params, self.grads)
        torch._foreach_neg_(self.exp_avgs)
        torch._foreach_neg_(self.exp_avg_sqs)


RADAM = "radam"
RADAM_F32_STATE = "radam, f32 state, Kahan"
RADAM_F32_STATE_NO_KAHAN = "radam, f32 state"
RADAM_Q8 = "radam, 8-bit state"
RADAM_ADAMW = "radam, rectify off"
RADAM_ADAMW_F32_STATE = "radam, rectify off, f32 state"
RADAM_ADAMW_Q8 = "radam, rectify off, 8-bit state"
DEEPSPEED = "DeepSpeed CPU Adam"
FUSED_ADAMW = "torch AdamW(fused=True)"
TORCH_RADAM = "torch RAdam(foreach=True)"
# Without weight decay, Adam8bit of both computes the same.
BITSANDBYTES = "bitsandbytes AdamW8bit"
TORCHAO = "torchao AdamW8bit"
# On CPU, optimi's default is the same as foreach=False.
OPTIMI = "optimi.RAdam"
OPTIMI_FOREACH = "optimi.RAdam(foreach=True)"
OPTIMIS = [OPTIMI, OPTIMI_FOREACH]
ROOF = "28 bytes, no arithmetic"

F32 = DTYPES[torch.float32]
OPTIMIZERS: dict[str, Callable] = {
    RADAM: radam,
    RADAM_F32_STATE: functools.partial(radam, state_dtype=F32),
    RADAM_F32_STATE_NO_KAHAN: functools.partial(radam, state_dtype=F32, kahan_sum=OFF),
    RADAM_Q8: functools.partial(radam, state_dtype=Q8),
    RADAM_ADAMW: functools.partial(radam, rectify=OFF),
    RADAM_ADAMW_F32_STATE: functools.partial(radam, rectify=OFF, state_dtype=F32, kahan_sum=OFF),
    RADAM_ADAMW_Q8: functools.partial(radam, rectify=OFF, state_dtype=Q8),
    DEEPSPEED: deepspeed_adam,
    FUSED_ADAMW: lambda params: torch.optim.AdamW(params, **COMMON, fused=True),
    TORCH_RADAM: lambda params: torch.optim.RAdam(params, **COMMON, foreach=True),
    OPTIMI: optimi_radam,
    OPTIMI_FOREACH: functools.partial(optimi_radam, foreach=True),
    BITSANDBYTES: bitsandbytes_adamw,
    TORCHAO: torchao_adamw,
    ROOF: Roof,
}


@dataclasses.dataclass
class Case:
    title: str
    shapes: list[tuple[int, ...]]
    comparisons: list[Comparison]
    dtype: torch.dtype = torch.float32
    rounds: int = 15

    @property
    def elements(self) -> int:
        return sum(torch.Size(shape).numel() for shape in self.shapes)


CASES = [
    Case("GPT-2 124M, f32", shapes.gpt2(), [
        Comparison(RADAM, [DEEPSPEED], 1.2),
        Comparison(RADAM, [FUSED_ADAMW], 1.3),
        Comparison(RADAM, OPTIMIS, 5),
        Comparison(RADAM, [TORCH_RADAM], 10),
        Comparison(RADAM, [ROOF]),
    ]),
    Case("GPT-2 124M, bf16 + Kahan", shapes.gpt2(), [
        Comparison(RADAM, OPTIMIS, 5),
    ], torch.bfloat16),
    Case("GPT-2 124M, bf16, f32 state", shapes.gpt2(), [
        Comparison(RADAM_F32_STATE, [DEEPSPEED], 1.2),
        Comparison(RADAM_F32_STATE_NO_KAHAN, [DEEPSPEED], 1.2),
    ], torch.bfloat16),
    Case("16M elements, f32, 8-bit state", [(1 << 24,)], [
        Comparison(RADAM_Q8, [BITSANDBYTES], 30),
        Comparison(RADAM_Q8, [TORCHAO], 30),
        Comparison(RADAM_Q8, [FUSED_ADAMW]),
        Comparison(RADAM_Q8, [ROOF]),
    ]),
    Case("MLP 24-64-64-16, 6800 elements in 6 tensors, f32", shapes.MLP, [
        Comparison(RADAM, OPTIMIS, 50),
        Comparison(RADAM, [TORCH_RADAM]),
        Comparison(RADAM, [FUSED_ADAMW]),
        Comparison(RADAM, [DEEPSPEED]),
    ]),
    Case("1000 tensors of 64 elements, f32", 1000 * [(64,)], [
        Comparison(RADAM, [DEEPSPEED], 100),
        Comparison(RADAM, [FUSED_ADAMW], 100),
        Comparison(RADAM, OPTIMIS, 100),
        Comparison(RADAM, [TORCH_RADAM]),
    ]),
]

# For the plot: single tensors of 4K to 64M elements.
SWEEP = [
    Case(f"one tensor of {elements} elements, f32", [(elements,)], [
        Comparison(RADAM, peers) for peers in ([DEEPSPEED], [FUSED_ADAMW], OPTIMIS, [TORCH_RADAM], [ROOF])
    ], rounds=11)
    for elements in (4**exponent for exponent in range(6, 14))
]

# Who must agree with whom, and how closely: the largest difference of parameters of size 1 after ten
# steps, which is some roundings of f32, or of bf16, or a twentieth of the way, by codes of 8 bits.
AGREEMENTS = [
    (RADAM, OPTIMI, torch.float32, 1e-6),
    (RADAM, OPTIMI_FOREACH, torch.float32, 1e-6),
    (RADAM, TORCH_RADAM, torch.float32, 1e-6),
    (RADAM_ADAMW, FUSED_ADAMW, torch.float32, 1e-6),
    (RADAM_ADAMW, DEEPSPEED, torch.float32, 1e-6),
    (RADAM, OPTIMI, torch.bfloat16, 2**-7),
    (RADAM_ADAMW_F32_STATE, DEEPSPEED, torch.bfloat16, 2**-7),
    (RADAM_ADAMW_Q8, BITSANDBYTES, torch.float32, 5e-4),
    (RADAM_ADAMW_Q8, TORCHAO, torch.float32, 5e-4),
]

# (name, dtype): why.
SKIPPED: dict[tuple[str, torch.dtype], str] = {}


def make(name, params):
    """The optimizer after its first step, or None and a warning if it cannot be installed, compiled or run."""
    dtype = params[0].dtype
    if (name, dtype) in SKIPPED:
        return None
    try:
        optimizer = OPTIMIZERS[name](params)
        optimizer.step()
        return optimizer
    except Exception as error:
        if name.startswith(RADAM):
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        SKIPPED[name, dtype] = reason
        print(f"\n*** SKIPPED: {name} with {dtype}: {reason}\n", file=sys.stderr, flush=True)
        return None


def random_tensors(shapes, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


def difference(ours, theirs, dtype):
    """The largest difference between the parameters of two optimizers after ten steps, or None if skipped."""
    trained = []
    for name in (ours, theirs):
        # Everyone has 8-bit state of 4096 elements and of none of the others.
        shapes = [(64, 64), (37, 19), (101,), (1,)]
        params = random_tensors(shapes, dtype, seed=0)
        for param in params:
            param.grad = torch.empty_like(param)
        optimizer = None
        for step in range(10):
            grads = random_tensors(shapes, dtype, seed=1 + step)
            torch._foreach_copy_([param.grad for param in params], grads)
            if step == 0:
                optimizer = make(name, params)
            elif optimizer:
                optimizer.step()
        if not optimizer:
            return None
        trained.append(torch.cat([param.detach().flatten().double() for param in params]))
    # Roundings are relative to the number that is rounded.
    return ((trained[0] - trained[1]).abs() / trained[0].abs().clamp(min=1)).max().item()


def check_results() -> list[str]:
    """Compares the results of radam and its peers, so that the same work is timed; returns a message for each."""
    sentences = []
    for ours, theirs, dtype, limit in AGREEMENTS:
        found = difference(ours, theirs, dtype)
        if found is None:
            continue
        sentences.append(f"{ours} and {theirs}, {peers_report.short(dtype)}: {found:.1e}")
        print(f"  {sentences[-1]} (at most {limit:.0e})", flush=True)
        if not found <= limit:
            sys.exit(f"{ours} and {theirs} do not compute the same; their times would mean nothing")
    return sentences


def call_ns() -> float:
    """What a call of radam_step from Python costs when there is nothing to do."""
    empty = Contender(RADAM, radam([]).step, lambda: None)
    return min(peers_race.sample(empty, 1000, 20_000) for _ in range(5))


def contenders(case):
    """The optimizers that can take part, each with its own parameters, and with shared gradients."""
    values = random_tensors(case.shapes, case.dtype, seed=0)
    grads = random_tensors(case.shapes, case.dtype, seed=1)
    for name in peers_race.everyone(case.comparisons):
        # With Kahan summation, optimi uses the gradients as scratch: it has its own, made anew for each sample.
        spoils_grads = name in OPTIMIS and case.dtype == torch.bfloat16
        own_grads = [grad.clone() for grad in grads] if spoils_grads else grads
        restore = functools.partial(torch._foreach_copy_, own_grads, grads) if spoils_grads else lambda: None
        params = [value.clone() for value in values]
        for param, grad in zip(params, own_grads):
            param.grad = grad
        optimizer = make(name, params)
        if optimizer:
            yield Contender(name, optimizer.step, restore)


def run(case, rounds) -> list[peers_race.Row]:
    times, others = peers_race.race(list(contenders(case)), rounds or case.rounds)
    gc.collect()
    rows = peers_race.compare(case.title, case.elements, case.comparisons, times, others)
    if others > peers_race.QUIET:
        print(peers_report.disturbed(case.title, others))
    for row in rows:
        print(peers_report.line(row), flush=True)
    return rows


def bandwidths(rows) -> list[str]:
    """How fast memory was in the cases that were raced against its traffic."""
    return [f"Memory bandwidth in “{row.case}”, by {ROOF}: {28 * row.elements / row.peer_ns:.0f} GB/s."
            for row in rows if row.peer == ROOF]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", default="", help="part of a case's title")
    arguments.add_argument("--rounds", type=int, help="instead of each case's own number")
    arguments = arguments.parse_args()
    if arguments.rounds is not None and arguments.rounds < 2:
        sys.exit("--rounds must be at least 2: there are no quartiles of one")
    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    about = peers_report.about(THREADS, library().radam_version_string().decode(), call_ns())
    print(*about, "", "Largest difference after ten steps, relative to max(|θ|, 1):", sep="\n", flush=True)
    agreements = check_results()
    print("", peers_report.HEADING, sep="\n", flush=True)
    rows = [row for case in CASES if arguments.only in case.title for row in run(case, arguments.rounds)]
    sweep = [run(case, arguments.rounds) for case in SWEEP if arguments.only in case.title]
    for message in bandwidths(rows):
        about.append(message)
        print(message)
    skipped = [f"{name}, {peers_report.short(dtype)}: {reason}" for (name, dtype), reason in SKIPPED.items()]
    for message in skipped:
        print("*** SKIPPED:", message)
    if not arguments.only and not arguments.rounds:
        peers_report.write(RESULTS, about, agreements, rows, sweep, skipped)
        print(f"wrote {RESULTS / 'peers.md'} and peers.svg")


if __name__ == "__main__":
    main()
