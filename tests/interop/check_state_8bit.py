"""Compares examples/interop/state_8bit.py with the library, which has converted state from f32 to 8 bits and back.

    python3 check_state_8bit.py F32 Q8 DECODED PAGE    # three checkpoints, and docs/q8.md, whose program is run, too
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent / "examples" / "interop"))

import numpy

import radam_checkpoint
import state_8bit

before, coded, decoded = (radam_checkpoint.read(path) for path in sys.argv[1:4])
page = pathlib.Path(sys.argv[4]).read_text()
program = page.split("```python\n")[1].split("```")[0]
counts = {True: 0, False: 0}
for param, param_before in zip(coded.manifest["params"], before.manifest["params"]):
    name, eps = param["name"], before.manifest["groups"][param["group"]]["eps"]
    arrays, arrays_before = coded.arrays(param), before.arrays(param_before)
    is_coded = "state_scale" in arrays
    assert is_coded == (param["len"] >= state_8bit.CODED_FROM) == ("state" in param), param
    counts[is_coded] += 1
    if not is_coded:
        assert arrays == arrays_before, name
        continue
    moments = [numpy.frombuffer(arrays_before[array].data, "<f4") for array in ("exp_avg", "exp_avg_sq")]
    for pieces in (state_8bit.AT_A_TIME, 1024):
        state_8bit.AT_A_TIME = pieces
        codes = state_8bit.encode(*moments, eps)
        for (array, dtype), values in zip(state_8bit.DTYPES.items(), codes, strict=True):
            assert values.dtype == numpy.dtype(dtype), (name, array)
            different = numpy.flatnonzero(values != numpy.frombuffer(arrays[array].data, dtype))
            assert values.tobytes() == bytes(arrays[array].data), (name, array, different[:8])
        found = dict(zip(("exp_avg", "exp_avg_sq"), state_8bit.decode_tensors(arrays, eps), strict=True))
        for array, values in found.items():
            assert values.tobytes() == bytes(decoded.tensors[f"{name}.{array}"].data), (name, array)
    names = dict(zip(state_8bit.DTYPES, codes)) | {"np": numpy, "n": param["len"], "eps": eps}
    with numpy.errstate(all="ignore"):
        exec(program, names)
    for array, short in (("exp_avg", "m"), ("exp_avg_sq", "v")):
        assert names[short].tobytes() == found[array].tobytes(), (name, short)
print(f"{counts[True]} parameters of 8 bits, and {counts[False]} of f32: the same bits")
