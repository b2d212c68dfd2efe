"""Generates the reference values with which tests/goldens.rs compares the library.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python generate.py            # write sets.txt and the vector files, beside this script
    venv/bin/python generate.py --check    # make them again in memory; exit status 1 if a bit differs
    venv/bin/python generate.py --report   # how far each reference is from the f64 oracle

The references, each over every hyperparameter set and kind of weight decay that it knows:

    oracle.txt  the formulas of the design page in plain numpy f64
    optimi.txt  optimi.RAdam (optimi.Adam where a set turns rectification off), in every dtype
    torch.txt   torch.optim.RAdam (Adam, AdamW), in f64 and f32
    optax.txt   optax.radam with the set's threshold (optax.adam), in f64

    rectify.txt   the scalars of a step in decimal arithmetic of 120 digits, for beta up to 1 - 2^-53

    clipping.txt  torch.optim.RAdam as a training loop calls it: gradients under a loss scale, unscaled by
                  torch.amp.GradScaler, clipped by clip_grad_norm_ and clip_grad_value_, in f64 and f32

A vector file is made of blocks: a line that names dtype, Kahan summation, set and decay, then one line per checkpoint,
the step followed by the parameters as the hexadecimal bits of their dtype. Nothing that goes in is stored: initial
parameters and gradients come from a hash of their position (`Inputs`), which the Rust tests implement too, and are
dyadic rationals of at most 8 bits, so exact in every dtype. All dtypes therefore share one oracle.

rectify.txt has a line for each beta and step: beta, the step, rho, r ("-" where the step is not rectified), beta_hat,
1 - beta_hat and 1 - beta^t, all but the step as the hexadecimal bits of the nearest f64.

clipping.txt is made of other blocks: a line with the dtype and the fields of `Clipping`, then one line per step, with
what the loop met (`run_clipping`) and, at checkpoints, the parameters of all groups.
"""

import argparse
import dataclasses
import decimal
import math
import os
import pathlib
import sys
import warnings

# The same instructions, so the same roundings, on every x86-64 machine of the last ten years.
os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
os.environ["XLA_FLAGS"] = "--xla_cpu_max_isa=AVX2"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimi
import torch

jax.config.update("jax_enable_x64", True)
warnings.filterwarnings("ignore", message="You are using weight_decay", category=UserWarning)

HERE = pathlib.Path(__file__).parent
LEN = 16  # elements of the parameter
STEPS = 500
CHECKPOINTS = (1, 4, 5, 6, 7, 50, 500)  # close around the step at which rectification usually begins
F64_ELEMENTS = 4  # of 16 committed in f64, where no statistics are made of them
DECAYS = ("none", "l2", "decoupled", "fully_decoupled")
TORCH_DTYPES = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


@dataclasses.dataclass(frozen=True)
class Set:
    """One set of hyperparameters. The weight decay depends on its kind, since their units differ."""

    name: str
    lr: float = 1e-3  # the highest, when it is scheduled
    beta1: float = 0.9
    beta2: float = 0.99
    eps: float = 1e-6
    l2: float = 0.05
    decoupled: float = 0.1
    fully_decoupled: float = 1e-3
    grad_exponent: int = 0  # gradients are of the size of two to this power
    schedule: str = "constant"  # or "warmup": linear up, then smoothly down to zero
    rectify: str = "on"
    maximize: str = "off"
    accumulate: int = 1  # parameters move in every n-th step only
    threshold: float = 5.0  # steps are rectified while rho is above it
    unrectified: str = "on"  # off: parameters do not move in steps that are not rectified

    def weight_decay(self, decay):
        return 0.0 if decay == "none" else getattr(self, decay)

    def lr_at(self, step):
        """Sums, products and quotients only: a cosine is not the same bits in every libm."""
        if self.schedule == "constant":
            return self.lr
        warmup = 50
        if step <= warmup:
            return self.lr * step / warmup
        x = (step - warmup) / (STEPS - warmup)
        return self.lr * (1 - x * x * (3 - 2 * x))

    def updates_at(self, step):
        return step % self.accumulate == 0

    def fits(self, dtype):
        """Whether gradients and their squares are normal numbers of this dtype."""
        return dtype != "f16" or -7 < self.grad_exponent < 8


