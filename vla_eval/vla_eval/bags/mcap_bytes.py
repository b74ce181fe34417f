"""Bytes of MCAP records: what a chunk holds, unpacked and checked, and the errors of bytes that are not what they should be."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from vla_eval.bags.entries import BagError

MESSAGE = 5
RECORD = struct.Struct("<BQ")
MESSAGE_HEAD = struct.Struct("<HIQQ")
MOST_PLAIN_BYTES = 1 << 32
"""A chunk that says that it is larger when unpacked is damaged [bytes]."""
DAMAGE = (BagError, struct.error, ValueError, OverflowError, MemoryError)
"""What comes of reading damaged bytes."""


def words_of(error: Exception) -> str:
    """Never empty."""
    return str(error) or type(error).__name__


def unpacked(data: bytes, compression: str, plain_size: int, crc: int, where: str) -> bytes:
    """The records of a chunk.

    Args:
        compression: "", "lz4" or "zstd".
        plain_size: What the chunk says that it has when unpacked [bytes].
        crc: Checksum of the unpacked bytes; 0: none.
        where: For the message of an error.

    Raises:
        BagError: Damaged, or compressed by something else.
    """
    if compression not in ("", "lz4", "zstd"):
        raise BagError(f"{where} is compressed by {compression!r}; known are lz4 and zstd")
    if plain_size > MOST_PLAIN_BYTES:
        raise BagError(f"{where} is damaged: it would have {plain_size} bytes")
    try:
        if compression == "zstd":
            import zstandard

            data = zstandard.decompress(data, max_output_size=plain_size)
        elif compression == "lz4":
            import lz4.frame

            data = lz4.frame.decompress(data)
    except Exception as error:  # each of the two has errors of its own
        raise BagError(f"{where} is damaged: {words_of(error)}") from None
    if len(data) != plain_size or (crc and zlib.crc32(data) != crc):
        raise BagError(f"{where} is damaged: its checksum is wrong")
    return data


def records(data: bytes, where: str) -> Iterator[tuple[int, int, int]]:
    """(opcode, start, end) of the records in a chunk. Raises BagError at one that is not whole."""
    position = 0
    while position + RECORD.size <= len(data):
        opcode, length = RECORD.unpack_from(data, position)
        start, end = position + RECORD.size, position + RECORD.size + length
        if end > len(data) or (opcode == MESSAGE and length < MESSAGE_HEAD.size):
            raise BagError(f"{where} is damaged: a record of {length} bytes, {position} bytes into it")
        yield opcode, start, end
        position = end


def text(data: bytes, position: int) -> tuple[str, int]:
    """A text that has its length before it, and where it ends. Raises struct.error or ValueError where it is not whole."""
    (size,) = struct.unpack_from("<I", data, position)
    start = position + 4
    if start + size > len(data):
        raise ValueError(f"a text of {size} bytes where {len(data) - start} are left")
    return data[start : start + size].decode(errors="replace"), start + size
