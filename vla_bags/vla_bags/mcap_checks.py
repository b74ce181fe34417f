"""What an MCAP file says of its own bytes: checksums of its chunks, its data and its summary, and how many messages it has.

A checksum of 0 stands for none. Format: https://mcap.dev/spec.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Sequence

from vla_bags.entries import BagError
from vla_bags.mcap_bytes import RECORD
from vla_bags.mcap_parts import Part

DATA_END, STATISTICS, FOOTER = 15, 11, 2
_FOOTER_FIELDS = struct.Struct("<QQ")  # what of a footer the checksum of the summary covers
_BLOCK_BYTES = 1 << 16


def check_bytes(fd: int, start: int, end: int, crc: int, where: str) -> None:
    """Compares bytes of a file, start included and end not, with their checksum. Raises BagError where it is another."""
    found, position = 0, start
    while crc and position < end:
        block = os.pread(fd, min(_BLOCK_BYTES, end - position), position)
        if not block:
            break
        found, position = zlib.crc32(block, found), position + len(block)
    if found != crc:
        raise BagError(f"{where} is damaged: its checksum is wrong")


def unchecked(parts: Sequence[Part]) -> list[str]:
    """Which of a file's parts have no checksum, in words. A chunk of no bytes needs none."""
    chunks = [part for part in parts if not part.is_loose and part.plain_size]
    without = sum(not part.crc for part in chunks)
    loose = sum(count for part in parts if part.is_loose for _, count in part.index.values())
    found = []
    if without:
        found.append(f"{without} of {len(chunks)} chunks carry no checksum: damage in them would not be noticed")
    if loose:
        found.append(f"{loose} messages outside chunks carry no checksum: damage in them would not be noticed")
    return found


class EndOfFile:
    """What stands behind the messages of one file, as it is met.

    Args:
        fd: The file.
        path: What errors call it.
    """

    def __init__(self, fd: int, path: object) -> None:
        self._fd, self._path = fd, path
        self._told: dict[int, tuple[int, bytes]] = {}

    def note(self, opcode: int, position: int, length: int) -> None:
        """A record of DATA_END, STATISTICS or FOOTER that begins there; the later of two counts."""
        self._told[opcode] = position, os.pread(self._fd, min(length, 64), position + RECORD.size)

    @property
    def has_data_checksum(self) -> bool:
        """One checksum covers all that stands before it; True after `check` means that it is right."""
        return DATA_END in self._told and self._told[DATA_END][1][:4] != bytes(4)

    def check(self, messages: int) -> None:
        """Raises BagError where the file does not hold what it says, struct.error where it says nothing whole.

        messages: How many there are.
        """
        if DATA_END in self._told:
            end, data = self._told[DATA_END]
            check_bytes(self._fd, 0, end, struct.unpack_from("<I", data)[0], f"{self._path}: the data up to byte {end}")
        if FOOTER in self._told:
            position, data = self._told[FOOTER]
            start, _ = _FOOTER_FIELDS.unpack_from(data)
            (crc,) = struct.unpack_from("<I", data, _FOOTER_FIELDS.size)
            end = position + RECORD.size + _FOOTER_FIELDS.size
            check_bytes(self._fd, start or position, end, crc, f"{self._path}: the summary at byte {start or position}")
        if STATISTICS in self._told:
            (told,) = struct.unpack_from("<Q", self._told[STATISTICS][1])
            if told != messages:
                raise BagError(f"{self._path}: damaged: it says that it has {told} messages, and {messages} are found")