SETS = (
    Set("defaults"),
    Set("beta2_0.5", beta2=0.5),  # never rectifies: the largest rho is 3
    Set("beta2_0.7", beta2=0.7),  # rectifies late: the largest rho is 5.67
    Set("beta2_0.999", beta2=0.999),
    Set("beta2_0.9999", beta2=0.9999),
    Set("beta1_0", beta1=0.0),
    Set("beta1_0.99", beta1=0.99, beta2=0.98),
    Set("eps_1e-2", eps=1e-2),
    Set("eps_1e-12", eps=1e-12),
    Set("lr_3e-2", lr=3e-2, decoupled=0.02),
    Set("grads_1e-9", lr=0.1, l2=1e-10, decoupled=1e-3, grad_exponent=-30),
    Set("grads_1e-2", grad_exponent=-6),
    Set("grads_1e2", grad_exponent=7),
    Set("grads_1e6", grad_exponent=20),
    Set("schedule", lr=5e-3, beta2=0.999, schedule="warmup"),
    Set("accumulate", accumulate=4),
    Set("maximize", maximize="on"),
    Set("adam", rectify="off"),
    Set("adam_schedule", lr=5e-3, beta2=0.999, eps=1e-8, schedule="warmup", rectify="off"),
    Set("threshold_4", threshold=4.0),  # as in the text of the paper: rectifies from step 5 on
    Set("threshold_4_late", beta2=0.7, threshold=4.0, schedule="warmup"),
    Set("threshold_100", beta2=0.999, threshold=100.0),  # rectifies from step 107 on
    Set("waits", unrectified="off"),
    Set("waits_long", threshold=60.0, unrectified="off", accumulate=4),
)


