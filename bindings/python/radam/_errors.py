"""The library's errors as exceptions."""

import ctypes
from typing import Any, Callable, Optional, Union

from ._api import Status
from ._library import lib


class Error(Exception):
    """A call that failed, and changed nothing. `status` tells the kind; the text is the library's sentence."""

    status: Union[Status, int]

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        try:
            self.status = Status(status)
        except ValueError:  # one that a later version has added
            self.status = status

    def __reduce__(self) -> Any:
        return Error, (int(self.status), str(self))


def text_from(function: Callable[..., int], *arguments: Any) -> str:
    """The text that a function copies into a buffer and whose size it returns."""
    size = function(*arguments, None, 0)
    while True:
        buffer = ctypes.create_string_buffer(size)
        wanted = function(*arguments, buffer, size)
        if wanted <= size:
            return buffer.value.decode(errors="replace")
        size = wanted  # it has grown in between


def check(status: int, handle: Optional[int] = None) -> None:
    if status == Status.OK:
        return
    # This thread's own sentence, which other threads do not replace. It is cut at 2048 bytes; the handle has it whole.
    message = text_from(lib.radam_last_error, None)
    if handle is not None:
        whole = text_from(lib.radam_last_error, handle)
        if whole.startswith(message):
            message = whole
    raise Error(status, message)


def refuse(message: str) -> Error:
    """For arguments that only this package can check."""
    return Error(Status.INVALID_ARGUMENT, message)
