"""How large an image is, read from its first bytes: a PNG of a kilobyte can stand for gigabytes of pixels."""

from __future__ import annotations

import struct

import numpy as np

from vla_contract.files.errors import FileError
from vla_contract.files.limits import MOST_PIXELS, scaled

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that tell its size (start of frame, of any kind)."""
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a length."""


class PixelsError(FileError):
    """Bytes that are no PNG or JPEG, or of too many pixels. The message does not say where: whoever reads adds that."""


def image_size(data: bytes | np.ndarray) -> tuple[int, int]:
    """Width and height of a PNG or JPEG. Raises PixelsError for anything else, and for more than `limits.MOST_PIXELS`."""
    data = memoryview(data)
    head = bytes(data[:24])
    if head.startswith(_PNG) and len(head) == 24:
        width, height = struct.unpack(">II", head[16:])
    elif head.startswith(_JPEG):
        width, height = _jpeg_size(data)
    else:
        raise PixelsError(f"{len(data)} bytes are no JPEG or PNG image")
    if width < 1 or height < 1:
        raise PixelsError(f"an image of {width} x {height} pixels")
    if width * height > scaled(MOST_PIXELS):
        raise PixelsError(f"{width} x {height} pixels, at most {scaled(MOST_PIXELS) / 1e6:g} million are unpacked")
    return width, height


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes
            position += 1
        elif marker in _BARE:
            position += 2
        elif marker in _SIZES:
            height, width = struct.unpack(">HH", bytes(data[position + 5 : position + 9]))
            return width, height
        else:
            (length,) = struct.unpack(">H", bytes(data[position + 2 : position + 4]))
            position += 2 + max(length, 2)
    raise PixelsError("a JPEG image that does not tell its size")