def splitmix64(x):
    mask = (1 << 64) - 1
    x = (x + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


class Inputs:
    """Initial parameters and the gradients of every step. `seed` is the position of the set in SETS."""

    def __init__(self, hyper):
        self.seed = SETS.index(hyper)
        self.scale = math.ldexp(1, hyper.grad_exponent - 7)
        self.mean = np.array([self.draw(1, 0, i) % 81 - 40 for i in range(LEN)])

    def draw(self, stream, step, element):
        return splitmix64(self.seed << 48 | stream << 40 | step << 16 | element)

    def initial_params(self):
        """Both signs, magnitudes between 1/16 and 2."""
        params = []
        for element in range(LEN):
            bits = self.draw(0, 0, element)
            magnitude = math.ldexp(64 + bits % 192, -7 - (bits >> 32) % 4)
            params.append(-magnitude if bits >> 40 & 1 else magnitude)
        return np.array(params)

    def grads(self, step):
        """As in training: each element has its own mean, under noise of about three times its size."""
        noise = np.array([self.draw(2, step, i) % 161 - 80 for i in range(LEN)])
        return (self.mean + noise) * self.scale


def run_oracle(hyper, decay, real=np.float64):
    """The contract, word for word. `real` may be np.longdouble, to see how far f64 itself is off.

    The powers are libm's, within a unit in the last place: their relative error comes out of rho enlarged by
    rho_inf^2 and more, so squaring over and over in plain f64 would be off by 2e-12 of the parameters at beta2 = 0.9999.
    """
    inputs = Inputs(hyper)
    beta1, beta2, eps, weight_decay = map(real, (hyper.beta1, hyper.beta2, hyper.eps, hyper.weight_decay(decay)))
    theta = inputs.initial_params().astype(real)
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    rho_inf = 2 / (1 - beta2) - 1
    for t in range(1, STEPS + 1):
        lr = real(hyper.lr_at(t))
        g = inputs.grads(t).astype(real)
        beta1_t, beta2_t = beta1**t, beta2**t
        beta1_hat = (beta1_t - beta1) / (beta1_t - 1)
        beta2_hat = (beta2_t - beta2) / (beta2_t - 1)
        rho = rho_inf - 2 * t * beta2_t / (1 - beta2_t)
        rectified = hyper.rectify == "off" or rho > hyper.threshold
        updates = hyper.updates_at(t) and (rectified or hyper.unrectified == "on")
        if hyper.maximize == "on":
            g = -g
        if updates:
            if decay == "l2":
                g = g + weight_decay * theta
            elif decay == "decoupled":
                theta = (1 - lr * weight_decay) * theta
            elif decay == "fully_decoupled":
                theta = (1 - lr / real(hyper.lr) * weight_decay) * theta
        m = beta1_hat * m + (1 - beta1_hat) * g
        v = beta2_hat * v + (1 - beta2_hat) * g * g
        if updates:
            if hyper.rectify == "off":
                theta = theta - lr * m / (np.sqrt(v) + eps)
            elif rectified:
                r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
                theta = theta - lr * r * m / (np.sqrt(v) + eps)
            else:
                theta = theta - lr * m
        yield theta, m, v


def run_optimi(hyper, decay, dtype, kahan):
    inputs = Inputs(hyper)
    dtype = TORCH_DTYPES[dtype]
    param = torch.tensor(inputs.initial_params(), dtype=dtype)
    optimizer_class = optimi.RAdam if hyper.rectify == "on" else optimi.Adam
    optimizer = optimizer_class(
        [param],
        lr=hyper.lr,
        betas=(hyper.beta1, hyper.beta2),
        eps=hyper.eps,
        weight_decay=hyper.weight_decay(decay),
        decouple_wd=decay == "decoupled",
        decouple_lr=decay == "fully_decoupled",
        kahan_sum=kahan,
        gradient_release=hyper.accumulate > 1,  # optimi accumulates only there
        foreach=False,
        triton=False,
    )
    group = optimizer.param_groups[0]
    sign = -1 if hyper.maximize == "on" else 1  # optimi cannot maximize
    for t in range(1, STEPS + 1):
        group["lr"] = hyper.lr_at(t)
        param.grad = torch.tensor(sign * inputs.grads(t), dtype=dtype)  # anew: optimi writes into it
        if hyper.accumulate > 1:
            optimizer.optimizer_accumulation = not hyper.updates_at(t)
            optimizer.step(param=param)
        else:
            optimizer.step()
        state = optimizer.state[param]
        yield param, state["exp_avg"], state["exp_avg_sq"]


def torch_group(hyper, decay, params):
    """torch has no fully decoupled decay, but lr * (weight_decay / max_lr) is the same."""
    weight_decay = hyper.weight_decay(decay)
    return {
        "params": params,
        "lr": hyper.lr,
        "betas": (hyper.beta1, hyper.beta2),
        "eps": hyper.eps,
        "weight_decay": weight_decay / hyper.lr if decay == "fully_decoupled" else weight_decay,
        "decoupled_weight_decay": "decoupled" in decay,
        "maximize": hyper.maximize == "on",
    }


def torch_eps(hyper, t):
    """torch's RAdam divides by sqrt(v_torch) + eps before it debiases, so its eps must shrink along."""
    return hyper.eps * math.sqrt(1 - hyper.beta2**t)


def run_torch(hyper, decay, dtype):
    inputs = Inputs(hyper)
    dtype = TORCH_DTYPES[dtype]
    param = torch.tensor(inputs.initial_params(), dtype=dtype)
    optimizer_class = torch.optim.RAdam if hyper.rectify == "on" else torch.optim.Adam
    optimizer = optimizer_class([torch_group(hyper, decay, [param])], foreach=False)
    group = optimizer.param_groups[0]
    for t in range(1, STEPS + 1):
        group["lr"] = hyper.lr_at(t)
        if hyper.rectify == "on":
            group["eps"] = torch_eps(hyper, t)
        param.grad = torch.tensor(inputs.grads(t), dtype=dtype)
        optimizer.step()
        state = optimizer.state[param]
        yield param, state["exp_avg"] / (1 - hyper.beta1**t), state["exp_avg_sq"] / (1 - hyper.beta2**t)


def run_optax(hyper, decay):
    """optax debiases both moments before eps, as we do. Its radam knows no decay: that is applied around it."""
    inputs = Inputs(hyper)
    weight_decay = hyper.weight_decay(decay)
    rates = jnp.array([hyper.lr_at(t) for t in range(1, STEPS + 1)])
    make, options = (optax.radam, {"threshold": hyper.threshold}) if hyper.rectify == "on" else (optax.adam, {})
    transform = make(lambda count: rates[count], b1=hyper.beta1, b2=hyper.beta2, eps=hyper.eps, eps_root=0.0, **options)
    sign = -1 if hyper.maximize == "on" else 1  # optax leaves the sign to its user

    def step(carry, at):
        param, state = carry
        grad, rate = at
        if decay == "l2":
            grad = grad + weight_decay * param
        elif decay == "decoupled":
            param = param * (1 - rate * weight_decay)
        elif decay == "fully_decoupled":
            param = param * (1 - rate / hyper.lr * weight_decay)
        update, state = transform.update(grad, state, param)
        param = optax.apply_updates(param, update)
        return (param, state), (param, state[0].mu, state[0].nu)

    grads = jnp.array([sign * inputs.grads(t) for t in range(1, STEPS + 1)])
    start = jnp.array(inputs.initial_params())
    _, (params, mu, nu) = jax.lax.scan(step, (start, transform.init(start)), (grads, rates))
    for t in range(1, STEPS + 1):
        yield params[t - 1], mu[t - 1] / (1 - hyper.beta1**t), nu[t - 1] / (1 - hyper.beta2**t)


@dataclasses.dataclass(frozen=True)
class Clipping:
    """What a training loop does to the gradients of CLIPPED_GROUPS before the step."""

    name: str
    max_norm: float = 0.0  # 0 here and in the next one: no limit
    max_value: float = 0.0
    grad_exponent: int = 0  # gradients are multiplied by two to this power
    infinite: int = 0  # about one of so many gradient values is infinite; 0: none
    nan: int = 0
    scaler: str = "on"  # off: the gradients are the sum of three, which is made their mean, and no step is skipped


# The norm of all gradients is between 2.7 and 3.7, times two to the power of grad_exponent.
CLIPPINGS = (
    Clipping("scaled", infinite=256, nan=256),
    Clipping("norm_never", max_norm=100.0, infinite=1024),
    Clipping("norm_at_times", max_norm=3.5, nan=1024),
    Clipping("norm_always", max_norm=0.5, infinite=512, nan=512),
    Clipping("norm_tiny", max_norm=4e-6, grad_exponent=-20),  # beside which torch's 1e-6 is large
    Clipping("value", max_value=0.25, infinite=1024, nan=1024),
    Clipping("norm_and_value", max_norm=2.0, max_value=0.375),
    Clipping("mean", max_norm=1.5, scaler="off"),
    Clipping("norm_of_infinite", max_norm=1.0, infinite=512, scaler="off"),
    Clipping("norm_of_nan", max_norm=1.0, nan=1024, scaler="off"),
    Clipping("value_of_nan", max_value=0.5, infinite=512, nan=512, scaler="off"),
)
CLIPPED_GROUPS = (("defaults", "decoupled"), ("lr_3e-2", "none"), ("beta1_0.99", "l2"), ("maximize", "fully_decoupled"))
CLIPPED_STEPS = 40
CLIPPED_CHECKPOINTS = (1, 4, 5, 6, 7, 20, CLIPPED_STEPS)
SPLIT_AT = 2  # each group has two tensors, of the elements before and from here on


def clipped_grads(clipping, inputs, step):
    """The set's gradients, some of them not finite."""
    grads = inputs.grads(step) * math.ldexp(1, clipping.grad_exponent)
    for i in range(LEN):
        bits = inputs.draw(3, step, i)
        if clipping.infinite and bits % clipping.infinite == 0:
            grads[i] = -math.inf if bits >> 40 & 1 else math.inf
        if clipping.nan and bits % clipping.nan == 1:
            grads[i] = math.nan
    return grads


def run_clipping(clipping, dtype):
    """Yields per step: the loss scale, the norm before clipping, by what clipping to it multiplied, how many gradient
    values are not finite, whether the step was skipped; and the parameters of all groups.
    """
    dtype = TORCH_DTYPES[dtype]
    hypers = [next(hyper for hyper in SETS if hyper.name == name) for name, _ in CLIPPED_GROUPS]
    inputs = [Inputs(hyper) for hyper in hypers]
    tensor = lambda values: torch.tensor(values, dtype=dtype)
    halves = lambda values: (tensor(values[:SPLIT_AT]), tensor(values[SPLIT_AT:]))
    groups = [halves(of_group.initial_params()) for of_group in inputs]
    params = [param for group in groups for param in group]
    decays = [decay for _, decay in CLIPPED_GROUPS]
    optimizer = torch.optim.RAdam(map(torch_group, hypers, decays, groups), foreach=False)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12, growth_interval=6, enabled=clipping.scaler == "on")
    steps_made = 0
    for t in range(1, CLIPPED_STEPS + 1):
        loss_scale = scaler.scale(torch.ones(1)).item() if scaler.is_enabled() else 3.0
        for group, of_group in zip(groups, inputs):
            for param, grad in zip(group, halves(clipped_grads(clipping, of_group, t) * loss_scale)):
                param.grad = grad
        for group, hyper in zip(optimizer.param_groups, hypers):
            group["eps"] = torch_eps(hyper, steps_made + 1)
        nonfinite = sum((~param.grad.isfinite()).sum().item() for param in params)
        if scaler.is_enabled():
            scaler.unscale_(optimizer)
        else:
            for param in params:
                param.grad /= loss_scale
        norm = torch.nn.utils.get_total_norm([param.grad for param in params], foreach=False)
        coefficient = torch.ones_like(params[0])
        if clipping.max_norm:
            returned = torch.nn.utils.clip_grad_norm_(params, clipping.max_norm, foreach=False)
            assert torch.equal(returned, norm) or norm.isnan()
            # torch does not return the coefficient, but a gradient of 1 shows it.
            coefficient.grad = torch.ones_like(coefficient)
            torch.nn.utils.clip_grads_with_norm_([coefficient], clipping.max_norm, norm, foreach=False)
            coefficient = coefficient.grad
        if clipping.max_value:
            torch.nn.utils.clip_grad_value_(params, clipping.max_value, foreach=False)
        before = steps_made
        scaler.step(optimizer)
        scaler.update()
        steps_made = int(optimizer.state[params[0]]["step"].item()) if optimizer.state else 0
        yield loss_scale, norm.item(), coefficient[0].item(), nonfinite, steps_made == before, groups


