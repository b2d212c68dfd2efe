"""Times optimizers against each other on a GPU: in one process, interleaved round by round.

Three times are taken of a step. *Device*: between two events on the stream, around many steps that are called one after
another, so that a step that the host cannot call quickly enough takes as long as the calls. *Host*: what the calls take
by themselves, on an empty queue that they do not fill. *Graph*: the same as device, for replays of a CUDA graph that
holds the step, which costs the host nothing.
"""

import dataclasses
import gc
import statistics
import time
from collections.abc import Callable

import torch

# RAdam rectifies from step 6 on with beta2 = 0.99; these steps also touch all memory once, and compile Triton's kernels.
WARM_UP_STEPS = 10
# What one sample of device time should last.
SAMPLE_NS = 10_000_000
MOST_CALLS = 500
# Calls in a sample of host time: few enough that the GPU's queue of about 1000 launches does not fill.
HOST_NS, MOST_HOST_CALLS = 500_000, 16
LEAST_ROUNDS, MOST_ROUNDS = 3, 21


class Gpu:
    """All work goes to one stream, which is not the default one, since that cannot be captured in a graph."""

    def __init__(self):
        self.device = torch.device("cuda", torch.cuda.current_device())
        self.stream = torch.cuda.Stream()
        torch.cuda.set_stream(self.stream)

    def synchronize(self):
        torch.cuda.synchronize()

    def nanoseconds(self, step: Callable, count: int) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(count):
            step()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e6 / count

    def captured(self, step: Callable, count: int) -> Callable:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            for _ in range(count):
                step()
        return graph.replay

    def forget(self):
        gc.collect()
        torch.cuda.empty_cache()


class Rehearsal:
    """The same calls on a CPU, where no time means anything, to see that the program itself works."""

    def __init__(self):
        self.device = torch.device("cpu")

    def synchronize(self):
        pass

    def nanoseconds(self, step: Callable, count: int) -> float:
        start = time.perf_counter_ns()
        for _ in range(count):
            step()
        return (time.perf_counter_ns() - start) / count

    def captured(self, step: Callable, count: int) -> Callable:
        def replay():
            for _ in range(count):
                step()

        return replay

    def forget(self):
        gc.collect()


@dataclasses.dataclass
class Entrant:
    """One optimizer in a case, and its times in nanoseconds, one in each round."""

    name: str
    # What to time; makes tensors and state when it is called.
    make: Callable[[], Callable]
    # The same in a form that a graph can capture; None: there is none.
    make_capturable: Callable[[], Callable] | None
    bytes_moved: int
    step: Callable | None = None
    # What a graph has the addresses of.
    kept: Callable | None = None
    calls: int = 1
    host_calls: int = 1
    device: list[float] = dataclasses.field(default_factory=list)
    host: list[float] = dataclasses.field(default_factory=list)
    graph: list[float] = dataclasses.field(default_factory=list)
    # Why it has no times, or none of a graph.
    failure: str = ""
    graph_failure: str = ""

    def ready(self, gpu, make):
        self.step = make()
        for _ in range(WARM_UP_STEPS):
            self.step()
        self.calls = self.calls_in_sample(gpu)
        self.host_calls = max(1, min(MOST_HOST_CALLS, int(HOST_NS / self.host_nanoseconds(gpu, 1))))

    def calls_in_sample(self, gpu) -> int:
        gpu.synchronize()
        return max(2, min(MOST_CALLS, int(SAMPLE_NS / gpu.nanoseconds(self.step, 2))))

    def host_nanoseconds(self, gpu, calls: int) -> float:
        gpu.synchronize()
        start = time.perf_counter_ns()
        for _ in range(calls):
            self.step()
        nanoseconds = (time.perf_counter_ns() - start) / calls
        gpu.synchronize()
        return nanoseconds

    def sample(self, gpu):
        self.device.append(gpu.nanoseconds(self.step, self.calls))
        self.host.append(self.host_nanoseconds(gpu, self.host_calls))

    def capture(self, gpu, steps: int):
        if self.make_capturable is not self.make:
            self.ready(gpu, self.make_capturable)
        self.kept = self.step
        self.step = gpu.captured(self.kept, steps)
        self.step()
        self.calls = self.calls_in_sample(gpu)

    def sample_graph(self, gpu, steps: int):
        self.graph.append(gpu.nanoseconds(self.step, self.calls) / steps)


def reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def lost(gpu, error: Exception) -> bool:
    """Whether the GPU is of no more use to this process, as after a write to a wrong address."""
    try:
        gpu.synchronize()
    except Exception:
        return True
    return "device-side assert" in str(error) or "illegal memory access" in str(error)


class Lost(Exception):
    """The GPU is of no more use to this process."""


def rounds(gpu, entrants: list[Entrant], sample: Callable, deadline: float, note: Callable) -> list[Entrant]:
    """Samples everyone in each round until the deadline; returns those that did not fail."""
    for number in range(MOST_ROUNDS):
        if number >= LEAST_ROUNDS and time.monotonic() > deadline:
            break
        # Everyone comes first, last and between in turn.
        first = number % max(1, len(entrants))
        for entrant in entrants[first:] + entrants[:first]:
            attempt(gpu, entrant, sample, note)
        entrants = [entrant for entrant in entrants if entrant.step]
    return entrants


def attempt(gpu, entrant: Entrant, action: Callable, note: Callable):
    """Runs an action of one who may fail without ending the race."""
    try:
        action(entrant)
    except Exception as error:
        note(entrant, reason(error))
        entrant.step = None
        if lost(gpu, error):
            raise Lost(f"{entrant.name}: {reason(error)}") from error


def race(gpu, entrants: list[Entrant], steps_in_graph: int, seconds: float):
    """Fills in the times. What cannot be made, run or captured is left without them, and says why."""
    def failed(entrant, why):
        entrant.failure, entrant.device, entrant.host = why, [], []

    def not_captured(entrant, why):
        entrant.graph_failure, entrant.graph = why, []

    for entrant in entrants:
        attempt(gpu, entrant, lambda one: one.ready(gpu, one.make), failed)
    gc.disable()
    start = time.monotonic()
    runners = rounds(gpu, [entrant for entrant in entrants if entrant.step], lambda one: one.sample(gpu),
                     start + 0.7 * seconds, failed)
    runners = [entrant for entrant in runners if entrant.make_capturable]
    for entrant in runners:
        attempt(gpu, entrant, lambda one: one.capture(gpu, steps_in_graph), not_captured)
    rounds(gpu, [entrant for entrant in runners if entrant.step], lambda one: one.sample_graph(gpu, steps_in_graph),
           start + seconds, not_captured)
    gc.enable()


def quartiles(values: list[float]) -> tuple[float, float, float]:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


def ratios(theirs: list[float], ours: list[float]) -> tuple[float, float, float]:
    """The quartiles of their time over ours in the same round."""
    return quartiles([their / our for their, our in zip(theirs, ours)])
