"""Measures two versions of the library in turns: `make bench-against`, which compiles against.c with each.

On a shared machine absolute times drift by more than what is to be found out. So a program of each version
waits for its turns, both are told in quick alternation to make some steps, and what counts is the median of the
ratios of turns that came one after the other. Of the rounds only those count that took the least time for both
together: whatever else the machine does makes a round longer, and this does not favour either. Where it is too busy
for that, the ratio of the quickest tenths of the turns of each side is the one to go by. As a measure of the machine
itself, a loop that only moves as much memory as a step takes a turn before each case.
"""

import contextlib
import dataclasses
import statistics
import subprocess
import sys
import time

K, M = 1 << 10, 1 << 20
# From the size at which a second thread begins to help, to a size that fits into no cache.
SIZES = [256 * K, 512 * K, M, 4 * M, 16 * M]
SIZES_OF_THREADS = [64 * K, 128 * K, *SIZES]

CASE_SECONDS = 4.0
MIN_ROUNDS = 9
# One round in so many counts.
ROUNDS_FOR_ONE = 3
# A turn is long beside waking the program up, and short beside what else happens. With pauses it has no more than
# so many steps.
TURN_NS = 4_000_000
PAUSED_STEPS = 8
# In microseconds: long enough for the library's threads to go to sleep.
PAUSE = 2000
# The same in seconds, for the threads of the other side.
SETTLE_SECONDS = 0.001
# Where in memory the arrays happen to be makes a difference in cache: so often both sides start anew, if they are
# no larger than this.
STARTS = 4
LARGEST_IN_CACHE = M

ROOF_LEN = 16 * M
# Three arrays that are read and written, and one that is only read.
ROOF_BYTES = 28


@dataclasses.dataclass
class Case:
    title: str
    dtype: str
    threads: int
    lens: list[int]
    pause: int = 0
    max_grad_norm: float = 0


