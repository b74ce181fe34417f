"""One MCAP file, read without its index, so that a file cut short by a kill is read by the same code as a whole one.

Format: https://mcap.dev/spec. At opening only the heads of records are read; chunks are skipped over.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from vla_bags.entries import BagError
from vla_bags.mcap_bytes import (
    DAMAGE,
    MESSAGE,
    MESSAGE_HEAD,
    RECORD,
    SMALLEST_RECORD,
    check_size,
    records,
    text,
    unpacked,
    words_of,
)
from vla_bags.mcap_checks import DATA_END, FOOTER, STATISTICS, EndOfFile, check_bytes, unchecked
from vla_bags.mcap_parts import Channel, Part
from vla_contract.files import FileError, open_file
from vla_contract.files.limits import CHUNK, GIB, METADATA, in_words, scaled

MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _CHUNK, _MESSAGE_INDEX, _METADATA = 3, 4, 6, 7, 12
_CHUNK_HEAD = struct.Struct("<QQQII")  # ends with the length of the compression's name
_HEAD_BYTES = 128
_LOOSE_BYTES = 1 << 20
"""Messages outside chunks are read together up to this size [bytes]."""
_TOLD_BYTES = 16 * METADATA
"""Schemas, channels and metadata of a file, together [bytes]."""
_RATIO = 200
"""What all chunks are when unpacked, over the size of the file, at most; up to a GiB it may be more. Drawn images reach 50."""
_MOST_PARTS = 300_000
"""Of a file: chunks of 1 MiB make 300 GB."""


class McapFile:
    """Heads of all that is whole in one file.

    Args:
        path: The file.
        shown: What errors call it; by default the path.

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

    def __init__(self, path: Path, shown: Path | None = None) -> None:
        self.path = shown or path
        self.parts: list[Part] = []
        self.channels: dict[int, Channel] = {}
        self.counts: dict[int, int] = {}
        self.metadata: dict[str, str] = {}
        self.truncated = False
        self._schemas: dict[int, tuple[str, str, str]] = {}
        self._numbers: dict[int, tuple[str, str, int]] = {}  # topic, encoding and schema of a channel
        self._loose: Part | None = None
        self._uncounted: Part | None = None
        self._told_bytes = self._plain_bytes = 0
        self._data_is_checked = False
        try:
            self._file = open_file(path)
        except FileError as error:
            raise BagError(str(error)) from None
        self._fd = self._file.fileno()
        try:
            self._scan()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """A second call does nothing."""
        self._file.close()
        self._fd = -1

    def unchecked(self) -> list[str]:
        """What has no checksum and could be damaged without being noticed, in words; empty where all has one."""
        return [] if self._data_is_checked else [f"{self.path.name}: {words}" for words in unchecked(self.parts)]

    # Opening

    def _scan(self) -> None:
        size = self._size = os.fstat(self._fd).st_size
        start = os.pread(self._fd, len(MAGIC), 0)
        if not MAGIC.startswith(start):
            raise BagError(f"{self.path}: not an MCAP file")
        position, self.truncated = len(MAGIC), True
        ended = size >= 2 * len(MAGIC) and os.pread(self._fd, len(MAGIC), size - len(MAGIC)) == MAGIC
        end = EndOfFile(self._fd, self.path)
        while True:
            head = os.pread(self._fd, _HEAD_BYTES, position)
            opcode, length = RECORD.unpack_from(head) if len(head) >= RECORD.size else (0, 0)
            if opcode == 0 or position + RECORD.size + length > size:
                if ended:  # nobody has cut it short, and what follows would be lost without a word
                    raise BagError(f"{self.path}: damaged at byte {position}: no whole record, and the file has its end")
                break
            if opcode in (DATA_END, STATISTICS, FOOTER):
                end.note(opcode, position, length)
            if opcode == DATA_END:
                self.truncated = not ended
            if opcode == FOOTER:
                break
            after = position + RECORD.size + length
            try:
                self._note(opcode, position + RECORD.size, length, head[RECORD.size :])
            except DAMAGE as error:
                if after == size and not isinstance(error, BagError):
                    break  # after a power failure the last record may be half on the disk
                raise self._damaged(error, position) from None
            position = after
        if self.truncated and self._uncounted is not None:
            try:  # its index may be cut short, and after a power failure itself half on the disk
                self._uncounted.index = self._read_through(self._uncounted)
            except DAMAGE:
                self.parts.remove(self._uncounted)
                self._uncounted = None
        try:
            self._end_of_part()
            if not self.truncated:
                end.check(sum(self.counts.values()))
                self._data_is_checked = end.has_data_checksum
            self._find_channels()
        except DAMAGE as error:
            raise self._damaged(error, position) from None

    def _damaged(self, error: Exception, position: int) -> BagError:
        if isinstance(error, BagError):
            return error
        return BagError(f"{self.path}: damaged at byte {position} ({words_of(error)})")

    def _note(self, opcode: int, offset: int, length: int, head: bytes) -> None:
        if opcode == MESSAGE:
            self._note_loose(offset - RECORD.size, length + RECORD.size, head)
        elif opcode == _MESSAGE_INDEX:
            channel, listed = struct.unpack_from("<HI", head)
            part = self._uncounted
            if part is not None and self._loose is None:
                too_many = listed // 16 * SMALLEST_RECORD > part.plain_size
                part.index_is_wrong |= listed + 6 != length or listed % 16 != 0 or channel in part.index or too_many
                part.index[channel] = (offset + 6, listed // 16)
        else:
            self._end_of_part()
            if opcode == _CHUNK:
                start_ns, end_ns, plain_size, crc, name_size = _CHUNK_HEAD.unpack_from(head)
                name = head[_CHUNK_HEAD.size : _CHUNK_HEAD.size + name_size].decode(errors="replace")
                data = _CHUNK_HEAD.size + name_size + 8
                if data > length:
                    raise ValueError("the name of a chunk's compression goes beyond the chunk")
                self._uncounted = Part(start_ns, end_ns, offset + data, length - data, name, plain_size, crc)
                self._add(self._uncounted)
            elif opcode in (_SCHEMA, _CHANNEL, _METADATA):
                self._told_bytes += length
                if self._told_bytes > scaled(_TOLD_BYTES):
                    raise BagError(f"{self.path}: definitions and metadata have more than {in_words(scaled(_TOLD_BYTES))}")
                self._note_record(opcode, os.pread(self._fd, length, offset))

    def _add(self, part: Part) -> None:
        self._plain_bytes += min(part.plain_size, scaled(CHUNK))  # a larger one is told where it is read
        if self._plain_bytes > max(scaled(GIB), _RATIO * self._size):
            raise BagError(
                f"{self.path}: {in_words(self._size)} that would be more than {in_words(self._plain_bytes)} when unpacked; "
                "VLA_READ_LIMITS=FACTOR raises the limits"
            )
        if len(self.parts) >= scaled(_MOST_PARTS):
            raise BagError(f"{self.path}: more than {len(self.parts)} chunks; VLA_READ_LIMITS=FACTOR raises the limits")
        self.parts.append(part)

    def _note_loose(self, offset: int, length: int, head: bytes) -> None:
        channel, _, stamp_ns, _ = MESSAGE_HEAD.unpack_from(head)
        if length < RECORD.size + MESSAGE_HEAD.size:
            raise ValueError(f"a message of {length} bytes")
        part = self._loose
        if part is None or part.size > _LOOSE_BYTES:
            self._end_of_part()
            part = self._loose = self._uncounted = Part(stamp_ns, stamp_ns, offset, 0, is_loose=True)
            self._add(part)
        part.start_ns, part.end_ns = min(part.start_ns, stamp_ns), max(part.end_ns, stamp_ns)
        part.size = part.plain_size = offset + length - part.offset
        part.index[channel] = (0, part.index.get(channel, (0, 0))[1] + 1)

    def _end_of_part(self) -> None:
        """Counts the messages of the part that has just ended."""
        part, self._uncounted, self._loose = self._uncounted, None, None
        if part is None:
            return
        if not part.index or part.index_is_wrong:
            part.index = self._read_through(part)
        for channel, (_, count) in part.index.items():
            self.counts[channel] = self.counts.get(channel, 0) + count

    def _read_through(self, part: Part) -> dict[int, tuple[int, int]]:
        data, listed = self.data_of(part), {}
        for opcode, start, end in records(data, self._where(part)):
            if opcode == MESSAGE:
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
            name, position = text(data, 2)
            encoding, position = text(data, position)
            self._schemas[number] = (name, encoding, text(data, position)[0])
        elif opcode == _CHANNEL:
            number, schema = struct.unpack_from("<HH", data)
            topic, position = text(data, 4)
            self._numbers[number] = (topic, text(data, position)[0], schema)
        else:
            _, position = text(data, 0)
            position += 4
            while position < len(data):
                key, position = text(data, position)
                self.metadata[key], position = text(data, position)

    # Reading

    def data_of(self, part: Part) -> bytes:
        """The records of a part, unpacked and checked. Raises BagError where it is damaged."""
        check_size(part.size, self._where(part))
        data = os.pread(self._fd, part.size, part.offset)
        plain = unpacked(data, part.compression, part.plain_size, part.crc, self._where(part))
        part.is_checked = True
        return plain

    def _where(self, part: Part) -> str:
        return f"{self.path}: the chunk at byte {part.offset}"

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
        for opcode, start, end in records(data, self._where(part)):
            if opcode == MESSAGE:
                channel, _, stamp_ns, _ = MESSAGE_HEAD.unpack_from(data, start)
                if channel in wanted:
                    if not part.start_ns <= stamp_ns <= part.end_ns:
                        raise BagError(f"{self._where(part)} is damaged: a message's time is outside of the chunk's")
                    yield channel, stamp_ns, data[start + MESSAGE_HEAD.size : end]

    def _picked(self, part: Part, channels: list[int]) -> Iterator[tuple[int, int, bytes]]:
        """Takes no more into memory than the messages themselves; the images around them are read for the checksum alone."""
        if not part.is_checked:
            check_bytes(self._fd, part.offset, part.offset + part.size, part.crc, self._where(part))
            part.is_checked = True
        found: list[tuple[int, int, int]] = []
        for channel in channels:
            offset, count = part.index[channel]
            listed = os.pread(self._fd, 16 * count, offset)
            found += [(at, channel, stamp_ns) for stamp_ns, at in struct.iter_unpack("<QQ", listed)]
        for at, channel, stamp_ns in sorted(found):
            head = os.pread(self._fd, RECORD.size, part.offset + at) if at < part.size else b""
            opcode, length = RECORD.unpack(head) if len(head) == RECORD.size else (0, 0)
            check_size(length, self._where(part))
            whole = opcode == MESSAGE and MESSAGE_HEAD.size <= length <= part.size - at - RECORD.size
            record = os.pread(self._fd, length, part.offset + at + RECORD.size) if whole else b""
            fields = MESSAGE_HEAD.unpack_from(record) if len(record) == length and whole else None
            if fields is None or (fields[0], fields[2]) != (channel, stamp_ns) or not part.start_ns <= stamp_ns <= part.end_ns:
                raise BagError(f"{self._where(part)} or its index is damaged")
            yield channel, stamp_ns, record[MESSAGE_HEAD.size :]
