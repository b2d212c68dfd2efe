"""Computes what a step of examples/mpi costs on 8, 64 and 1,024 machines, from costs that it measures on this one, and
checks the same formulas against 1 to 4 ranks here. `make bench-mpi` writes benches/results/scaling.md with it.

usage: scaling.py PHASES RESULTS [ELEMENTS ROUNDS]
"""

import collections
import datetime
import math
import os
import pathlib
import subprocess
import sys
import tempfile

MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "--allow-run-as-root",
          "--mca", "btl_vader_single_copy_mechanism", "none", "-n"]
HERE = [1, 2, 3, 4]
PASSES = 4
RANKS = [8, 64, 1024]
PARAMETERS = 1_557_611_200  # of GPT-2 XL
# What is stated of them: bytes a second in each direction of a machine's link, and seconds until a message is there.
NETWORKS = {"100 Gb/s Ethernet, 30 µs": (12.5e9, 30e-6), "400 Gb/s InfiniBand, 2 µs": (50e9, 2e-6)}
STORAGE = 10e9  # bytes a second of a file system that all machines share
TURNS = 8  # kTurns of sharded_optimizer.hpp
# Bytes for a parameter, where every rank has all, and on so many ranks.
MEMORY = {"parameters": (4, lambda ranks: 4), "gradients": (4, lambda ranks: 4), "moments": (8, lambda ranks: 8 / ranks),
          "sum of a shard's gradients": (0, lambda ranks: 4 / ranks),
          "gradients that arrive": (0, lambda ranks: 4 / TURNS),
          "together": (16, lambda ranks: 8 + 4 / TURNS + 12 / ranks)}

METHOD = """\
One rank on a machine, f32 parameters, gradients and state, one micro-batch a rank. With P parameters on n ranks, a step
takes

| phase | bytes that a rank sends, and receives | time |
| --- | --- | --- |
| reduce-scatter, in 8 turns | 4P (n−1)/n | 8 (n−1) α + 4P (n−1)/n / β + P · *sum* |
| norm and step | 576 ⌈log₂ n⌉ | 2 ⌈log₂ n⌉ α + P/n · *step* |
| all-gather | 4P (n−1)/n | (n−1) α + 4P (n−1)/n / β |
| save | 12P/n, to files | 12P / (bytes a second of the file system) |

α and β are latency and bandwidth of the network. *sum* is the time to add a gradient to the sum of a shard, with the
copies that are made on the way, and *step* that of measuring and stepping a parameter, on one thread. More than one
micro-batch a rank repeats the reduce-scatter, and nothing else. The backward pass is not in these tables: it depends on
the model."""


def measure(phases: str, elements: int, rounds: int) -> dict[int, dict[str, float]]:
    """By number of ranks, the shortest time of each phase: what is left if nothing else runs. They take turns."""
    times = {ranks: collections.defaultdict(lambda: math.inf) for ranks in HERE}
    with tempfile.TemporaryDirectory(dir=pathlib.Path(phases).parent) as folder:
        for _ in range(PASSES):
            for ranks in HERE:
                command = [*MPIRUN, str(ranks), phases, str(elements), str(rounds), folder]
                for line in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
                    phase, seconds = line.split("\t")
                    times[ranks][phase] = min(times[ranks][phase], float(seconds))
    return times


def costs(times, elements: int) -> dict[str, float]:
    """Seconds for a parameter on one thread, and for a byte from one process to another."""
    return {"sum": times[1]["reduce-scatter"] / elements, "step": times[1]["norm and step"] / elements,
            "copy": times[2]["all-gather"] / (4 * elements), "save": times[1]["save"] / (12 * elements)}


