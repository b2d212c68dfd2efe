"""Checkpoints: the state, step counts and options in files and in memory."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Optional, Sequence, Union

from . import _api
from ._api import Status
from ._errors import Error
from ._library import lib
from ._params import Params
from ._structs import new

Path = Union[str, bytes, "os.PathLike[str]"]
# Called with the bytes done and the total after about every MiB. False cancels; an exception does too, and is raised.
Progress = Callable[[int, int], Optional[bool]]


class Checkpoints(Params):
    def save(self, path: Path, progress: Optional[Progress] = None) -> None:
        """Writes a checkpoint; the parameters themselves are yours to save. The file appears whole or not at all."""
        options = new(_api.radam_save_options)
        with reporting(progress, options):
            self._call(lib.radam_save_with, encoded(path), options)

    def save_to_bytes(self) -> bytes:
        """The same in memory."""
        with self._lock:
            size = self._get_size()
            buffer = ctypes.create_string_buffer(size)
            written = ctypes.c_uint64()
            self._call(lib.radam_save_to_buffer, buffer, size, written)
            return buffer.raw[: written.value]

    def _get_size(self) -> int:
        size = ctypes.c_uint64()
        self._call(lib.radam_save_to_buffer, None, 0, size)
        return size.value

    def load(self, path: Path, progress: Optional[Progress] = None, *, strict: bool = True,
             hyperparameters: bool = True, convert_state: bool = False) -> None:
        """Loads a checkpoint into an optimizer that already has its groups and parameters, which are found by name.

        strict False: parameters that are only in one of the two are left alone. hyperparameters False: the optimizer
        keeps its own options. convert_state: state that the optimizer has in another state_dtype, such as "q8", is
        converted.
        """
        with self._loading(progress, strict, hyperparameters, convert_state) as options:
            self._call(lib.radam_load_with, encoded(path), options)

    def load_shards(self, paths: Sequence[Path], progress: Optional[Progress] = None, *, strict: bool = True,
                    hyperparameters: bool = True, convert_state: bool = False) -> None:
        """Loads the checkpoints of several processes, each of which saved its own shards."""
        if isinstance(paths, (str, bytes, os.PathLike)):
            raise TypeError(f"paths is {paths!r}; it must be a sequence of paths")
        names = (ctypes.c_char_p * len(paths))(*[encoded(path) for path in paths])
        with self._loading(progress, strict, hyperparameters, convert_state) as options:
            self._call(lib.radam_load_shards, names, len(paths), options)

    def load_from_bytes(self, checkpoint: bytes, progress: Optional[Progress] = None, *, strict: bool = True,
                        hyperparameters: bool = True, convert_state: bool = False) -> None:
        if not isinstance(checkpoint, bytes):
            raise TypeError(f"checkpoint is a {type(checkpoint).__name__}; it must be bytes")
        with self._loading(progress, strict, hyperparameters, convert_state) as options:
            self._call(lib.radam_load_from_buffer, checkpoint, len(checkpoint), options)

    @contextmanager
    def _loading(
        self, progress: Optional[Progress], strict: bool, hyperparameters: bool, convert_state: bool
    ) -> Iterator[Any]:
        options = new(_api.radam_load_options)
        options.strict, options.hyperparameters = bool(strict), bool(hyperparameters)
        options.convert_state = bool(convert_state)
        with reporting(progress, options):
            yield options


def encoded(path: Path) -> bytes:
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError(f"path is {path!r}; it must not contain NUL")
    return name


@contextmanager
def reporting(progress: Optional[Progress], options: Any) -> Iterator[None]:
    """Sets the callback for the call inside. An exception of it ends the call, and is raised when C is left."""
    raised: List[BaseException] = []

    def call(done: int, total: int, _user: Any) -> int:
        try:
            return 1 if progress is not None and progress(done, total) is False else 0
        except BaseException as error:
            raised.append(error)
            return 1

    if progress is not None:
        options.progress = type(options.progress)(call)
    try:
        yield
    except Error:
        if raised:
            raise raised[0] from None
        raise
