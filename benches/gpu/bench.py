"""Measures radam on a GPU against optimi, PyTorch and the GPU's own copy: `make bench-gpu`.

    python benches/gpu/bench.py                      # everything, within 150 seconds
    python benches/gpu/bench.py --quick              # within 60 seconds
    python benches/gpu/bench.py --rehearse           # on a CPU, with small tensors: whether this program works

Needs PyTorch; optimi (torch-optimi) and Triton if they are to be measured. RADAM_LIBRARY is the library, by default that of
the target folder. The results are written after each case, so that what ended early leaves what it had. SPDX: MIT OR
Apache-2.0
"""

import argparse
import datetime
import faulthandler
import importlib.metadata
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time
import zipfile

START = time.monotonic()
ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
os.environ.setdefault("RADAM_LIBRARY", str(TARGET / "release" / "libradam.so"))
sys.path.append(str(ROOT / "benches"))


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="within 60 seconds")
    parser.add_argument("--seconds", type=float, help="instead of 150, or 60 if quick")
    parser.add_argument("--only", default="", help="part of the names of cases")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "benches" / "results", help="a folder")
    parser.add_argument("--optimi-path", help="a folder that has the package optimi, or its wheel")
    parser.add_argument("--rehearse", action="store_true", help="on a CPU")
    given = parser.parse_args()
    given.seconds = given.seconds or (60 if given.quick else 150)
    return given


GIVEN = arguments()
if GIVEN.optimi_path:
    folder = GIVEN.optimi_path
    if zipfile.is_zipfile(folder):  # Triton compiles from source files, which must be such
        folder = tempfile.mkdtemp()
        zipfile.ZipFile(GIVEN.optimi_path).extractall(folder)
    sys.path.append(folder)

import torch

import contestants
import radam_tensors
import report
from contestants import COPY, RADAM
from goals import goals
from race import Gpu, Lost, Rehearsal, race, reason


def versions() -> str:
    found = [f"radam {radam_tensors.version()}", f"Python {platform.python_version()}", f"torch {torch.__version__}"]
    for package in ("triton", "torch-optimi"):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{package} of no known version")
    return ", ".join(found)


def machine() -> str:
    if GIVEN.rehearse:
        return "a rehearsal on a CPU, whose times mean nothing"
    card = torch.cuda.get_device_properties(torch.cuda.current_device())
    return (f"{card.name}, compute capability {card.major}.{card.minor}, {card.multi_processor_count} multiprocessors, "
            f"{card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}")


def copy_speed(results) -> list[str]:
    """The fastest copy of the run, which is that of the most bytes."""
    copies = [case[COPY] for case in results.values() if case[COPY].device]
    if not copies:
        return []
    largest = max(copies, key=lambda entrant: entrant.bytes_moved)
    speed = largest.bytes_moved / statistics.median(largest.device) / 1000
    return [f"A device-to-device copy of {largest.bytes_moved / 2e9:.2f} GB moved {speed:.3f} TB/s in this run, reading "
            "and writing."]


def same_bits(device) -> tuple[dict[str, int | None], list[str]]:
    differing, notes = {}, []
    for what, dtype, options, step_options in contestants.SAME_BITS:
        try:
            differing[what] = contestants.differing(device, dtype, options, step_options)
        except Exception as error:
            differing[what] = None
            notes.append(f"Not compared with the CPU: {what}: {reason(error)}")
    return differing, notes


def main() -> int:
    # Whatever hangs, ends.
    faulthandler.dump_traceback_later(GIVEN.seconds + 30, exit=True)
    torch.set_grad_enabled(False)
    torch.manual_seed(1)
    gpu = Rehearsal() if GIVEN.rehearse else Gpu()
    about = [f"Machine: {machine()}.", f"Versions: {versions()}.", f"Date: {datetime.date.today()}."]
    about.append(f"A call from Python that only returns a constant takes {radam_tensors.nanoseconds_of_a_call() / 1000:.2f} µs.")
    print(*about, sep="\n", flush=True)
    differing, notes = same_bits(gpu.device)
    agreements = []
    try:
        agreements = [f"{name} {difference:.1e}" for name, difference in contestants.same_work(gpu.device)]
    except Exception as error:
        notes.append(f"Not compared with others: {reason(error)}")
    about.append(f"After ten steps in f32, the largest difference from radam: {', '.join(agreements) or 'not measured'}.")
    cases = [case for case in contestants.cases(GIVEN.rehearse) if GIVEN.only in case.label]
    results, status = {}, 0
    for number, case in enumerate(cases):
        left = GIVEN.seconds - (time.monotonic() - START)
        if left < 2:
            notes.append(f"No time was left for {case.label}.")
            continue
        try:
            entrants = contestants.entrants(case, gpu)
            results[case.label] = {entrant.name: entrant for entrant in entrants}
            race(gpu, entrants, case.steps_in_graph, left / (len(cases) - number))
        except Lost as error:
            notes.append(f"The GPU was lost during {case.label}: {error}. Nothing was measured after it.")
            status = 1
        except Exception as error:  # such as no memory for the gradients
            notes.append(f"{case.label} could not be measured: {reason(error)}")
            continue
        for entrant in entrants:
            entrant.step = entrant.kept = entrant.make = entrant.make_capturable = None  # what holds its memory
        found = goals(results, about[0], differing)
        report.write(GIVEN.results, [*about, *copy_speed(results)], found, cases, results, notes)
        print("", *report.case_table(case, results[case.label]), sep="\n", flush=True)
        if status:
            break
        gpu.forget()
    found = goals(results, about[0], differing)
    report.write(GIVEN.results, [*about, *copy_speed(results)], found, cases, results, notes)
    print(*copy_speed(results), *(f"*** {note}" for note in notes), "", *report.goals_table(found), "",
          f"{time.monotonic() - START:.0f} seconds; wrote {GIVEN.results}/gpu.md and gpu.svg", sep="\n", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
