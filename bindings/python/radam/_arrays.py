"""What of an array the library sees: its address, dtype and length."""

import operator
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from ._api import DType
from ._errors import refuse

DTypeLike = Union[DType, str, np.dtype, type]

NAMES = {
    **{"f32": DType.F32, "f64": DType.F64, "f16": DType.F16, "bf16": DType.BF16},
    **{"float32": DType.F32, "float64": DType.F64, "float16": DType.F16, "bfloat16": DType.BF16},
}


def bfloat16() -> np.dtype:
    """That of ml_dtypes, or uint16 where it is not installed."""
    try:
        import ml_dtypes
    except ImportError:
        return np.dtype(np.uint16)
    return np.dtype(ml_dtypes.bfloat16)


def is_q8(dtype: Any) -> bool:
    return dtype is DType.Q8 or (isinstance(dtype, str) and dtype == "q8")


def numpy_dtype(dtype: int) -> np.dtype:
    if dtype == DType.BF16:
        return bfloat16()
    return np.dtype({DType.F32: np.float32, DType.F64: np.float64, DType.F16: np.float16}[DType(dtype)])


def dtype_of(given: Any, what: str) -> DType:
    """The dtype that a name, a NumPy dtype or a DType means."""
    if is_q8(given):
        raise refuse(f"{what} is q8, which is for state_dtype only; it must be float32, float64, float16 or bfloat16")
    if isinstance(given, DType):
        return given
    if given is None:  # which is float64 to NumPy
        raise refuse(f"{what} is None; it must be float32, float64, float16 or bfloat16")
    name = given if isinstance(given, str) and given in NAMES else np.dtype(given).name
    if name not in NAMES:
        hint = '; for bfloat16 in a uint16 array, pass "bf16" as its dtype' if name == "uint16" else ""
        raise refuse(f"{what} is {name}; it must be float32, float64, float16 or bfloat16{hint}")
    return NAMES[name]


def unsigned(value: Any, what: str, bits: int = 64) -> int:
    """ctypes would cut a number that does not fit."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} is a {type(value).__name__}; it must be an int") from None
    if not 0 <= number < 2**bits:
        raise refuse(f"{what} is {number}; it must be at least 0 and below 2^{bits}")
    return number


def number(value: Any, what: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what} is {value!r}; it must be a number") from None


def text(value: Any, what: str) -> bytes:
    """C reads a string up to its first NUL."""
    if not isinstance(value, str) or "\0" in value:
        raise refuse(f"{what} is {value!r}; it must be a str without NUL")
    return value.encode()


# The elements of the arrays of 8-bit state, and the elements of a tensor that share one of state_scale.
Q8_ARRAYS = {"exp_avg": np.int8, "exp_avg_sq": np.uint8, "state_scale": np.uint32}
BLOCK = 128


def state_len(which: str, len_: int) -> int:
    """The length of an array of the state of a parameter."""
    return -(-len_ // BLOCK) if which == "state_scale" else len_


class Buffer(NamedTuple):
    address: int
    dtype: DType  # Q8 for all that is not of floats
    len: int
    owner: Any  # keeps the memory


def borrow(array: Any, what: str, dtype: Optional[DTypeLike] = None, writeable: bool = True) -> Buffer:
    """Checks that the library can use an array as it is. A dtype is needed only for bfloat16 in a uint16 array."""
    if not isinstance(array, np.ndarray):
        raise refuse(f"{what} is a {type(array).__name__}; it must be a numpy array")
    wanted = None if dtype is None else dtype_of(dtype, f"the dtype of {what}")
    is_bits = wanted == DType.BF16 and array.dtype == np.uint16
    found = DType.BF16 if is_bits else dtype_of(array.dtype, what)
    if wanted not in (None, found):
        raise refuse(f"{what} is {array.dtype.name}; it must be {numpy_dtype(wanted).name}")
    return buffer(array, what, found, writeable)


def buffer(array: np.ndarray, what: str, dtype: DType, writeable: bool = True) -> Buffer:
    if not array.flags.c_contiguous:
        raise refuse(f"{what} has strides {array.strides}; it must be contiguous (numpy.ascontiguousarray copies)")
    if not array.dtype.isnative:
        raise refuse(f"{what} has the byte order of another machine; it must be that of this one")
    if writeable and not array.flags.writeable:
        raise refuse(f"{what} is read-only; it must be writeable")
    return Buffer(array.__array_interface__["data"][0], dtype, array.size, array)


def if_bits(array: Any, dtype: Optional[DTypeLike]) -> Optional[DTypeLike]:
    """The dtype for an array of bits, which cannot tell its own."""
    return dtype if getattr(array, "dtype", None) == np.uint16 else None


def borrow_grad(
    array: Any, what: str, data: Buffer, dtype: Optional[DTypeLike], grad_dtype: Optional[DTypeLike], writeable: bool
) -> Buffer:
    """A gradient of its parameter's dtype, or of another one that was named: NumPy often makes float64 by mistake."""
    buffer = borrow(array, what, grad_dtype or if_bits(array, dtype), writeable)
    if grad_dtype is None and buffer.dtype != data.dtype:
        names = [numpy_dtype(each).name for each in (buffer.dtype, data.dtype)]
        raise refuse(f"{what} is {names[0]}, and the parameter {names[1]}; if that is meant, pass grad_dtype too")
    return buffer


def integers(array: Any, what: str, of_array: type, why: str) -> Buffer:
    """An array of state whose elements have no DType."""
    if not isinstance(array, np.ndarray) or array.dtype != of_array:
        name = np.dtype(of_array).name
        raise refuse(f"{what} must be {'an' if name[0] == 'i' else 'a'} {name} array, since {why}")
    return buffer(array, what, DType.Q8)


def remainder(array: Any) -> Buffer:
    return integers(array, "kahan_comp", np.int16, "master_remainder is on")


def code(array: Any, what: str) -> Buffer:
    return integers(array, what, Q8_ARRAYS[what], "the state is of 8 bits")


def of_param(array: Any, what: str, name: str, dtype: int, len_: int, writeable: bool = True) -> Buffer:
    """An array that must fit a parameter."""
    buffer = borrow(array, f'{what} of "{name}"', DType(dtype), writeable)
    if buffer.len != len_:
        raise refuse(f'{what} of "{name}" has {buffer.len} elements; it must have {len_}')
    return buffer
