"""The error of files of others."""

from __future__ import annotations


class FileError(ValueError):
    """A file that is not read or written: of another kind, too large, or not what its name says. The message names it."""
