"""Opens files that others may have made: regular ones only, of a bounded size.

A named pipe would hang whoever opens it, a device never ends, and opening some devices does something.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vla_contract.files.errors import FileError
from vla_contract.files.limits import MIB, in_words, scaled

_KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)  # fmt: skip
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)  # fmt: skip
_HOLE_BYTES, _HOLE_SHARE = 64 * MIB, 32
"""Of a file above this size less than this share on the disk: nothing that a recorder or a training wrote."""
_BLOCK = 1 << 20


def kind_of(mode: int) -> str:
    """Of a file's mode, in words; empty for a regular file."""
    return next((words for check, words in _KINDS if check(mode)), "" if stat.S_ISREG(mode) else "no file")


def check_regular(path: str | Path, found: os.stat_result, most_bytes: int | None) -> None:
    """Raises FileError for what is no regular file, or is larger than ``most_bytes``."""
    kind = kind_of(found.st_mode)
    if kind:
        raise FileError(f"{path}: {kind}; a file is needed")
    if most_bytes is not None and found.st_size > scaled(most_bytes):
        raise too_large(path, found.st_size, most_bytes)


def _check_hole(path: str | Path, descriptor: int) -> None:
    """Raises FileError for a file that is nearly nothing but a hole: it costs nothing to make, and hours to read."""
    found = os.fstat(descriptor)
    if found.st_size <= _HOLE_BYTES or found.st_blocks * 512 * _HOLE_SHARE >= found.st_size:
        return
    begin = os.lseek(descriptor, 0, os.SEEK_HOLE)  # its end on file systems that do not tell, which may not count blocks either
    os.lseek(descriptor, 0, os.SEEK_SET)
    if begin * _HOLE_SHARE < found.st_size:
        raise FileError(f"{path}: {in_words(found.st_size)}, of which {in_words(found.st_blocks * 512)} are on the disk: a hole")


def too_large(path: str | Path, size: int, most_bytes: int) -> FileError:
    """What is raised for a file above its limit, before ``scaled``."""
    return FileError(
        f"{path}: {in_words(size)}, at most {in_words(scaled(most_bytes))} are read; VLA_READ_LIMITS=FACTOR raises the limits, "
        "for a file that you trust"
    )


def open_file(path: str | Path, most_bytes: int | None = None) -> BinaryIO:
    """A regular file, for reading.

    Args:
        most_bytes: Largest size, one of `limits`; None: whatever it is.

    Raises:
        FileError: See ``check_regular``; or it is a hole. OSError: It is not there, or cannot be opened.
    """
    check_regular(path, os.stat(path), most_bytes)  # before it is opened, which alone does something to some devices
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        check_regular(path, os.fstat(descriptor), most_bytes)
        _check_hole(path, descriptor)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """What is left of a file, a MiB at a time."""
    while block := file.read(_BLOCK):
        yield block


def read_bytes(path: str | Path, most_bytes: int) -> bytes:
    """All of a file. Raises as ``open_file``, also for a file that has more than its size says."""
    parts, size = [], 0
    with open_file(path, most_bytes) as file:
        for block in blocks(file):
            parts.append(block)
            size += len(block)
            if size > scaled(most_bytes):
                raise too_large(path, size, most_bytes)
    return b"".join(parts)


def read_text(path: str | Path, most_bytes: int) -> str:
    """All of a file, UTF-8 with or without a byte-order mark. Raises as ``open_file``, and FileError for another encoding."""
    return text_of(read_bytes(path, most_bytes), path)


def text_of(data: bytes, where: str | Path) -> str:
    """UTF-8 as text, a byte-order mark left out. FileError names another encoding's mark, or the first byte that is wrong."""
    mark = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if mark is not None:
        raise FileError(f"{where}: begins with the byte-order mark of {mark}; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{where}: not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x})") from None


def sha256_of(path: str | Path, most_bytes: int | None = None) -> str:
    """64 hex digits, without the whole file in memory. Raises as ``open_file``."""
    digest = hashlib.sha256()
    with open_file(path, most_bytes) as file:
        for block in blocks(file):
            digest.update(block)
    return digest.hexdigest()
