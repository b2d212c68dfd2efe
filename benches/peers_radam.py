"""radam for Python: the part of include/radam.h that the benchmark needs, through ctypes."""

import ctypes

import torch

OFF, ON, AUTO = 0, 1, 2
DTYPES = {torch.float32: 1, torch.float64: 2, torch.float16: 3, torch.bfloat16: 4}
Q8 = 5


class Options(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("num_threads", ctypes.c_uint32),
        *((name, ctypes.c_void_p) for name in
          ("allocate", "release", "allocator_user", "parallel_for", "executor_user")),
        ("parallel_from", ctypes.c_uint64),
    ]


class GroupOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        *((name, ctypes.c_int32) for name in
          ("decouple_wd", "decouple_lr", "kahan_sum", "for_each", "gradient_release", "maximize", "rectify")),
        ("state_dtype", ctypes.c_int32),
        *((name, ctypes.c_int32) for name in ("master_remainder", "stochastic_rounding", "unrectified")),
        *((name, ctypes.c_double) for name in
          ("lr", "beta1", "beta2", "weight_decay", "eps", "max_lr", "rectify_threshold")),
        ("seed", ctypes.c_uint64),
    ]


class Param(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("dtype", ctypes.c_int32),
        ("grad_dtype", ctypes.c_int32),
        ("copy_dtype", ctypes.c_int32),
        ("len", ctypes.c_uint64),
        ("data", ctypes.c_void_p),
        ("grad", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        *((name, ctypes.c_void_p) for name in ("copy", "exp_avg", "exp_avg_sq", "kahan_comp")),
        ("tensor_offset", ctypes.c_uint64),
        ("tensor_len", ctypes.c_uint64),
    ]


def load(path: str) -> ctypes.CDLL:
    library = ctypes.CDLL(path)
    handle = ctypes.c_void_p
    signatures = {
        "radam_options_init": [ctypes.POINTER(Options), ctypes.c_uint32],
        "radam_group_options_init": [ctypes.POINTER(GroupOptions), ctypes.c_uint32],
        "radam_param_init": [ctypes.POINTER(Param), ctypes.c_uint32],
        "radam_create": [ctypes.POINTER(Options), ctypes.POINTER(handle)],
        "radam_add_param_group": [handle, ctypes.POINTER(GroupOptions), ctypes.POINTER(Param), ctypes.c_uint64,
                                  ctypes.c_void_p],
        "radam_step": [handle],
        "radam_free": [handle],
    }
    for name, argtypes in signatures.items():
        getattr(library, name).argtypes = argtypes
        getattr(library, name).restype = ctypes.c_int32
    library.radam_last_error.argtypes = [handle, ctypes.c_char_p, ctypes.c_uint64]
    library.radam_last_error.restype = ctypes.c_uint64
    library.radam_version_string.restype = ctypes.c_char_p
    return library


class Radam:
    """An optimizer with the step() of PyTorch's. The gradients are those that the parameters have now."""

    def __init__(self, library, params, num_threads, **group_options):
        self.functions = library
        self.handle = ctypes.c_void_p()
        # The library holds pointers into these.
        self.tensors = [(param.data, param.grad) for param in params]
        options = self.filled(Options, library.radam_options_init)
        options.num_threads = num_threads
        self.check(library.radam_create(ctypes.byref(options), ctypes.byref(self.handle)))
        group = self.filled(GroupOptions, library.radam_group_options_init)
        for name, value in group_options.items():
            setattr(group, name, value)
        array = (Param * len(params))(*(self.described(data, grad) for data, grad in self.tensors))
        self.check(library.radam_add_param_group(self.handle, ctypes.byref(group), array, len(array), None))
        self.call_step = library.radam_step

    def filled(self, struct, init):
        value = struct()
        self.check(init(ctypes.byref(value), ctypes.sizeof(struct)))
        return value

    def described(self, data, grad):
        assert data.is_contiguous() and grad.is_contiguous()
        param = self.filled(Param, self.functions.radam_param_init)
        param.dtype, param.grad_dtype = DTYPES[data.dtype], DTYPES[grad.dtype]
        param.len, param.data, param.grad = data.numel(), data.data_ptr(), grad.data_ptr()
        return param

    def step(self):
        status = self.call_step(self.handle)
        if status:
            self.check(status)

    def check(self, status):
        if status:
            message = ctypes.create_string_buffer(1024)
            self.functions.radam_last_error(self.handle, message, len(message))
            raise RuntimeError(message.value.decode())

    def __del__(self):
        if self.handle:
            self.functions.radam_free(self.handle)
