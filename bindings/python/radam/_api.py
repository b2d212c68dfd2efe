"""The C API as ctypes has it. Generated from bindings/radam_api.json by `make bindings`. SPDX: MIT OR Apache-2.0"""

from ctypes import *
from enum import IntEnum


VERSION = 2000
VERSION_STRING = "0.2.0"


class Status(IntEnum):
    """The values of radam_status."""

    # The call succeeded.
    OK = 0
    # A required pointer argument is NULL.
    NULL_POINTER = 1
    # The optimizer handle is NULL, has been freed, or did not come from radam_create.
    INVALID_HANDLE = 2
    # An argument has a value that is not allowed.
    INVALID_ARGUMENT = 3
    # Another call is using the optimizer or the parameter, or a step is open; try again later.
    BUSY = 4
    # The call does not apply to the optimizer in its present state.
    INVALID_STATE = 5
    # There is not enough memory.
    OUT_OF_MEMORY = 6
    # A file could not be read or written, or a progress callback cancelled the call.
    IO = 7
    # The checkpoint is damaged, or the file is not a checkpoint.
    CORRUPT = 8
    # The checkpoint does not fit the optimizer, or has a format of a later version.
    MISMATCH = 9
    # There is a bug in the library. From now on, the optimizer can only be freed.
    PANIC = 10
    # There is no GPU or no driver, or the driver reported a failure, perhaps of an earlier call.
    DEVICE = 11


class DType(IntEnum):
    """The values of radam_dtype."""

    # IEEE 754 single precision: float.
    F32 = 1
    # IEEE 754 double precision: double.
    F64 = 2
    # IEEE 754 half precision.
    F16 = 3
    # bfloat16: the upper 16 bits of a float.
    BF16 = 4
    # For state_dtype only: exp_avg and exp_avg_sq in 8 bits each.
    Q8 = 5


class Toggle(IntEnum):
    """The values of radam_toggle."""

    # Off.
    OFF = 0
    # On.
    ON = 1
    # The default, which the description of each option states.
    AUTO = 2


class State(IntEnum):
    """The values of radam_state."""

    # The exponential moving average of gradients, debiased; in the dtype of the state. With 8-bit state
    # (RADAM_DTYPE_Q8), int8_t codes.
    EXP_AVG = 1
    # The exponential moving average of squared gradients, debiased; in the dtype of the state. With 8-bit state,
    # uint8_t codes.
    EXP_AVG_SQ = 2
    # The compensation of Kahan summation (kahan_sum); in the dtype of the state. With 8-bit state, in the dtype of the
    # parameter.
    KAHAN_COMP = 3
    # The lower parts of the master weights (master_remainder); int16_t, for which there is no radam_dtype.
    MASTER_REMAINDER = 4
    # What the codes of 8-bit state stand for: a uint32_t for each block of 128 elements; docs/q8.md describes it. There
    # is no radam_dtype for it.
    STATE_SCALE = 5


class radam_allocator(Structure):
    _fields_ = [
        ("allocate", CFUNCTYPE(c_void_p, c_uint64, c_uint64, c_void_p)),
        ("release", CFUNCTYPE(None, c_void_p, c_uint64, c_uint64, c_void_p)),
        ("user", c_void_p),
    ]


class radam_executor(Structure):
    _fields_ = [
        ("parallel_for", CFUNCTYPE(None, c_uint64, CFUNCTYPE(None, c_uint64, c_void_p), c_void_p, c_void_p)),
        ("user", c_void_p),
    ]


class radam_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("num_threads", c_uint32),
        ("allocator", radam_allocator),
        ("executor", radam_executor),
        ("parallel_from", c_uint64),
        ("device", c_int32),
        ("cuda_device", c_int32),
        ("cuda_stream", c_void_p),
    ]


