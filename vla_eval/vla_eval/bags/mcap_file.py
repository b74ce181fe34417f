"""One MCAP file, read without its index, so that a file cut short by a kill is read by the same code as a whole one.

Format: https://mcap.dev/spec. At opening only the heads of records are read; chunks are skipped over.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vla_eval.bags.entries import BagError

MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _MESSAGE_INDEX, _METADATA, _DATA_END, _FOOTER = 3, 4, 5, 6, 7, 12, 15, 2
_RECORD = struct.Struct("<BQ")
_MESSAGE_HEAD = struct.Struct("<HIQQ")
_CHUNK_HEAD = struct.Struct("<QQQII")  # ends with the length of the compression's name
_HEAD_BYTES = 128
_LOOSE_BYTES = 1 << 20
"""Messages outside chunks are read together up to this size [bytes]."""


@dataclass
class Channel:
    """A topic as one file numbers it."""

    topic: str
    type: str
    encoding: str
    definition: str


@dataclass
class Part:
    """A stretch of records: a chunk, or messages outside chunks. Offsets and sizes in bytes, times in ns."""

    start_ns: int
    end_ns: int
    offset: int
    size: int
    compression: str = ""
    plain_size: int = 0
    crc: int = 0
    index: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Of each channel: where its list of messages is in the file (0: nowhere), and how many they are."""


