"""Arrays of others in .npz files: sizes are compared with what is there before memory is taken."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vla_contract.files.errors import FileError
from vla_contract.files.limits import KIB, MIB, in_words
from vla_contract.files.opening import open_file

_END = struct.Struct("<4s4H2IH")
_TABLE_BYTES = 64 * KIB
"""Of the list of a file's parts: about 800 arrays."""
_ALWAYS_BYTES, _RATIO = 64 * MIB, 8
"""Above the first, what is unpacked is at most so many times as large as the file: images and numbers hardly shrink."""
_STEP = MIB


class NpzFile:
    """An open .npz file. Names of its arrays are in ``names``."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, size: int) -> None:
        self._path, self._archive = path, archive
        self._parts = {part.filename.removesuffix(".npy"): part for part in archive.infolist()}
        self.names = tuple(self._parts)
        whole = sum(part.file_size for part in self._parts.values())
        if whole > max(_ALWAYS_BYTES, _RATIO * size):
            raise FileError(f"{path}: {in_words(size)} that would be {in_words(whole)} when unpacked")

    def read(self, name: str) -> np.ndarray:
        """An array. KeyError where there is none of that name, FileError where its header does not fit its bytes."""
        part = self._parts[name]
        try:
            with self._archive.open(part) as file:
                shape, is_fortran, kind = _header(file)
                size = math.prod(shape) * kind.itemsize
                if kind.hasobject or kind.itemsize == 0 or min(shape, default=0) < 0 or size != part.file_size - file.tell():
                    raise ValueError(f"an array of shape {shape}, {kind}, in {part.file_size} bytes")
                data = bytearray(size)
                done = 0
                while done < size:
                    block = file.read(min(_STEP, size - done))
                    if not block:
                        raise ValueError(f"cut short after {done} of {size} bytes")
                    data[done : done + len(block)] = block
                    done += len(block)
            return np.frombuffer(data, kind).reshape(shape, order="F" if is_fortran else "C")
        except _DAMAGE as error:
            raise FileError(f"{self._path}: {name}: {error or type(error).__name__}") from None


_DAMAGE = (
    ValueError, TypeError, OSError, EOFError, RuntimeError, NotImplementedError, MemoryError, OverflowError, SyntaxError,
    struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip


@contextmanager
def open_npz(path: str | Path, most_bytes: int) -> Iterator[NpzFile]:
    """A .npz file, without pickle. Raises FileError for another one, or one that unpacks to much more than it is; OSError."""
    path = Path(path)
    with open_file(path, most_bytes) as file:
        size = file.seek(0, 2)
        try:
            _check_table(file, size)
            archive = zipfile.ZipFile(file)
        except _DAMAGE as error:
            raise FileError(f"{path}: no .npz file ({error or type(error).__name__})") from None
        with archive:
            yield NpzFile(path, archive, size)


def _check_table(file: BinaryIO, size: int) -> None:
    """The list of parts is read whole by zipfile: its size is looked at first."""
    tail_size = min(size, _END.size + 0xFFFF + 20)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\x05\x06":
        at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + _END.size > len(tail):
        raise ValueError("no end of a zip file")
    table = _END.unpack_from(tail, at)[5]
    if table > _TABLE_BYTES or tail[max(0, at - 20) : at].startswith(b"PK\x06\x07"):
        raise ValueError("a list of too many parts")


def _header(file) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"version {version} of the format")
    try:
        return read(file)
    except RecursionError:
        raise ValueError("a header nested too deeply") from None
