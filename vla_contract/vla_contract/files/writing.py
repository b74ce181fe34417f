"""Writes files into folders that others may have made: whole or not at all, and never through a link that lies there."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vla_contract.files.errors import FileError
from vla_contract.files.opening import kind_of

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_END = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def fresh(path: str | Path) -> Iterator[Path]:
    """A new, empty file under a random name beside ``path``, to be written to by name; at the end it takes the place of ``path``.

    A link at ``path`` is replaced, and what it leads to is left alone. Where the body raises, nothing has changed. What the user
    names below /dev (/dev/stdout) is written to as it is.

    Raises:
        FileError: There is something else than a file. OSError: It cannot be written; names ``path``.
    """
    path = Path(path)
    if _is_device(path):
        with _named(path, path):
            yield path
        return
    draft = path.with_name(f".{path.stem[:100]}.{secrets.token_hex(8)}{path.suffix}")
    with _named(path, draft):
        os.close(os.open(draft, _NEW, 0o666))
    try:
        with _named(path, draft):
            yield draft
            os.replace(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Whole or not at all. Makes the folder. Raises as ``fresh``."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with fresh(path) as draft, open(draft, "wb") as file:
        file.write(data)


def write_text(path: str | Path, text: str) -> None:
    """As ``write_bytes``, in UTF-8; what UTF-8 cannot hold (half of a surrogate pair) is escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def open_new(path: str | Path) -> BinaryIO:
    """A new, empty file in the place of what is there, for what is to be seen while it grows, as a log. Raises as ``fresh``."""
    with fresh(path) as draft:
        return open(draft, "wb")


def open_append(path: str | Path) -> BinaryIO:
    """A file to add to, unbuffered; made where it is absent.

    Raises:
        FileError: A link, symbolic or hard, or no file: what is added would go somewhere else, too. OSError.
    """
    try:
        descriptor = os.open(path, _END, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileError(f"{path}: a symbolic link; nothing is written through it, remove it first") from None
        if error.errno == errno.ENXIO:
            raise FileError(f"{path}: a named pipe or a socket; a file is needed") from None
        raise
    try:
        found = os.fstat(descriptor)
        kind = "" if _is_below_dev(path) else kind_of(found.st_mode)
        if kind:
            raise FileError(f"{path}: {kind}; a file is needed")
        if found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
            raise FileError(f"{path}: has {found.st_nlink} names (hard links), and all would be added to; copy the file first")
        return os.fdopen(descriptor, "ab", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def own_folder(folder: str | Path, name: str) -> Path:
    """A folder of this name in ``folder``, made where it is absent. FileError where a link or a file is in its place."""
    path = Path(folder) / name
    if path.is_symlink():
        raise FileError(f"{path}: a symbolic link; nothing is written through it, remove it first")
    path.mkdir(parents=True, exist_ok=True)
    return path


def _is_device(path: Path) -> bool:
    """Whether what is there is to be written to as it is. FileError for what is neither that nor a file."""
    try:
        found = path.stat()
    except OSError:
        return False
    kind = kind_of(found.st_mode)
    if not kind:
        return False
    if _is_below_dev(path) and not stat.S_ISDIR(found.st_mode):
        return True
    if path.is_symlink() and not stat.S_ISDIR(found.st_mode):
        return False  # replaced
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise FileError(f"{path}: {kind}; a file is needed")


def _is_below_dev(path: str | Path) -> bool:
    return Path(path).is_absolute() and Path(path).parts[1:2] == ("dev",)


@contextmanager
def _named(path: Path, draft: Path) -> Iterator[None]:
    """Errors name the file that was asked for, and not its draft."""
    try:
        yield
    except OSError as error:
        if error.filename is None or os.fspath(error.filename) == str(draft):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from None
        raise