def one_nan(values):
    """Makes NaN canonical, since its bits depend on the machine."""
    return np.where(np.isnan(values), np.nan, values)


def clipping_blocks():
    for clipping in CLIPPINGS:
        for dtype in ("f64", "f32"):
            yield " ".join([dtype, *map(str, dataclasses.astuple(clipping))])
            for t, met in enumerate(run_clipping(clipping, dtype), start=1):
                loss_scale, norm, coefficient, nonfinite, skipped, groups = met
                measured = bits(one_nan(np.array([norm, coefficient])), "f64")
                line = [str(t), f"{loss_scale:g}", *measured, str(nonfinite), "skipped" if skipped else "stepped"]
                if t in CLIPPED_CHECKPOINTS:
                    for group in groups:
                        param = one_nan(as_f64(torch.cat(group)))
                        line += bits(param[:F64_ELEMENTS] if dtype == "f64" else param, dtype)
                yield " ".join(line)


RECTIFIED_BETAS = (0.9, 0.99, 0.999, 0.9991, 0.9999, *(1 - 10.0**-n for n in (5, 6, 7, 8, 9, 10, 12, 15)), 1 - 2.0**-53)
RECTIFIED_STEPS = (*range(1, 13), *(m * 10**n for n in range(1, 16) for m in (3, 10) if m * 10**n <= 10**15))


