"""radam on PyTorch's tensors, on a GPU or not: the part of the C API that the benchmark needs.

The structs and signatures are those of the Python package. The library is the one that RADAM_LIBRARY names.
"""

import ctypes
import pathlib
import sys
import time

import torch

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "bindings" / "python"))
from radam import _api
from radam._errors import check
from radam._library import lib

DTYPES = {torch.float32: 1, torch.float64: 2, torch.float16: 3, torch.bfloat16: 4}
Q8, OFF, ON, CUDA = 5, 0, 1, 1


def version() -> str:
    return lib.radam_version_string().decode()


def nanoseconds_of_a_call(calls=10_000) -> float:
    """Of a call that does nothing but return a constant."""
    call = lib.radam_version_string
    start = time.perf_counter_ns()
    for _ in range(calls):
        call()
    return (time.perf_counter_ns() - start) / calls


def filled(struct, **fields):
    made = struct()
    check(getattr(lib, struct.__name__ + "_init")(made, ctypes.sizeof(struct)))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


class Radam:
    """An optimizer with the step() of PyTorch's. step_options are those of radam_step_with; without any, it is radam_step.

    Steps on a GPU are enqueued on the stream that is PyTorch's current one when this is created.
    """

    def __init__(self, params, step_options=None, **group_options):
        self.handle = ctypes.c_void_p()
        self.tensors = [(param.data, param.grad) for param in params]  # the library has their addresses
        options = filled(_api.radam_options, num_threads=1)
        if params[0].is_cuda:
            options.device, options.cuda_device = CUDA, params[0].device.index
            options.cuda_stream = torch.cuda.current_stream().cuda_stream
            options.num_threads = 0
        check(lib.radam_create(options, ctypes.byref(self.handle)))
        group = filled(_api.radam_group_options, **group_options)
        described = [self.described(data, grad) for data, grad in self.tensors]
        array = (_api.radam_param * len(described))(*described)
        self.check(lib.radam_add_param_group(self.handle, group, array, len(array), None))
        self.call = lib.radam_step
        self.arguments = (self.handle,)
        if step_options:
            self.call = lib.radam_step_with
            self.arguments = self.handle, filled(_api.radam_step_options, **step_options), None

    @staticmethod
    def described(data, grad):
        assert data.is_contiguous() and grad.is_contiguous()
        return filled(_api.radam_param, dtype=DTYPES[data.dtype], grad_dtype=DTYPES[grad.dtype], len=data.numel(),
                      data=data.data_ptr(), grad=grad.data_ptr())

    def step(self):
        status = self.call(*self.arguments)
        if status:
            self.check(status)

    def check(self, status):
        check(status, self.handle)

    def __del__(self):
        if self.handle:
            lib.radam_free(self.handle)