class McapFile:
    """Heads of all that is whole in one file.

    Attributes:
        parts: In the order of the file.
        channels: By number.
        counts: Messages by channel number.
        metadata: All metadata records merged, later ones over earlier ones.
        truncated: The file has no end: its writer was killed or is still at work.

    Raises:
        BagError: Not an MCAP file, or damaged.
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts: list[Part] = []
        self.channels: dict[int, Channel] = {}
        self.counts: dict[int, int] = {}
        self.metadata: dict[str, str] = {}
        self.truncated = False
        self._schemas: dict[int, tuple[str, str, str]] = {}
        self._numbers: dict[int, tuple[str, str, int]] = {}  # topic, encoding and schema of a channel
        self._loose: Part | None = None
        self._uncounted: Part | None = None
        self._fd = os.open(path, os.O_RDONLY)
        try:
            self._scan()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """A second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # Opening

    def _scan(self) -> None:
        size = os.fstat(self._fd).st_size
        start = os.pread(self._fd, len(MAGIC), 0)
        if not MAGIC.startswith(start):
            raise BagError(f"{self.path}: not an MCAP file")
        position, self.truncated = len(MAGIC), True
        while True:
            head = os.pread(self._fd, _HEAD_BYTES, position)
            if len(head) < _RECORD.size:
                break
            opcode, length = _RECORD.unpack_from(head)
            if opcode == 0 or position + _RECORD.size + length > size:
                break
            if opcode == _DATA_END:
                self.truncated = os.pread(self._fd, len(MAGIC), max(size - len(MAGIC), position)) != MAGIC
            if opcode == _FOOTER:
                break
            self._note(opcode, position + _RECORD.size, length, head[_RECORD.size :])
            position += _RECORD.size + length
        if self.truncated and self._uncounted is not None:
            try:  # its index may be cut short, and after a power failure itself half on the disk
                self._uncounted.index = self._read_through(self._uncounted)
            except BagError:
                self.parts.remove(self._uncounted)
                self._uncounted = None
        self._end_of_part()
        self._find_channels()

    def _note(self, opcode: int, offset: int, length: int, head: bytes) -> None:
        if opcode == _MESSAGE:
            self._note_loose(offset - _RECORD.size, length + _RECORD.size, head)
        elif opcode == _MESSAGE_INDEX:
            channel, listed = struct.unpack_from("<HI", head)
            if self._uncounted is not None and self._loose is None:
                self._uncounted.index[channel] = (offset + 6, listed // 16)
        else:
            self._end_of_part()
            if opcode == _CHUNK:
                start_ns, end_ns, plain_size, crc, name_size = _CHUNK_HEAD.unpack_from(head)
                name = head[_CHUNK_HEAD.size : _CHUNK_HEAD.size + name_size].decode(errors="replace")
                data = _CHUNK_HEAD.size + name_size + 8
                self._uncounted = Part(start_ns, end_ns, offset + data, length - data, name, plain_size, crc)
                self.parts.append(self._uncounted)
            elif opcode in (_SCHEMA, _CHANNEL, _METADATA):
                self._note_record(opcode, os.pread(self._fd, length, offset))

    def _note_loose(self, offset: int, length: int, head: bytes) -> None:
        channel, _, stamp_ns, _ = _MESSAGE_HEAD.unpack_from(head)
        part = self._loose
        if part is None or part.size > _LOOSE_BYTES:
            self._end_of_part()
            part = self._loose = self._uncounted = Part(stamp_ns, stamp_ns, offset, 0)
            self.parts.append(part)
        part.start_ns, part.end_ns = min(part.start_ns, stamp_ns), max(part.end_ns, stamp_ns)
        part.size = part.plain_size = offset + length - part.offset
        part.index[channel] = (0, part.index.get(channel, (0, 0))[1] + 1)

    def _end_of_part(self) -> None:
        """Counts the messages of the part that has just ended."""
        part, self._uncounted, self._loose = self._uncounted, None, None
        if part is None:
            return
        if not part.index:
            part.index = self._read_through(part)
        for channel, (_, count) in part.index.items():
            self.counts[channel] = self.counts.get(channel, 0) + count

    def _read_through(self, part: Part) -> dict[int, tuple[int, int]]:
        data, listed = self.data_of(part), {}
        for opcode, start, end in _records(data):
            if opcode == _MESSAGE:
                (channel,) = struct.unpack_from("<H", data, start)
                listed[channel] = (0, listed.get(channel, (0, 0))[1] + 1)
            elif opcode in (_SCHEMA, _CHANNEL):
                self._note_record(opcode, data[start:end])
        return listed

    def _find_channels(self) -> None:
        """Reads the parts that tell what the channels are: none in a whole file, which repeats that at its end."""
        for number in self.counts:
            first = next(k for k, part in enumerate(self.parts) if number in part.index)
            for part in self.parts[first::-1]:
                if self._is_known(number):
                    break
                self._read_through(part)
            if not self._is_known(number):
                raise BagError(f"{self.path}: has messages on channel {number}, and does not tell what that is")
        for number, (topic, encoding, schema) in self._numbers.items():
            name, _, definition = self._schemas.get(schema, ("", "", ""))
            self.channels[number] = Channel(topic, name, encoding, definition)

    def _is_known(self, number: int) -> bool:
        return number in self._numbers and self._numbers[number][2] in self._schemas

    def _note_record(self, opcode: int, data: bytes) -> None:
        if opcode == _SCHEMA:
            (number,) = struct.unpack_from("<H", data)
            name, position = _text(data, 2)
            encoding, position = _text(data, position)
            self._schemas[number] = (name, encoding, _text(data, position)[0])
        elif opcode == _CHANNEL:
            number, schema = struct.unpack_from("<HH", data)
            topic, position = _text(data, 4)
            self._numbers[number] = (topic, _text(data, position)[0], schema)
        else:
            _, position = _text(data, 0)
            position += 4
            while position < len(data):
                key, position = _text(data, position)
                self.metadata[key], position = _text(data, position)

    # Reading

    def data_of(self, part: Part) -> bytes:
        """The records of a part, unpacked and checked. Raises BagError where it is damaged."""
        data = os.pread(self._fd, part.size, part.offset)
        where = f"{self.path}: the chunk at byte {part.offset}"
        if part.compression == "zstd":
            import zstandard

            try:
                data = zstandard.decompress(data, max_output_size=part.plain_size)
            except zstandard.ZstdError as error:
                raise BagError(f"{where} is damaged: {error}") from None
        elif part.compression == "lz4":
            import lz4.frame

            try:
                data = lz4.frame.decompress(data)
            except RuntimeError as error:
                raise BagError(f"{where} is damaged: {error}") from None
        elif part.compression:
            raise BagError(f"{where} is compressed by {part.compression!r}; known are lz4 and zstd")
        if len(data) != part.plain_size or (part.crc and zlib.crc32(data) != part.crc):
            raise BagError(f"{where} is damaged: its checksum is wrong")
        return data

    def messages(self, part: Part, wanted: set[int]) -> Iterator[tuple[int, int, bytes]]:
        """(channel number, log time [ns], data) of a part's messages on the wanted channels, in the order of the file."""
        inside = [channel for channel in part.index if channel in wanted]
        if not inside:
            return
        few = 2 * sum(part.index[channel][1] for channel in inside) <= sum(count for _, count in part.index.values())
        if few and not part.compression and all(part.index[channel][0] for channel in inside):
            yield from self._picked(part, inside)
            return
        data = self.data_of(part)
        for opcode, start, end in _records(data):
            if opcode == _MESSAGE:
                channel, _, stamp_ns, _ = _MESSAGE_HEAD.unpack_from(data, start)
                if channel in wanted:
                    yield channel, stamp_ns, data[start + _MESSAGE_HEAD.size : end]

    def _picked(self, part: Part, channels: list[int]) -> Iterator[tuple[int, int, bytes]]:
        """Reads no more than the messages themselves: the images around them stay on the disk."""
        found: list[tuple[int, int, int]] = []
        for channel in channels:
            offset, count = part.index[channel]
            listed = os.pread(self._fd, 16 * count, offset)
            found += [(at, channel, stamp_ns) for stamp_ns, at in struct.iter_unpack("<QQ", listed)]
        for at, channel, stamp_ns in sorted(found):
            head = os.pread(self._fd, _RECORD.size, part.offset + at)
            opcode, length = _RECORD.unpack(head) if len(head) == _RECORD.size else (0, 0)
            if opcode != _MESSAGE or at + length > part.size:
                raise BagError(f"{self.path}: the index of the chunk at byte {part.offset} is damaged")
            record = os.pread(self._fd, length, part.offset + at + _RECORD.size)
            yield channel, stamp_ns, record[_MESSAGE_HEAD.size :]


def _records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(opcode, start, end) of the records in a chunk."""
    position = 0
    while position + _RECORD.size <= len(data):
        opcode, length = _RECORD.unpack_from(data, position)
        start = position + _RECORD.size
        position = start + length
        if position > len(data):
            raise BagError(f"a record of {length} bytes goes beyond its chunk")
        yield opcode, start, position


def _text(data: bytes, position: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<I", data, position)
    start = position + 4
    return data[start : start + size].decode(errors="replace"), start + size