def rectify_lines():
    """The formulas of the design page, whose differences lose 60 digits at most."""
    context = decimal.Context(prec=120, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX)
    with decimal.localcontext(context):
        for f64 in RECTIFIED_BETAS:
            beta = decimal.Decimal(f64)  # exactly
            rho_inf = 2 / (1 - beta) - 1
            for t in RECTIFIED_STEPS:
                beta_t = beta**t
                beta_hat = (beta_t - beta) / (beta_t - 1)
                rho = rho_inf - 2 * t * beta_t / (1 - beta_t)
                values = [beta, rho, beta_hat, 1 - beta_hat, 1 - beta_t]
                if rho > 5:
                    values.append(((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)).sqrt())
                beta_bits, rho_bits, *hats = bits(np.array([float(value) for value in values]), "f64")
                r_bits = hats.pop() if rho > 5 else "-"
                yield " ".join([beta_bits, str(t), rho_bits, r_bits, *hats])


def as_f64(values):
    return np.array(values.double().numpy() if isinstance(values, torch.Tensor) else values, dtype=np.float64)


def at_checkpoints(run):
    return {t: tuple(map(as_f64, values)) for t, values in enumerate(run, start=1) if t in CHECKPOINTS}


def bits(values, dtype):
    """f64 values that are exact in `dtype`, as the hexadecimal of that dtype's bits."""
    if dtype == "bf16":
        return [f"{b >> 16:04x}" for b in values.astype(np.float32).view(np.uint32).tolist()]
    real, integer, digits = {
        "f64": (np.float64, np.uint64, 16),
        "f32": (np.float32, np.uint32, 8),
        "f16": (np.float16, np.uint16, 4),
    }[dtype]
    return [f"{b:0{digits}x}" for b in values.astype(real).view(integer).tolist()]


