"""Reports the results: lines on the terminal, and the page and the plot in benches/results."""

import datetime
import importlib.metadata
import itertools
import os
import pathlib
import platform

import peers_plot
from peers_race import QUIET

PACKAGES = ["torch", "torch-optimi", "deepspeed", "bitsandbytes", "torchao", "numpy"]

HEADING = f"{'case':49} {'peer':27} {'radam':>10} {'peer':>10} {'ratio':>7} {'quartiles':>15} {'goal':>5}"

METHOD = """\
Everyone steps tensors of the same shapes with the same random gradients in one process. Options are radam's
defaults, β = (0.9, 0.99), ε = 1e-6, without weight decay; the AdamW optimizers do less work, having no
rectification. Ten steps warm up, so that every timed step is rectified. Each round then times everyone, in an
order that rotates, over one step or over as many as last 5 ms, 20 ms after the one before, because OpenMP's
threads spin for a while. A round in which other programs had more than 5 % of the processors is run again, at
most as often as there are rounds, and the quietest rounds count. A ratio is peer time / radam time of the
same round: its median over 15 rounds (11 for the single tensors), with the quartiles. The times are medians
too, so they need not divide to the ratio where the speed of the machine's memory changes meanwhile. radam is
called from Python through ctypes, and its time includes that. Of optimi the faster of its default and
`foreach=True` is shown. With f32 state, the Kahan compensation of bf16 parameters is f32 as well: radam then
moves 30 bytes per element, DeepSpeed, which has none, 22. With 8-bit state of f32 parameters it moves 16. The
step of torchao's AdamW8bit is compiled by `torch.compile` before it is timed; that of bitsandbytes decodes the
state to f32, steps by operations of PyTorch, and encodes it."""

SWEEP_METHOD = """\
Nanoseconds per element, one f32 tensor. The last column is the memory traffic without the arithmetic: three
in-place PyTorch operations, θ += g, m = −m and v = −v, read the four arrays and write three of them, 28 bytes
per element, once each. It is a roof where the arrays (16 bytes per element) are larger than the cache; in
smaller sizes it is mostly the cost of three calls."""


def short(dtype) -> str:
    return {"float32": "f32", "bfloat16": "bf16"}[str(dtype).removeprefix("torch.")]


def duration(nanoseconds: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def figure(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def cells(row) -> list[str]:
    goal = "" if row.goal is None else f"≥ {row.goal:g}"
    spread = f"{figure(row.low)} – {figure(row.high)}"
    ours, theirs = duration(row.radam_ns), duration(row.peer_ns)
    return [row.case, row.peer, ours, theirs, figure(row.ratio), spread, goal, row.verdict]


def line(row) -> str:
    case, peer, ours, theirs, ratio, spread, goal, verdict = cells(row)
    note = row.radam.removeprefix("radam").removeprefix(", ")
    return f"{case:49} {peer:27} {ours:>10} {theirs:>10} {ratio:>7} {spread:>15} {goal:>5} {verdict} {note}".rstrip()


def cpu() -> str:
    fields = {}
    for entry in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = entry.partition(":")
        fields.setdefault(name.strip(), value.strip())
    cache = pathlib.Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
    last_level = ""
    if cache.exists():
        last_level = f", {int(cache.read_text().strip().removesuffix('K')) // 1024} MiB last-level cache"
    name = fields.get("model name", platform.processor())
    # Some virtual machines tell only "AMD EPYC"; family and model tell which.
    exactly = f"family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}"
    return f"{name} ({exactly}), {os.cpu_count()} CPUs{last_level}"


def about(threads: int, radam_version: str, call_ns: float) -> list[str]:
    """The machine, the versions and the day."""
    versions = [f"radam {radam_version}", f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    return [
        f"Machine: {cpu()}, {platform.system()} {platform.release()}; everyone uses {threads} threads.",
        f"Versions: {', '.join(versions)}.",
        f"A call of radam_step from Python with nothing to do takes {call_ns:.0f} ns, which its times include.",
        f"Date: {datetime.date.today()}.",
    ]


def disturbed(case: str, others: float) -> str:
    return (f"Disturbed: other programs had {others:.0%} of the processors during “{case}”. "
            "OpenMP's spinning threads suffer from that more than radam does.")


def table(heading: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in [heading, ["---"] * len(heading), *rows]]


def peers_table(rows) -> list[str]:
    heading = ["case", "radam", "peer", "radam time", "peer time", "peer / radam", "quartiles", "goal", ""]
    return table(heading, [[row.case, row.radam, *cells(row)[1:]] for row in rows])


def lines_of(sweep) -> dict[str, list[tuple[int, float]]]:
    """For each optimizer, the sizes with the nanoseconds per element; both kinds of optimi are one line."""
    lines = {"radam": []}
    for rows in sweep:
        lines["radam"].append((rows[0].elements, rows[0].radam_ns / rows[0].elements))
        for row in rows:
            name = "optimi.RAdam" if row.peer.startswith("optimi") else row.peer
            lines.setdefault(name, []).append((row.elements, row.peer_ns / row.elements))
    return lines


def sweep_table(lines) -> list[str]:
    by_size = {name: dict(points) for name, points in lines.items()}
    rows = []
    for elements in by_size["radam"]:
        times = [points.get(elements) for points in by_size.values()]
        rows.append([peers_plot.size(elements), *("–" if time is None else f"{time:.3g}" for time in times)])
    return table(["elements", *by_size], rows)


def write(folder: pathlib.Path, about: list[str], agreements: list[str], rows, sweep, skipped: list[str]):
    folder.mkdir(parents=True, exist_ok=True)
    lines = lines_of(sweep)
    peers_plot.draw(lines, about[0].removeprefix("Machine: "), folder / "peers.svg")
    others = {row.case: row.others for row in itertools.chain(rows, *sweep)}
    noisy = {case: share for case, share in others.items() if share > QUIET}
    most = max(0, *others.values())
    about = [*about, f"Other programs had at most {most:.1%} of the processors, in the most disturbed case."]
    warnings = [f"Skipped: {message}" for message in skipped] + [disturbed(*entry) for entry in noisy.items()]
    text = ["# radam and its peers", "", "Made by `make bench-peers`.", "", *(f"- {fact}" for fact in about), ""]
    text += [METHOD, "", *(f"**{message}**\n" for message in warnings), *peers_table(rows), ""]
    text += ["![Nanoseconds per element over the size of the tensor](peers.svg)", ""]
    text += [SWEEP_METHOD, "", *sweep_table(lines), ""]
    text += ["Before anything is timed, ten steps on small tensors are compared; the largest differences,",
             "relative to max(|θ|, 1), are roundings. Those of 8-bit state are of its codes, which differ;",
             "the parameters have moved by up to 1e-2:", "", *(f"- {message}" for message in agreements)]
    (folder / "peers.md").write_text("\n".join(text) + "\n")
