"""Fills the library's structs from keywords, and makes Python values of them."""

import ctypes
from typing import Any, Dict, Mapping, Type, TypeVar

from . import _api
from ._api import TOGGLES, DType, Toggle
from ._arrays import dtype_of, is_q8, number, unsigned
from ._errors import check, refuse
from ._library import lib
from ._types import GroupOptions

Report = TypeVar("Report")

INTERNAL = ("struct_size", "reserved")


def new(struct: Any) -> Any:
    """A struct with the defaults of the library."""
    made = struct()
    check(getattr(lib, struct.__name__ + "_init")(made, ctypes.sizeof(struct)))
    return made


def filled(struct: Any, options: Mapping[str, Any]) -> Any:
    made = new(struct)
    fill(made, options)
    return made


def fill(made: Any, options: Mapping[str, Any]) -> None:
    names = list(values(made))
    for name, value in options.items():
        if name not in names:
            raise TypeError(f"there is no option {name!r}; there are {', '.join(names)}")
        setattr(made, name, to_c(name, value))


def values(struct: Any) -> Dict[str, Any]:
    """The fields that mean something to a caller."""
    return {field[0]: getattr(struct, field[0]) for field in struct._fields_ if field[0] not in INTERNAL}


def toggle(name: str, value: Any) -> int:
    if value is None:
        return Toggle.AUTO
    if not isinstance(value, bool):
        raise refuse(f"{name} is {value!r}; it must be True, False or None")
    return Toggle.ON if value else Toggle.OFF


def to_c(name: str, value: Any) -> Any:
    if name in TOGGLES:
        return toggle(name, value)
    if name == "state_dtype":
        if value is None:
            return 0
        return DType.Q8 if is_q8(value) else dtype_of(value, name)
    if name == "grad_sums":
        return None if value is None else ctypes.pointer(sums_struct(value, name))
    if name == "seed":
        return unsigned(value, name)
    return number(value, name)


def sums_struct(sums: Any, what: str) -> _api.radam_grad_sums:
    struct = getattr(sums, "_struct", None)
    if not isinstance(struct, _api.radam_grad_sums):
        raise refuse(f"{what} is a {type(sums).__name__}; it must be a GradSums")
    return struct


def to_python(name: str, value: Any) -> Any:
    if name in TOGGLES:
        return None if value == Toggle.AUTO else value == Toggle.ON
    if name == "state_dtype":
        return DType(value) if value else None
    return value


def group_options(struct: _api.radam_group_options) -> GroupOptions:
    fields: Any = {name: to_python(name, value) for name, value in values(struct).items()}
    return fields


def report(struct: Any, type_: Type[Report]) -> Report:
    fields = values(struct)
    for flag in ("skipped", "rectified"):
        if flag in fields:
            fields[flag] = bool(fields[flag])
    return type_(**fields)
