"""What must hold, and whether it did."""

import dataclasses
import statistics

from contestants import CLIPPED, COPY, FUSED_ADAMW, Q8_STATE, RADAM, TRITON
from race import Entrant, ratios

Results = dict[str, dict[str, Entrant]]  # by the label of the case and the name of the entrant

HUGE, GPT2, GPT2_BF16 = "256M in one tensor, f32", "GPT-2 124M, 148 tensors, f32", "GPT-2 124M, 148 tensors, bf16"
MANY, SMALL = "1000 tensors of 64, f32", "6800 in 6 tensors, f32"
# The H200's memory is faster, and the arithmetic of the codes takes longer than its bytes.
Q8_GOAL = {"H200": 1.5}


@dataclasses.dataclass
class Goal:
    case: str
    goal: str
    value: float | None  # None: not measured
    least: float | None = None
    most: float | None = None
    unit: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        met = self.value >= self.least if self.least is not None else self.value <= self.most
        return "met" if met else "missed"

    @property
    def figure(self) -> str:
        if self.value is None:
            return "–"
        return f"{self.value:.4g}{self.unit}" if self.value < 1000 else f"{self.value:.0f}{self.unit}"


def ratio(results: Results, case: str, theirs: str, ours: str) -> float | None:
    """The median of their device time over ours."""
    entrants = results.get(case, {})
    if not all(name in entrants and entrants[name].device for name in (theirs, ours)):
        return None
    return ratios(entrants[theirs].device, entrants[ours].device)[1]


def microseconds(results: Results, case: str, name: str, what: str) -> float | None:
    entrant = results.get(case, {}).get(name)
    times = getattr(entrant, what) if entrant else []
    return statistics.median(times) / 1000 if times else None


def goals(results: Results, card: str, differing: dict[str, int | None]) -> list[Goal]:
    """differing: the elements that differ from the CPU, by what was stepped; None where that could not be said."""
    found = [
        Goal(HUGE, "≥ 0.99 of a device copy's bytes per second", ratio(results, HUGE, COPY, RADAM), least=0.99),
        Goal(HUGE, f"≥ 1 × {TRITON}", ratio(results, HUGE, TRITON, RADAM), least=1),
    ]
    for case in (GPT2, GPT2_BF16):
        found.append(Goal(case, f"≥ 3 × {TRITON}", ratio(results, case, TRITON, RADAM), least=3))
        found.append(Goal(case, f"≥ 1.05 × {FUSED_ADAMW}", ratio(results, case, FUSED_ADAMW, RADAM), least=1.05))
    found += [
        Goal(MANY, f"≥ 300 × {FUSED_ADAMW}", ratio(results, MANY, FUSED_ADAMW, RADAM), least=300),
        Goal(MANY, f"≥ 1000 × {TRITON}", ratio(results, MANY, TRITON, RADAM), least=1000),
        Goal(SMALL, "≤ 10 µs", microseconds(results, SMALL, RADAM, "device"), most=10, unit=" µs"),
        Goal(SMALL, f"≥ 10 × {FUSED_ADAMW}", ratio(results, SMALL, FUSED_ADAMW, RADAM), least=10),
    ]
    for case in (SMALL, MANY, GPT2, HUGE):
        found.append(Goal(case, "host time ≤ 10 µs", microseconds(results, case, RADAM, "host"), most=10, unit=" µs"))
    for case in (GPT2, HUGE):
        found.append(Goal(case, "clipping and skipping ≤ 1.2 × the step alone", ratio(results, case, CLIPPED, RADAM),
                          most=1.2))
    # A call that waited for the GPU would take as long as the step.
    found.append(Goal(HUGE, "clipping and skipping without waiting: host time ≤ 30 µs",
                      microseconds(results, HUGE, CLIPPED, "host"), most=30, unit=" µs"))
    least = next((goal for name, goal in Q8_GOAL.items() if name in card), 1.6)
    found.append(Goal(HUGE, f"Q8 state ≥ {least} × f32 state", ratio(results, HUGE, RADAM, Q8_STATE), least=least))
    for what, count in differing.items():
        found.append(Goal(f"the bits of the CPU: {what}", "0 differing elements", count, most=0))
    return found
