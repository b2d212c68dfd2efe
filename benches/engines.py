"""Makes benches/results/engines.md and engines.svg from the times of benches/engines/bench.cpp: `make bench-engines`.

usage: engines.py BENCH RESULTS [ROUNDS PARAMETERS...]
"""

import collections
import datetime
import html
import os
import pathlib
import statistics
import subprocess
import sys

SIZES = [1 << 20, 1 << 22, 1 << 24]
BASE = "torch _fused_adamw_"
# Colours that people with any kind of colour blindness tell apart (Okabe and Ito).
COLOURS = ["#888888", "#0072b2", "#009e73", "#56b4e9", "#e69f00", "#d55e00", "#bbbbbb"]

METHOD = """\
A step of one f32 tensor, timed right after LibTorch's backward pass, whose OpenMP threads then still spin and wait
for work. All take turns in one process, each with a tensor of its own, {rounds} rounds in an order that rotates. A
ratio is a time over that of `at::_fused_adamw_` in the same round: its median, with the quartiles. “executor” runs the
step on LibTorch's threads, by `at::parallel_for`; “own threads” is radam's default, and “after a pause” the same 50 ms
after the backward pass, when OpenMP's threads sleep. “28 bytes, no arithmetic” is a loop with the memory traffic of a
step; its bandwidth is that of the machine in these minutes. The torch optimizers do AdamW, which has no
rectification."""
ABOUT_PLOT = "One step right after a backward pass: time over that of torch _fused_adamw_ (less is better)"


def size(parameters: int) -> str:
    return f"{parameters >> 20}M" if parameters >= 1 << 20 else f"{parameters >> 10}K"


def measure(bench: str, rounds: int, sizes: list[int]):
    """The line that describes the run, and the times by size and contender."""
    output = subprocess.run([bench, str(rounds), *map(str, sizes)], check=True, capture_output=True, text=True).stdout
    about, *lines = output.splitlines()
    times = {parameters: collections.defaultdict(list) for parameters in sizes}
    for line in lines:
        parameters, contender, nanoseconds = line.split("\t")
        times[int(parameters)][contender].append(int(nanoseconds))
    return about.removeprefix("# "), times


def quartiles(values: list[float]) -> tuple[float, float, float]:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


def ratios(times: dict[str, list[int]]) -> dict[str, tuple[float, float, float]]:
    return {name: quartiles([ours / base for ours, base in zip(nanoseconds, times[BASE])])
            for name, nanoseconds in times.items()}


def table(times) -> list[str]:
    heading = ["parameters", "step", "milliseconds", "time / `_fused_adamw_`", "quartiles", "GB/s"]
    rows = [heading, ["---"] * len(heading)]
    for parameters, contenders in times.items():
        for name, (low, ratio, high) in ratios(contenders).items():
            nanoseconds = statistics.median(contenders[name])
            rows.append([size(parameters), name, f"{nanoseconds / 1e6:.3f}", f"{ratio:.2f}", f"{low:.2f} – {high:.2f}",
                         f"{28 * parameters / nanoseconds:.1f}"])
    return ["| " + " | ".join(row) + " |" for row in rows]


def text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y}" {style}>{html.escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}" stroke="{colour}" stroke-width="{width}"/>'


def plot(times, about: str) -> str:
    """An SVG picture: a row for each contender and size, with a dot at the ratio and a line between its quartiles."""
    left, row, width, most = 300, 20, 560, 4.0

    def at(ratio: float) -> float:
        return left + min(ratio, most) / most * width

    rows, y = [], 60
    for parameters, contenders in times.items():
        rows.append(text(10, y + 5, f"{size(parameters)} parameters", 'font-weight="bold"'))
        for colour, (name, (low, ratio, high)) in zip(COLOURS, ratios(contenders).items()):
            y += row
            rows += [text(left - 12, y + 5, name, 'text-anchor="end"'),
                     line(at(low), y, at(high), y, colour, 3),
                     f'<circle cx="{at(ratio):.1f}" cy="{y}" r="5" fill="{colour}"/>',
                     text(at(max(high, ratio)) + 10, y + 5, f"{ratio:.2f}" + (" →" if ratio > most else ""))]
        y += 40
    grid = []
    for tick in range(int(most) + 1):
        grid += [line(at(tick), 62, at(tick), y - 25, "#444" if tick == 1 else "#ddd"),
                 text(at(tick), y - 8, str(tick), 'text-anchor="middle"')]
    size_and_font = f'width="940" height="{y + 20}" font-family="sans-serif" font-size="14" fill="#282828"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size_and_font}>',
                      '<rect width="100%" height="100%" fill="white"/>', text(10, 24, ABOUT_PLOT, 'font-size="16"'),
                      *grid, *rows, text(10, y + 12, about, 'font-size="12"'), "</svg>", ""])


def cpu() -> str:
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'}, {os.cpu_count()} CPUs"


def main(bench: str, results: str, rounds: str = "41", *sizes: str):
    about, times = measure(bench, int(rounds), [int(parameters) for parameters in sizes] or SIZES)
    about = f"{about}; {cpu()}; {datetime.date.today()}"
    lines = ["# radam in LibTorch", "", "Made by `make bench-engines`.", "", f"- {about}.", ""]
    lines += [METHOD.format(rounds=rounds), "", *table(times), ""]
    lines += ["![Time of a step over that of torch _fused_adamw_](engines.svg)", ""]
    folder = pathlib.Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "engines.md").write_text("\n".join(lines))
    (folder / "engines.svg").write_text(plot(times, about))
    print("\n".join(table(times)))


if __name__ == "__main__":
    main(*sys.argv[1:])
