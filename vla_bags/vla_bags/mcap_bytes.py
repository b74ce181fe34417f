"""Bytes of MCAP records: what a chunk holds, unpacked and checked, and the errors of bytes that are not what they should be."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from vla_bags.entries import BagError
from vla_contract.files.limits import CHUNK, in_words, scaled

MESSAGE = 5
RECORD = struct.Struct("<BQ")
MESSAGE_HEAD = struct.Struct("<HIQQ")
SMALLEST_RECORD = RECORD.size + MESSAGE_HEAD.size
"""Of a message [bytes]."""
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
    check_size(plain_size, where)
    try:
        if compression == "zstd":
            import zstandard

            # What the frame itself says goes before max_output_size, and nobody has looked at it.
            if zstandard.frame_content_size(data) not in (-1, plain_size):
                raise ValueError(f"it would have {zstandard.frame_content_size(data)} bytes, and says {plain_size}")
            data = zstandard.decompress(data, max_output_size=plain_size)
        elif compression == "lz4":
            import lz4.frame

            unpacker = lz4.frame.LZ4FrameDecompressor()
            data = unpacker.decompress(data, max_length=plain_size + 1)
            if not unpacker.eof and len(data) <= plain_size:
                data += unpacker.decompress(b"", max_length=plain_size + 1 - len(data))
            if not unpacker.eof:
                raise ValueError(f"it would have more than {plain_size} bytes" if len(data) > plain_size else "cut short")
    except Exception as error:  # each of the two has errors of its own
        raise BagError(f"{where} is damaged: {words_of(error)}") from None
    if len(data) != plain_size or (crc and zlib.crc32(data) != crc):
        raise BagError(f"{where} is damaged: its checksum is wrong")
    return data


def check_size(plain_size: int, where: str) -> None:
    """Raises BagError for more than a chunk may have."""
    if plain_size > scaled(CHUNK):
        raise BagError(
            f"{where} is damaged or too large: it would have {plain_size} bytes, at most {in_words(scaled(CHUNK))} are read; "
            "VLA_READ_LIMITS=FACTOR raises the limits"
        )


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
