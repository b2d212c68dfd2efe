"""Times optimizers against each other: in one process, interleaved round by round.

Absolute times on a shared machine mean little, and drift. The ratio of two optimizers that were
timed a moment apart does not, so each round times everyone, and the ratios are taken round by round.
"""

import dataclasses
import gc
import itertools
import os
import statistics
import time
from collections.abc import Callable

# RAdam rectifies from step 6 on with beta2 = 0.99; these steps also touch all memory once.
WARM_UP_STEPS = 10

# One step of small tensors is too short for the clock, so a sample repeats it until it lasts this long.
SAMPLE_NS = 5_000_000

# OpenMP's threads spin for some milliseconds after a step, and would take a core from whoever is
# timed next: wait for them to go to sleep.
SETTLE_SECONDS = 0.02

# What part of the processors other programs may have in a round.
QUIET = 0.05


@dataclasses.dataclass
class Contender:
    name: str
    step: Callable[[], object]
    # Called before each untimed step and before each sample, for optimizers that spoil their gradients.
    restore: Callable[[], object]


@dataclasses.dataclass
class Comparison:
    """What to compare: radam with a peer, or with the faster of several variants of a peer."""

    radam: str
    peers: list[str]
    goal: float | None = None


@dataclasses.dataclass
class Row:
    """One line of the table: times are medians in nanoseconds, ratios are peer time / radam time."""

    case: str
    elements: int
    radam: str
    peer: str
    radam_ns: float
    peer_ns: float
    low: float
    ratio: float
    high: float
    goal: float | None
    # What part of the processors other programs had, on average over the rounds.
    others: float

    @property
    def verdict(self) -> str:
        return "" if self.goal is None else "✓" if self.ratio >= self.goal else "✗"


def sample(contender: Contender, untimed: int, timed: int) -> float:
    """The time of one step in nanoseconds, the mean over as many as asked for."""
    step = contender.step
    time.sleep(SETTLE_SECONDS)
    for _ in range(untimed):
        contender.restore()
        step()
    contender.restore()
    start = time.perf_counter_ns()
    for _ in range(timed):
        step()
    return (time.perf_counter_ns() - start) / timed


def warm_up(contender: Contender) -> tuple[int, int]:
    """Returns how many steps a sample needs, untimed and timed."""
    for _ in range(WARM_UP_STEPS):
        contender.restore()
        contender.step()
    timed = 1
    # The quickest of three, since one that was disturbed would make all samples too short.
    while (nanoseconds := min(sample(contender, timed, timed) for _ in range(3))) * timed < SAMPLE_NS:
        timed = max(timed + 1, int(1.1 * SAMPLE_NS / nanoseconds))
    # The others and the wait have cooled the caches and put the threads to sleep, which costs PyTorch
    # up to a millisecond: not worth a step in front where a step is much longer.
    return (0 if nanoseconds > 20 * SAMPLE_NS else timed + 1), timed


class Others:
    """The share of the machine's processors used by other programs, and by other machines on the same host."""

    def __init__(self):
        self.start = self.read()

    @staticmethod
    def read() -> tuple[float, float]:
        with open("/proc/stat") as stat:
            user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        return time.monotonic() * os.cpu_count(), busy - time.process_time()

    def share(self) -> float:
        (start, taken_before), (end, taken) = self.start, self.read()
        return (taken - taken_before) / (end - start)


def race(contenders: list[Contender], rounds: int) -> tuple[dict[str, list[float]], float]:
    """Times everyone in each round.

    Returns a list of nanoseconds per step for everyone, one per round, and what part of the processors
    other programs had meanwhile. Threads that wait for each other by spinning, as OpenMP's do, lose
    milliseconds when another program has a core. So a disturbed round is run again, at most as often
    as there are rounds, and the quietest ones count.
    """
    steps = {contender.name: warm_up(contender) for contender in contenders}
    done = []
    gc.collect()
    gc.disable()
    while sum(disturbed <= QUIET for disturbed, _ in done) < rounds and len(done) < 2 * rounds:
        # Everyone comes first, last and between in turn, and the neighbours swap sides.
        first = len(done) % len(contenders)
        order = (contenders[first:] + contenders[:first])[:: 1 if len(done) % 2 == 0 else -1]
        others = Others()
        times = {contender.name: sample(contender, *steps[contender.name]) for contender in order}
        done.append((others.share(), times))
    gc.enable()
    done = sorted(done, key=lambda entry: entry[0])[:rounds]
    return (
        {contender.name: [times[contender.name] for _, times in done] for contender in contenders},
        statistics.mean(disturbed for disturbed, _ in done),
    )


def compare(
    case: str, elements: int, comparisons: list[Comparison], times: dict[str, list[float]], others: float
) -> list[Row]:
    """Leaves out optimizers without times."""
    rows = []
    for comparison in comparisons:
        peers = [peer for peer in comparison.peers if peer in times]
        if not peers:
            continue
        peer = min(peers, key=lambda name: statistics.median(times[name]))
        radam_times, peer_times = times[comparison.radam], times[peer]
        ratios = [theirs / ours for ours, theirs in zip(radam_times, peer_times)]
        low, ratio, high = statistics.quantiles(ratios, n=4, method="inclusive")
        rows.append(
            Row(
                case=case,
                elements=elements,
                radam=comparison.radam,
                peer=peer,
                radam_ns=statistics.median(radam_times),
                peer_ns=statistics.median(peer_times),
                low=low,
                ratio=ratio,
                high=high,
                goal=comparison.goal,
                others=others,
            )
        )
    return rows


def everyone(comparisons: list[Comparison]) -> list[str]:
    """Everyone who takes part, once."""
    names = itertools.chain.from_iterable([c.radam, *c.peers] for c in comparisons)
    return list(dict.fromkeys(names))
