"""Makes kernels.ptx from the sources beside this file: `make ptx`. With --check, compares instead.

    python3 src/cuda/kernels/compile.py FOLDER [--check]

FOLDER has NVIDIA's run-time compiler of CUDA 12.0, as `pip install --target FOLDER -r tests/cuda/requirements.txt` puts it
there. It needs no GPU. SPDX: MIT OR Apache-2.0
"""

import ctypes
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Without fused multiply-add, since the CPU has none; divisions, roots and denormals are IEEE's unless one asks otherwise.
OPTIONS = ["--gpu-architecture=compute_70", "--std=c++17", "--fmad=false"]


def compiled(folder: pathlib.Path) -> bytes:
    nvrtc = ctypes.CDLL(str(next(folder.glob("nvidia/cuda_nvrtc/lib/libnvrtc.so.*"))))
    headers = sorted(HERE.glob("*.cuh"))
    texts = (ctypes.c_char_p * len(headers))(*(header.read_bytes() for header in headers))
    names = (ctypes.c_char_p * len(headers))(*(header.name.encode() for header in headers))
    options = (ctypes.c_char_p * len(OPTIONS))(*(option.encode() for option in OPTIONS))
    program, source = ctypes.c_void_p(), (HERE / "kernels.cu").read_bytes()
    created = nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"kernels.cu", len(headers), texts, names)
    failed = created or nvrtc.nvrtcCompileProgram(program, len(OPTIONS), options)
    log = text(program, nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog)
    if failed or log:
        sys.exit(log.decode() or f"NVRTC reports {failed}")
    lines = text(program, nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX).splitlines()
    return b"".join(b" ".join(line.split()) + b"\n" for line in lines if line.strip())  # packs better without indentation


def text(program, size_of, get) -> bytes:
    size = ctypes.c_size_t()
    size_of(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    get(program, buffer)
    return buffer.value


def main() -> int:
    folder, *rest = sys.argv[1:]
    ptx, path = compiled(pathlib.Path(folder)), HERE / "kernels.ptx"
    if rest == ["--check"]:
        if path.read_bytes() != ptx:
            sys.exit(f"{path} is not what its sources give; run make ptx")
    else:
        path.write_bytes(ptx)
        print(f"{path}: {len(ptx)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
