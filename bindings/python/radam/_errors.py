"""The library's errors as exceptions."""

import ctypes
import re
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


# What has another name here than in C. Parameters are added one by one, so that "params[0]." says nothing.
NAMES = {
    **{"params[0].": "", "->": ".", "NULL": "None", "opt": "the optimizer", "first_param": "first"},
    **{"radam_step_begin": "sliced_step", "radam_step_wave": "waves", "radam_step_chunk": "chunk"},
    **{"radam_step_end": "end", "radam_step_abort": "abort", "radam_step_param": "step_tensor"},
}


def in_python(sentence: str) -> str:
    """A sentence of the library's in the names of this package, apart from what it quotes, which is the caller's."""
    words = r'"[^"]*"|params\[0\]\.|->|\w+'
    return re.sub(words, lambda match: NAMES.get(match[0], match[0].removeprefix("radam_")), sentence)


def check(status: int, handle: Optional[int] = None) -> None:
    if status == Status.OK:
        return
    # This thread's own sentence, which other threads do not replace. It is cut at 2048 bytes; the handle has it whole.
    message = text_from(lib.radam_last_error, None)
    if handle is not None:
        whole = text_from(lib.radam_last_error, handle)
        if whole.startswith(message):
            message = whole
    if status == Status.INVALID_HANDLE:
        message = "the optimizer has been closed"
    raise Error(status, in_python(message))


def refuse(message: str) -> Error:
    """For arguments that only this package can check."""
    return Error(Status.INVALID_ARGUMENT, message)