def predict_here(cost, ranks: int, elements: int) -> dict[str, float]:
    """Here, the ranks share the cores, and the network is a copy in memory. `copy` is that of two ranks at work."""
    cores = min(ranks, len(os.sched_getaffinity(0)))
    exchange = (ranks - 1) * 4 * elements * cost["copy"] / max(1, cores / 2)
    return {"reduce-scatter": ranks * elements * cost["sum"] / cores + exchange,
            "norm and step": elements * cost["step"] / cores, "all-gather": exchange,
            "save": 12 * elements * cost["save"]}


def predict(cost, ranks: int, bandwidth: float, latency: float) -> dict[str, tuple[float, float]]:
    """Of each phase, the bytes that a rank sends or writes, and seconds."""
    sent = 4 * PARAMETERS * (ranks - 1) / ranks
    messages, doublings = (ranks - 1) * latency, math.ceil(math.log2(ranks))
    return {"reduce-scatter": (sent, TURNS * messages + sent / bandwidth + PARAMETERS * cost["sum"]),
            "norm and step": (576 * doublings, 2 * doublings * latency + PARAMETERS / ranks * cost["step"]),
            "all-gather": (sent, messages + sent / bandwidth),
            "save": (12 * PARAMETERS / ranks, 12 * PARAMETERS / STORAGE)}


def size(count: float) -> str:
    for unit in ["bytes", "KB", "MB"]:
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def table(rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]]


def check(times, cost, elements: int) -> list[str]:
    rows = [["phase", "ranks", "predicted", "measured", "measured / predicted"]]
    for phase in ["reduce-scatter", "norm and step", "all-gather", "save"]:
        for ranks in HERE:
            predicted, measured = predict_here(cost, ranks, elements)[phase], times[ranks][phase]
            if predicted:
                rows.append([phase, str(ranks), time(predicted), time(measured), f"{measured / predicted:.2f}"])
    return table(rows)


def prediction(cost, bandwidth: float, latency: float) -> list[str]:
    rows = [["phase", *(f"{ranks:,} ranks" for ranks in RANKS)]]
    columns = [predict(cost, ranks, bandwidth, latency) for ranks in RANKS]
    for phase in columns[0]:
        rows.append([phase, *(f"{size(column[phase][0])}, {time(column[phase][1])}" for column in columns)])
    return table(rows)


def memory() -> list[str]:
    rows = [["memory of a rank", "every rank has all", *(f"{ranks:,} ranks" for ranks in RANKS)]]
    for name, (whole, each) in MEMORY.items():
        rows.append([name, size(whole * PARAMETERS), *(size(each(ranks) * PARAMETERS) for ranks in RANKS)])
    return table(rows)


def cpu() -> str:
    names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'}, {len(os.sched_getaffinity(0))} CPUs"


def main(phases: str, results: str, elements: str = str(1 << 22), rounds: str = "200"):
    count = int(elements)
    times = measure(phases, count, int(rounds))
    cost = costs(times, count)
    lines = ["# Training on many machines", "", "Made by `make bench-mpi`.", "", f"- {cpu()}; {datetime.date.today()}.",
             f"- *sum* {cost['sum'] * 1e9:.2f} ns, *step* {cost['step'] * 1e9:.2f} ns a parameter; a copy between "
             f"processes {cost['copy'] * 1e9:.3f} ns a byte; saving {cost['save'] * 1e9:.2f} ns a byte.", "", METHOD, ""]
    for name, (bandwidth, latency) in NETWORKS.items():
        lines += [f"## {PARAMETERS:,} parameters, {name}", "", *prediction(cost, bandwidth, latency), ""]
    lines += ["## Memory", "", *memory(), "", "## The same formulas against 1 to 4 ranks here", "",
              f"{count:,} parameters. The costs come from one rank, and that of a copy from the all-gather of two, so "
              f"these rows agree by themselves. Measured is the shortest of {PASSES * int(rounds)} times (of "
              f"{PASSES * math.ceil(int(rounds) / 8)} for saving).", "",
              *check(times, cost, count), ""]
    folder = pathlib.Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scaling.md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