class Side:
    """A program that sleeps until its turn."""

    def __init__(self, program: str, *arguments: object):
        self.process = subprocess.Popen(
            [program, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @classmethod
    def of(cls, program: str, case: Case) -> "Side":
        return cls(program, case.dtype, case.threads, case.max_grad_norm, *case.lens)

    def __enter__(self) -> "Side":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def turn(self, steps: int, pause: int = 0) -> float:
        """The nanoseconds of a step."""
        time.sleep(SETTLE_SECONDS)
        print(steps, pause, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(self.process.wait() or 1)  # the program has said why
        return float(answer)


def steps_of_a_turn(side: Side, pause: int) -> int:
    steps, most = 1, PAUSED_STEPS if pause else sys.maxsize
    while steps < most and side.turn(steps, pause) * steps < TURN_NS:
        steps *= 2
    return steps


def rounds_of(sides: list[Side], pause: int, seconds: float) -> list[list[float]]:
    """The nanoseconds of both in each round."""
    steps = steps_of_a_turn(sides[0], pause)
    rounds, end = [], time.monotonic() + seconds
    while len(rounds) < MIN_ROUNDS or time.monotonic() < end:
        order = sides if len(rounds) % 2 else sides[::-1]
        times = {side: side.turn(steps, pause) for side in order}
        rounds.append([times[side] for side in sides])
    return rounds


def duration(nanoseconds: float) -> str:
    for unit, scale in [("ms", 1e6), ("µs", 1e3)]:
        if nanoseconds >= scale:
            return f"{nanoseconds / scale:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def size(elements: int) -> str:
    return f"{elements // M}M" if elements >= M else f"{elements // K}K"


def spread(values: list[float]) -> tuple[float, float, float]:
    """The median, and the quartiles."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return median, low, high


class Race:
    """Compares cases one by one, and prints a line for each."""

    def __init__(self, present: str):
        self.roofs = {threads: Side(present, "roof", threads, ROOF_LEN) for threads in (1, 2)}
        self.bandwidths = {threads: [] for threads in self.roofs}
        self.disturbances = []

    def compare(self, title: str, sides: list[tuple[str, Case]]) -> None:
        for threads, roof in self.roofs.items():
            self.bandwidths[threads].append(ROOF_BYTES * ROOF_LEN / roof.turn(2))
        case = sides[0][1]
        starts = STARTS if sum(case.lens) <= LARGEST_IN_CACHE else 1
        counted, at_best = [], []
        for _ in range(starts):
            with contextlib.ExitStack() as stack:
                both = [stack.enter_context(Side.of(*side)) for side in sides]
                rounds = rounds_of(both, case.pause, CASE_SECONDS / starts)
            at_best.append([sorted(times)[len(times) // 10] for times in zip(*rounds)])
            rounds.sort(key=sum)
            counted += rounds[: len(rounds) // ROUNDS_FOR_ONE]
            self.disturbances.append(sum(rounds[len(rounds) // 2]) / sum(rounds[len(rounds) // 10]))
        base, other = (statistics.median(times) for times in zip(*counted))
        ratio, low, high = spread([other / base for base, other in counted])
        times = f"{duration(base):>9} {duration(other):>9}"
        best = statistics.median(other / base for base, other in at_best)
        print(f"{title:40} {times}   {ratio:6.3f}   {low:.3f} – {high:.3f}   {best:6.3f}", flush=True)

    def print_machine(self) -> None:
        print("\nmemory, by a loop with the traffic of a step and no arithmetic, all the while:")
        for threads, bandwidths in self.bandwidths.items():
            median, low, high = spread(bandwidths)
            words = "1 thread " if threads == 1 else f"{threads} threads"
            print(f"{words}  {median:6.1f} GB/s   {low:.1f} – {high:.1f}")
        disturbance = statistics.median(self.disturbances)
        print(f"\nThe median round took {disturbance:.2f} times as long as the quickest; 1.0 is a quiet machine.")


def cases() -> list[Case]:
    one = [
        Case("f32, 6,800 elements in 6 tensors", "f32", 0, [1536, 64, 4096, 64, 1024, 16]),
        Case("f32, 1000 tensors of 64", "f32", 0, [64] * 1000),
        *(Case(f"{dtype}, 64K, 1 thread", dtype, 1, [64 * K]) for dtype in ("f32", "bf16", "f16", "f64")),
        Case("f32, 16M, 1 thread", "f32", 1, [16 * M]),
    ]
    two = [
        Case(f"f32, {size(elements)}, 2 threads{when}", "f32", 2, [elements], pause)
        for when, pause in [("", 0), (", after pauses", PAUSE)]
        for elements in SIZES
    ]
    more = [
        Case("bf16, 16M, 2 threads", "bf16", 2, [16 * M]),
        Case("f32, 4M, 2 threads, max_grad_norm", "f32", 2, [4 * M], max_grad_norm=1),
        Case("f32, 16M, 1 thread, max_grad_norm", "f32", 1, [16 * M], max_grad_norm=1),
        Case("f32, 16M, 2 threads, max_grad_norm", "f32", 2, [16 * M], max_grad_norm=1),
    ]
    return one + two + more


def header(what: str, base: str, other: str) -> None:
    print(f"\n{what:40} {base:>9} {other:>9}    ratio   quartiles       at best")


def main(base: str, present: str) -> None:
    race = Race(present)
    header("a step", "base", "present")
    for case in cases():
        race.compare(case.title, [(base, case), (present, case)])
    header("a step of the present version, f32", "1 thread", "2 threads")
    for when, pause in [("", 0), (", after pauses", PAUSE)]:
        for elements in SIZES_OF_THREADS:
            one, two = (Case("", "f32", threads, [elements], pause) for threads in (1, 2))
            race.compare(f"{size(elements)}{when}", [(present, one), (present, two)])
    race.print_machine()


if __name__ == "__main__":
    main(*sys.argv[1:])