class radam_group_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("decouple_wd", c_int32),
        ("decouple_lr", c_int32),
        ("kahan_sum", c_int32),
        ("for_each", c_int32),
        ("gradient_release", c_int32),
        ("maximize", c_int32),
        ("rectify", c_int32),
        ("state_dtype", c_int32),
        ("master_remainder", c_int32),
        ("stochastic_rounding", c_int32),
        ("unrectified", c_int32),
        ("lr", c_double),
        ("beta1", c_double),
        ("beta2", c_double),
        ("weight_decay", c_double),
        ("eps", c_double),
        ("max_lr", c_double),
        ("rectify_threshold", c_double),
        ("seed", c_uint64),
    ]


class radam_param(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("dtype", c_int32),
        ("grad_dtype", c_int32),
        ("copy_dtype", c_int32),
        ("len", c_uint64),
        ("data", c_void_p),
        ("grad", c_void_p),
        ("name", c_char_p),
        ("copy", c_void_p),
        ("exp_avg", c_void_p),
        ("exp_avg_sq", c_void_p),
        ("kahan_comp", c_void_p),
        ("tensor_offset", c_uint64),
        ("tensor_len", c_uint64),
        ("state_scale", c_void_p),
    ]


class radam_grad_sums(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("words", c_int64 * 72),
    ]


class radam_step_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("skip_nonfinite", c_int32),
        ("zero_grad", c_int32),
        ("report_norms", c_int32),
        ("grad_sums", POINTER(radam_grad_sums)),
        ("grad_scale", c_double),
        ("max_grad_norm", c_double),
        ("max_grad_value", c_double),
    ]


class radam_step_report(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("skipped", c_int32),
        ("nonfinite", c_uint64),
        ("grad_norm", c_double),
        ("clip_coefficient", c_double),
        ("update_norm", c_double),
        ("param_norm", c_double),
        ("params_stepped", c_uint64),
        ("threads", c_uint32),
        ("reserved", c_uint32),
    ]


class radam_group_report(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("rectified", c_int32),
        ("step", c_uint64),
        ("rho", c_double),
        ("rho_inf", c_double),
        ("r", c_double),
        ("effective_lr", c_double),
        ("beta1_hat", c_double),
        ("beta2_hat", c_double),
        ("decay_factor", c_double),
    ]


class radam_save_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("reserved", c_uint32),
        ("progress", CFUNCTYPE(c_int32, c_uint64, c_uint64, c_void_p)),
        ("user", c_void_p),
    ]


class radam_load_options(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("strict", c_int32),
        ("hyperparameters", c_int32),
        ("convert_state", c_int32),
        ("progress", CFUNCTYPE(c_int32, c_uint64, c_uint64, c_void_p)),
        ("user", c_void_p),
    ]


# The size and the offsets that the library was compiled with.
LAYOUTS = {
    radam_allocator: (24, {"allocate": 0, "release": 8, "user": 16}),
    radam_executor: (16, {"parallel_for": 0, "user": 8}),
    radam_options: (72, {"struct_size": 0, "num_threads": 4, "allocator": 8, "executor": 32, "parallel_from": 48, "device": 56, "cuda_device": 60, "cuda_stream": 64}),
    radam_group_options: (112, {"struct_size": 0, "decouple_wd": 4, "decouple_lr": 8, "kahan_sum": 12, "for_each": 16, "gradient_release": 20, "maximize": 24, "rectify": 28, "state_dtype": 32, "master_remainder": 36, "stochastic_rounding": 40, "unrectified": 44, "lr": 48, "beta1": 56, "beta2": 64, "weight_decay": 72, "eps": 80, "max_lr": 88, "rectify_threshold": 96, "seed": 104}),
    radam_param: (104, {"struct_size": 0, "dtype": 4, "grad_dtype": 8, "copy_dtype": 12, "len": 16, "data": 24, "grad": 32, "name": 40, "copy": 48, "exp_avg": 56, "exp_avg_sq": 64, "kahan_comp": 72, "tensor_offset": 80, "tensor_len": 88, "state_scale": 96}),
    radam_grad_sums: (584, {"struct_size": 0, "reserved": 4, "words": 8}),
    radam_step_options: (48, {"struct_size": 0, "skip_nonfinite": 4, "zero_grad": 8, "report_norms": 12, "grad_sums": 16, "grad_scale": 24, "max_grad_norm": 32, "max_grad_value": 40}),
    radam_step_report: (64, {"struct_size": 0, "skipped": 4, "nonfinite": 8, "grad_norm": 16, "clip_coefficient": 24, "update_norm": 32, "param_norm": 40, "params_stepped": 48, "threads": 56, "reserved": 60}),
    radam_group_report: (72, {"struct_size": 0, "rectified": 4, "step": 8, "rho": 16, "rho_inf": 24, "r": 32, "effective_lr": 40, "beta1_hat": 48, "beta2_hat": 56, "decay_factor": 64}),
    radam_save_options: (24, {"struct_size": 0, "reserved": 4, "progress": 8, "user": 16}),
    radam_load_options: (32, {"struct_size": 0, "strict": 4, "hyperparameters": 8, "convert_state": 12, "progress": 16, "user": 24}),
}


