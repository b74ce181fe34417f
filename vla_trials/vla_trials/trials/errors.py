"""What a user can get wrong about trials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class TrialsError(ValueError):
    """A request that cannot be. The message names the offender and what is allowed."""


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """A write that fails, as on a full disk, names this file or folder where the error itself names none."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        words = error.strerror or str(error)
        raise OSError(error.errno, words, str(path)) from None
