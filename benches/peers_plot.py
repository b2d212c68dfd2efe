"""Draws time per element over the size of the tensor, one line for each optimizer."""

import math
import pathlib

import matplotlib

matplotlib.use("svg")

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

# The colours of Okabe and Ito, which can be told apart with colour blindness, and a different marker for each.
STYLES = {
    "radam": dict(color="#000000", marker="o", linewidth=3, zorder=5),
    "DeepSpeed CPU Adam": dict(color="#d55e00", marker="s"),
    "torch AdamW(fused=True)": dict(color="#0072b2", marker="^"),
    "optimi.RAdam": dict(color="#009e73", marker="D"),
    "torch RAdam(foreach=True)": dict(color="#b0478a", marker="v"),
    "28 bytes, no arithmetic": dict(color="#6e7781", marker="", linestyle=(0, (4, 2))),
}
TEXT, QUIET, GRID = "#24292f", "#57606a", "#d8dee4"
MATPLOTLIB = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "text.color": TEXT,
    "svg.hashsalt": "radam",
    "axes.edgecolor": "#8c959f",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}


def spread(heights: list[float], gap: float) -> list[float]:
    """Moves labels apart, equally up and down, until neighbours have a gap between them; keeps their order."""
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    placed = list(heights)
    for _ in range(1000):
        for below, above in zip(order, order[1:]):
            overlap = gap - (placed[above] - placed[below])
            if overlap > 1e-9:
                placed[below] -= overlap / 2
                placed[above] += overlap / 2
    return placed


def size(elements: int) -> str:
    return f"{elements >> 20}M" if elements >= 1 << 20 else f"{elements >> 10}K"


def draw(lines: dict[str, list[tuple[int, float]]], machine: str, path: pathlib.Path):
    with matplotlib.rc_context(MATPLOTLIB):
        figure = Figure(figsize=(10.2, 5.8), facecolor="white")
        axes = figure.add_axes((0.065, 0.115, 0.69, 0.735))
        for name, points in lines.items():
            style = dict(linewidth=1.8, markersize=5) | STYLES[name]
            axes.plot(*zip(*points), **style)
        scale(axes, lines)
        label(axes, lines)
        title = "One optimizer step, single f32 tensors: nanoseconds per element"
        figure.text(0.02, 0.945, title, fontsize=14, fontweight="bold")
        figure.text(0.02, 0.895, machine, fontsize=9.5, color=QUIET)
        figure.savefig(path, metadata={"Date": None, "Title": title})


def scale(axes, lines):
    sizes = sorted({elements for points in lines.values() for elements, _ in points})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda elements, _: size(int(elements))))
    axes.yaxis.set_major_locator(FixedLocator([factor * 10.0**power for power in range(-2, 4) for factor in (1, 2, 5)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("elements (16 bytes each: θ, g, m, v)", color=QUIET)


def label(axes, lines):
    """Each line's name in its colour at its right end, where the names do not overlap."""
    low, high = (math.log10(limit) for limit in axes.get_ylim())
    ends = [math.log10(points[-1][1]) for points in lines.values()]
    for (name, points), height in zip(lines.items(), spread(ends, 0.055 * (high - low))):
        axes.annotate(
            name,
            xy=points[-1],
            xytext=(1.035, (height - low) / (high - low)),
            textcoords="axes fraction",
            color=STYLES[name]["color"],
            fontweight="bold" if name == "radam" else "normal",
            va="center",
            annotation_clip=False,
            arrowprops=dict(
                arrowstyle="-", color=STYLES[name]["color"], linewidth=0.6, shrinkA=0, shrinkB=5, relpos=(0, 0.5)
            ),
        )