# The options that are on, off or left to the library.
TOGGLES = ['decouple_lr', 'decouple_wd', 'for_each', 'gradient_release', 'kahan_sum', 'master_remainder', 'maximize', 'rectify', 'report_norms', 'skip_nonfinite', 'stochastic_rounding', 'unrectified', 'zero_grad']


# The results and the arguments.
FUNCTIONS = {
    "radam_version": (c_uint32, []),
    "radam_version_string": (c_char_p, []),
    "radam_status_string": (c_char_p, [c_int32]),
    "radam_last_error": (c_uint64, [c_void_p, POINTER(c_char), c_uint64]),
    "radam_options_init": (c_int32, [POINTER(radam_options), c_uint32]),
    "radam_group_options_init": (c_int32, [POINTER(radam_group_options), c_uint32]),
    "radam_get_group_options": (c_int32, [c_void_p, c_uint32, POINTER(radam_group_options)]),
    "radam_set_group_options": (c_int32, [c_void_p, c_uint32, POINTER(radam_group_options)]),
    "radam_set_lr": (c_int32, [c_void_p, c_uint32, c_double]),
    "radam_get_lr": (c_int32, [c_void_p, c_uint32, POINTER(c_double)]),
    "radam_set_weight_decay": (c_int32, [c_void_p, c_uint32, c_double]),
    "radam_get_weight_decay": (c_int32, [c_void_p, c_uint32, POINTER(c_double)]),
    "radam_param_init": (c_int32, [POINTER(radam_param), c_uint32]),
    "radam_grad_sums_init": (c_int32, [POINTER(radam_grad_sums), c_uint32]),
    "radam_measure": (c_int32, [c_void_p, POINTER(radam_grad_sums)]),
    "radam_measure_tensor": (c_int32, [c_int32, c_void_p, c_uint64, POINTER(radam_grad_sums)]),
    "radam_grad_sums_value": (c_int32, [POINTER(radam_grad_sums), POINTER(c_double), POINTER(c_uint64)]),
    "radam_step_options_init": (c_int32, [POINTER(radam_step_options), c_uint32]),
    "radam_step_report_init": (c_int32, [POINTER(radam_step_report), c_uint32]),
    "radam_group_report_init": (c_int32, [POINTER(radam_group_report), c_uint32]),
    "radam_get_group_report": (c_int32, [c_void_p, c_uint32, POINTER(radam_group_report)]),
    "radam_create": (c_int32, [POINTER(radam_options), POINTER(c_void_p)]),
    "radam_free": (c_int32, [c_void_p]),
    "radam_set_stream": (c_int32, [c_void_p, c_void_p]),
    "radam_add_param_group": (c_int32, [c_void_p, POINTER(radam_group_options), POINTER(radam_param), c_uint64, POINTER(c_uint32)]),
    "radam_add_params": (c_int32, [c_void_p, c_uint32, POINTER(radam_param), c_uint64, POINTER(c_uint32)]),
    "radam_add_param": (c_int32, [c_void_p, c_uint32, c_int32, c_int32, c_void_p, c_void_p, c_uint64, c_char_p, POINTER(c_uint32)]),
    "radam_set_data": (c_int32, [c_void_p, c_uint32, c_void_p]),
    "radam_set_grad": (c_int32, [c_void_p, c_uint32, c_void_p]),
    "radam_set_tensors": (c_int32, [c_void_p, c_uint32, c_uint64, POINTER(c_void_p), POINTER(c_void_p)]),
    "radam_param_id": (c_int32, [c_void_p, c_char_p, POINTER(c_uint32)]),
    "radam_get_param": (c_int32, [c_void_p, c_uint32, POINTER(c_uint32), POINTER(radam_param)]),
    "radam_param_name": (c_uint64, [c_void_p, c_uint32, POINTER(c_char), c_uint64]),
    "radam_step_count": (c_int32, [c_void_p, c_uint32, POINTER(c_uint64)]),
    "radam_step": (c_int32, [c_void_p]),
    "radam_step_with": (c_int32, [c_void_p, POINTER(radam_step_options), POINTER(radam_step_report)]),
    "radam_step_param": (c_int32, [c_void_p, c_uint32, c_void_p]),
    "radam_step_tensor": (c_int32, [c_void_p, c_uint32, c_void_p, c_void_p, POINTER(radam_step_options), POINTER(radam_step_report)]),
    "radam_set_optimizer_accumulation": (c_int32, [c_void_p, c_int32]),
    "radam_get_optimizer_accumulation": (c_int32, [c_void_p, POINTER(c_int32)]),
    "radam_zero_grad": (c_int32, [c_void_p]),
    "radam_step_begin": (c_int32, [c_void_p, POINTER(radam_step_options)]),
    "radam_step_wave": (c_int32, [c_void_p, POINTER(c_uint64)]),
    "radam_step_chunk": (c_int32, [c_void_p, c_uint64]),
    "radam_step_for": (c_int32, [c_void_p, c_uint64, POINTER(c_uint64)]),
    "radam_step_end": (c_int32, [c_void_p, POINTER(radam_step_report)]),
    "radam_step_abort": (c_int32, [c_void_p]),
    "radam_set_frozen": (c_int32, [c_void_p, c_uint32, c_int32]),
    "radam_get_frozen": (c_int32, [c_void_p, c_uint32, POINTER(c_int32)]),
    "radam_remove_param": (c_int32, [c_void_p, c_uint32]),
    "radam_reset_state": (c_int32, [c_void_p, c_uint32]),
    "radam_set_step_count": (c_int32, [c_void_p, c_uint32, c_uint64]),
    "radam_param_state": (c_int32, [c_void_p, c_uint32, c_int32, POINTER(c_void_p), POINTER(c_int32)]),
    "radam_advice": (c_uint64, [c_void_p, POINTER(c_char), c_uint64]),
    "radam_update": (c_int32, [c_int32, c_int32, c_int32, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_uint64, POINTER(radam_group_options), c_uint64]),
    "radam_update_q8": (c_int32, [c_int32, c_int32, c_void_p, c_void_p, POINTER(c_int8), POINTER(c_uint8), POINTER(c_uint32), c_void_p, c_uint64, POINTER(radam_group_options), c_uint64]),
    "radam_save_options_init": (c_int32, [POINTER(radam_save_options), c_uint32]),
    "radam_load_options_init": (c_int32, [POINTER(radam_load_options), c_uint32]),
    "radam_save": (c_int32, [c_void_p, c_char_p]),
    "radam_save_with": (c_int32, [c_void_p, c_char_p, POINTER(radam_save_options)]),
    "radam_save_to_buffer": (c_int32, [c_void_p, c_void_p, c_uint64, POINTER(c_uint64)]),
    "radam_load": (c_int32, [c_void_p, c_char_p]),
    "radam_load_with": (c_int32, [c_void_p, c_char_p, POINTER(radam_load_options)]),
    "radam_load_shards": (c_int32, [c_void_p, POINTER(c_char_p), c_uint64, POINTER(radam_load_options)]),
    "radam_load_from_buffer": (c_int32, [c_void_p, c_void_p, c_uint64, POINTER(radam_load_options)]),
}
