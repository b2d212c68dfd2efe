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

BASE = "torch _fused_adamw_"
TRAFFIC = "28 bytes, no arithmetic"
# Colours that people with any kind of colour blindness tell apart (Okabe and Ito).
COLOURS = ["#888888", "#0072b2", "#009e73", "#56b4e9", "#e69f00", "#d55e00", "#bbbbbb"]

METHOD = """\
A step of one f32 tensor, timed right after LibTorch's backward pass, whose OpenMP threads then still spin and wait for
work. All take turns in one process, each with a tensor of its own, {rounds} rounds in an order that rotates. A ratio is a
time over that of `at::_fused_adamw_` in the same round: its median, with the quartiles. “executor” runs the step on
LibTorch's threads, by `at::parallel_for`; “own threads” is radam's default, and “after a pause” the same 50 ms after the
backward pass, when OpenMP's threads sleep. “28 bytes, no arithmetic” is a loop with the memory traffic of a step; its
bandwidth is that of the machine in these minutes. The torch optimizers do AdamW, which has no rectification."""


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
    lines = ["| parameters | step | milliseconds | time / `_fused_adamw_` | quartiles | GB/s |", "|---|---|---|---|---|---|"]
    for parameters, contenders in times.items():
        for name, (low, ratio, high) in ratios(contenders).items():
            nanoseconds = statistics.median(contenders[name])
            lines.append(f"| {size(parameters)} | {name} | {nanoseconds / 1e6:.3f} | {ratio:.2f} | {low:.2f} – {high:.2f} "
                         f"| {28 * parameters / nanoseconds:.1f} |")
    return lines


def plot(times, about: str) -> str:
    """An SVG picture: a row for each contender and size, with a dot at the ratio and a line between its quartiles."""
    left, row, right, most = 300, 20, 560, 4.0
    x = lambda ratio: left + min(ratio, most) / most * right
    parts, y = [], 60
    for parameters, contenders in times.items():
        parts.append(f'<text x="10" y="{y + 5}" font-weight="bold">{size(parameters)} parameters</text>')
        for colour, (name, (low, ratio, high)) in zip(COLOURS, ratios(contenders).items()):
            y += row
            beyond = " →" if ratio > most else ""
            parts += [f'<text x="{left - 12}" y="{y + 5}" text-anchor="end">{html.escape(name)}</text>',
                      f'<line x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
                      f'<circle cx="{x(ratio):.1f}" cy="{y}" r="5" fill="{colour}"/>',
                      f'<text x="{x(max(high, ratio)) + 10:.1f}" y="{y + 5}">{ratio:.2f}{beyond}</text>']
        y += 40
    grid = []
    for tick in (0, 1, 2, 3, 4):
        grid += [f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="62" y2="{y - 25}" stroke="#{"444" if tick == 1 else "ddd"}"/>',
                 f'<text x="{x(tick):.1f}" y="{y - 8}" text-anchor="middle">{tick}</text>']
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="940" height="{y + 20}" font-family="sans-serif" '
                      f'font-size="14" fill="#282828">', '<rect width="100%" height="100%" fill="white"/>',
                      '<text x="10" y="24" font-size="16">One step right after a backward pass: '
                      'time over that of torch _fused_adamw_ (less is better)</text>',
                      *grid, *parts, f'<text x="10" y="{y + 12}" font-size="12">{html.escape(about)}</text>', "</svg>", ""])


def cpu() -> str:
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'}, {os.cpu_count()} CPUs"


def main(bench: str, results: str, rounds: str = "41", *sizes: str):
    about, times = measure(bench, int(rounds), [int(parameters) for parameters in sizes] or [1 << 20, 1 << 22, 1 << 24])
    about = f"{about}; {cpu()}; {datetime.date.today()}"
    lines = ["# radam in LibTorch", "", "Made by `make bench-engines`.", "", f"- {about}.", "", METHOD.format(rounds=rounds), "",
             *table(times), "", "![Time of a step over that of torch _fused_adamw_](engines.svg)", ""]
    folder = pathlib.Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "engines.md").write_text("\n".join(lines))
    (folder / "engines.svg").write_text(plot(times, about))
    print("\n".join(table(times)))


if __name__ == "__main__":
    main(*sys.argv[1:])