def block(hyper, decay, dtype, kahan, found):
    assert all(np.isfinite(param).all() for param, _, _ in found.values()), (hyper.name, decay, dtype, kahan)
    lines = [f"{dtype} {'kahan' if kahan else 'plain'} {hyper.name} {decay}"]
    for step, (param, _, _) in found.items():
        kept = param[:F64_ELEMENTS] if dtype == "f64" else param
        lines.append(" ".join([str(step), *bits(kept, dtype)]))
    return lines


def anchor(found, oracle, name):
    """In f64 every reference must agree with the oracle, in its parameters and in its moments."""
    worst = 0.0
    for step in CHECKPOINTS:
        for values, expected in zip(found[step], oracle[step]):
            worst = max(worst, np.abs(values - expected).max() / np.abs(expected).max())
    assert worst < 1e-12, f"{name} is {worst:.1e} away from the oracle"
    return worst


def distance(found, oracle):
    """As in goldens.rs: |x - oracle| / |oracle| over the elements, root mean square over the checkpoints."""
    norm = np.linalg.norm
    return math.sqrt(np.mean([(norm(found[t][0] - oracle[t][0]) / norm(oracle[t][0])) ** 2 for t in CHECKPOINTS]))


def references(hyper, decay):
    """Yields file, dtype, kahan and values of every reference for one set and kind of decay, the oracle first."""
    yield "oracle", "f64", False, at_checkpoints(run_oracle(hyper, decay))
    if hyper.unrectified == "off":
        return  # none of the others waits
    if hyper.threshold != 5:
        yield "optax", "f64", False, at_checkpoints(run_optax(hyper, decay))
        return
    for dtype in filter(hyper.fits, TORCH_DTYPES):
        for kahan in (False, True) if dtype in ("f16", "bf16") else (False,):
            yield "optimi", dtype, kahan, at_checkpoints(run_optimi(hyper, decay, dtype, kahan))
    if hyper.accumulate == 1:
        for dtype in ("f64", "f32"):
            yield "torch", dtype, False, at_checkpoints(run_torch(hyper, decay, dtype))
        yield "optax", "f64", False, at_checkpoints(run_optax(hyper, decay))


def sets_file():
    names = [field.name for field in dataclasses.fields(Set)]
    rows = [[str(getattr(hyper, name)) for name in names] for hyper in SETS]
    widths = [max(map(len, column)) for column in zip(names, *rows)]
    pad = lambda row: "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
    return ["# Written by generate.py.", *map(pad, [names, *rows])]


def make(report):
    files = {name: ["# Written by generate.py, which says what this is."] for name in ("oracle", "optimi", "torch", "optax")}
    for hyper in SETS:
        for decay in DECAYS:
            for file, dtype, kahan, found in references(hyper, decay):
                if file == "oracle":
                    oracle = found
                files[file] += block(hyper, decay, dtype, kahan, found)
                if dtype == "f64":
                    anchor(found, oracle, f"{file} {hyper.name} {decay}")
                if report:
                    print(f"{distance(found, oracle):.2e}", *files[file][-1 - len(CHECKPOINTS)].split(), "by", file)
            if report:
                exact = at_checkpoints(run_oracle(hyper, decay, np.longdouble))
                print(f"{distance(exact, oracle):.2e} f64 plain {hyper.name} {decay} by the oracle in extended precision")
    first_line = files["torch"][0]
    clipping, rectify = [first_line, *clipping_blocks()], [first_line, *rectify_lines()]
    return {"sets": sets_file(), **files, "clipping": clipping, "rectify": rectify}


def assert_optimi_stands_still():
    """What the library's test `small_decay_reaches_bf16_weights` does better than optimi."""
    param = torch.ones(LEN, dtype=torch.bfloat16)
    optimizer = optimi.RAdam([param], lr=1e-3, weight_decay=1e-2, decouple_wd=True, foreach=False, triton=False)
    for _ in range(10_000):
        param.grad = torch.zeros_like(param)
        optimizer.step()
    assert (param == 1).all()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true", help="compare with the committed files instead of writing them")
    parser.add_argument("--report", action="store_true", help="print how far each reference is from the oracle")
    arguments = parser.parse_args()
    assert_optimi_stands_still()
    differing = 0
    for name, lines in make(arguments.report).items():
        path, text = HERE / f"{name}.txt", "\n".join(lines) + "\n"
        if not arguments.check:
            path.write_text(text)
        elif path.read_text() != text:
            differing += 1
            print(f"{path.name} differs")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
