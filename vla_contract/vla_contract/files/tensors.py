"""Safetensors of others, before their library opens them: a regular file, whose header is no larger than any of ours."""

from __future__ import annotations

import struct
from pathlib import Path

from vla_contract.files.errors import FileError
from vla_contract.files.limits import CHECKPOINT, METADATA, in_words, scaled
from vla_contract.files.opening import open_file

_HEADER = 8 * METADATA
"""Names, shapes and metadata [bytes]."""


def check_tensors(path: str | Path) -> None:
    """Raises FileError for what is no safetensors file, or says more of itself than is read; OSError."""
    with open_file(path, CHECKPOINT) as file:
        head = file.read(8)
        size = file.seek(0, 2)
    told = struct.unpack("<Q", head)[0] if len(head) == 8 else size
    if told > size - 8:
        raise FileError(f"{path}: not a safetensors file")
    if told > scaled(_HEADER):
        raise FileError(f"{path}: a header of {in_words(told)}, at most {in_words(scaled(_HEADER))} are read")
