"""The page and the plot of a run."""

import html
import math
import pathlib
import statistics

from contestants import COPY, RADAM, Case
from goals import Goal, Results
from race import Entrant, ratios

METHOD = """\
All step tensors of the same shapes with the same random gradients in one process, on one stream that is not the default
one; each has parameters and state of its own. Options are radam's defaults, β = (0.9, 0.99), ε = 1e-6, without weight
decay. Ten steps warm up, so that every timed step is rectified; AdamW has no rectification, which is less work. Each round
times everyone, in an order that rotates. *Device* is the time of a step between two events around many steps that Python
calls one after another: where the calls take longer than the work, it is their time. *Host* is the time of a call that
only enqueues, radam's through ctypes. *Graph* is the device time of a step in a CUDA graph that is replayed, ten steps to
a graph up to 1M elements; optimi's step count is on the host, so that its graph repeats one step. Times are medians over
the rounds, and ratios are those of the same round with their quartiles: the peer's device time over radam's. *TB/s*
counts what a step that reads and writes each array once has to move. A copy moves as many bytes as radam's step, read and
written ones counted alike. Tensors up to 1M elements stay in the L2 cache, for everyone."""

# The colours of Okabe and Ito, which can be told apart with colour blindness.
COLOURS = ["#000000", "#d55e00", "#009e73", "#0072b2", "#b0478a", "#e69f00", "#56b4e9", "#6e7781"]


def duration(nanoseconds: list[float]) -> str:
    if not nanoseconds:
        return "–"
    median = statistics.median(nanoseconds)
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if median >= size:
            return f"{median / size:.3g} {unit}" if median < 1000 * size else f"{median / size:.0f} {unit}"
    return f"{median:.0f} ns"


def figure(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.3f}"


def table(heading: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in [heading, ["---"] * len(heading), *rows]]


def goals_table(goals: list[Goal]) -> list[str]:
    return table(["case", "goal", "value", ""], [[goal.case, goal.goal, goal.figure, goal.verdict] for goal in goals])


def row(entrant: Entrant, radam: Entrant) -> list[str]:
    if entrant.failure:
        return [entrant.name, entrant.failure.replace("|", "/"), *(5 * [""])]
    ratio, spread = "", ""
    if entrant is not radam and radam.device:
        low, median, high = ratios(entrant.device, radam.device)
        ratio, spread = figure(median), f"{figure(low)} – {figure(high)}"
    speed = f"{entrant.bytes_moved / statistics.median(entrant.device) / 1000:.3f}"
    return [entrant.name, duration(entrant.device), ratio, spread, speed, duration(entrant.host), duration(entrant.graph)]


def case_table(case: Case, entrants: dict[str, Entrant]) -> list[str]:
    heading = [case.label, "device", "/ radam", "quartiles", "TB/s", "host", "graph"]
    notes = [f"{entrant.name} in a graph: {entrant.graph_failure}" for entrant in entrants.values() if entrant.graph_failure]
    rows = [row(entrant, entrants[RADAM]) for entrant in entrants.values()]
    rounds = max((len(entrant.device) for entrant in entrants.values()), default=0)
    return [*table(heading, rows), "", f"{rounds} rounds.", *(f"\n{note}" for note in notes), ""]


def page(about: list[str], goals: list[Goal], cases: list[Case], results: Results, notes: list[str]) -> str:
    lines = ["# radam on a GPU", "", "Made by `make bench-gpu`.", "", *(f"- {fact}" for fact in about), "", METHOD, ""]
    lines += [f"**{note}**\n" for note in notes]
    lines += ["## What must hold", "", *goals_table(goals), "", "## Times", ""]
    lines += ["![Device time of a step, over that of radam](gpu.svg)", ""]
    for case in cases:
        if case.label in results:
            lines += case_table(case, results[case.label])
    return "\n".join(lines) + "\n"


def text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{html.escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def plot(cases: list[Case], results: Results, about: str) -> str:
    """An SVG picture: a row for each case, and in it a dot for each entrant at its device time over radam's."""
    left, width, low, high, height = 250, 620, 0.3, 10_000, 34
    names = list(dict.fromkeys(name for case in results.values() for name in case if name not in (RADAM, COPY)))
    colours = dict(zip([COPY, *names], ["#6e7781", *COLOURS[1:7], "#000000"]))

    def at(ratio: float) -> float:
        return left + math.log(max(low, min(high, ratio)) / low) / math.log(high / low) * width

    marks, y = [], 70
    for case in cases:
        entrants = results.get(case.label, {})
        if not entrants or not entrants[RADAM].device:
            continue
        marks.append(text(left - 12, y + 5, case.label, 'text-anchor="end"'))
        for name, colour in colours.items():
            if name in entrants and entrants[name].device:
                ratio = ratios(entrants[name].device, entrants[RADAM].device)[1]
                marks.append(f'<circle cx="{at(ratio):.1f}" cy="{y}" r="6" fill="{colour}" fill-opacity="0.8">'
                             f"<title>{html.escape(name)}: {figure(ratio)}</title></circle>")
        y += height
    grid = []
    for tick in (0.5, 1, 2, 5, 10, 100, 1000, 10_000):
        grid += [line(at(tick), 52, at(tick), y - 16, "#444" if tick == 1 else "#ddd"),
                 text(at(tick), y + 2, f"{tick:g}", 'text-anchor="middle"')]
    legend = []
    for number, (name, colour) in enumerate(colours.items()):
        x, below = 20 + 440 * (number % 2), y + 32 + 22 * (number // 2)
        legend += [f'<circle cx="{x}" cy="{below - 5}" r="6" fill="{colour}"/>', text(x + 14, below, name)]
    bottom = y + 32 + 22 * ((len(colours) + 1) // 2)
    style = f'width="940" height="{bottom + 24}" font-family="sans-serif" font-size="14" fill="#282828"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {style}>', '<rect width="100%" height="100%" fill="white"/>',
                      text(10, 24, "Device time of a step over that of radam (more is slower)", 'font-size="16"'),
                      *grid, *marks, *legend, text(10, bottom + 10, about, 'font-size="12"'), "</svg>", ""])


def write(folder: pathlib.Path, about: list[str], goals: list[Goal], cases: list[Case], results: Results, notes: list[str]):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gpu.md").write_text(page(about, goals, cases, results, notes))
    (folder / "gpu.svg").write_text(plot(cases, results, about[0]))
