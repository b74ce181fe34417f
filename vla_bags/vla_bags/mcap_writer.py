"""Writes one MCAP file so that at any time all but the chunk under way is on it, and a failed write leaves what was whole.

The library's own Writer cannot go on after a write has failed; this one puts down each chunk with its index in one stretch and
takes a stretch that failed off again. Format: https://mcap.dev/spec.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Protocol

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

MAGIC = b"\x89MCAP0\r\n"
_MESSAGE_HEAD = struct.Struct("<BQHIQQ")
_CHUNK_HEAD = struct.Struct("<BQQQQI")


class Output(Protocol):
    """The slice of a raw binary file that is written to."""

    def write(self, data: bytes, /) -> int: ...
    def seek(self, offset: int, /) -> int: ...
    def truncate(self, size: int, /) -> int: ...


def compressor(name: str) -> Callable[[bytes], bytes]:
    """By MCAP's name: "" (none), "lz4" or "zstd"."""
    if name == "lz4":
        import lz4.frame

        return lz4.frame.compress
    if name == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=1).compress
    return lambda data: data


class McapWriter:
    """Not safe for threads. Every method that writes may raise the OSError of the file; what was whole before stays whole.

    Args:
        output: A raw (unbuffered) file, at its beginning.
        library: Who writes.
        compression: Of chunks: "", "lz4" or "zstd".

    Attributes:
        counts: Messages that are in the file, by channel number.
        pending_bytes: Size of the chunk under way.
        start_ns, end_ns: Log times of the first and last message in the file [ns].
    """

    def __init__(self, output: Output, library: str, compression: str = "") -> None:
        self._output = output
        self._compression = compression
        self._compress = compressor(compression)
        self._size = 0
        self._schemas: list[Schema] = []
        self._channels: list[Channel] = []
        self._chunk_indexes: list[ChunkIndex] = []
        self._metadata_indexes: list[MetadataIndex] = []
        self._fresh: dict[int, list[McapRecord]] = {}  # by channel, what stands before its first message
        self.counts: dict[int, int] = {}
        self.start_ns = self.end_ns = 0
        self._clear()
        self._put(MAGIC + _bytes(Header("ros2", library)))

    def _clear(self) -> None:
        self._pieces: list[bytes] = []
        self.pending_bytes = 0
        self._index: dict[int, list[int]] = {}
        self._low_ns, self._high_ns = 0, 0

    def _put(self, data: bytes) -> None:
        """Writes all of it or nothing."""
        view, done = memoryview(data), 0
        try:
            while done < len(view):
                written = self._output.write(view[done:])
                if not written:
                    raise OSError(f"{len(view) - done} bytes could not be written")
                done += written
        except OSError:
            self._output.truncate(self._size)
            self._output.seek(self._size)
            raise
        self._size += len(data)

    def add_channel(self, topic: str, type_name: str, definition: str, metadata: dict[str, str]) -> int:
        """Number of a new channel; it is written before its first message."""
        schema = next((schema for schema in self._schemas if schema.name == type_name), None)
        if schema is None:
            schema = Schema(id=len(self._schemas) + 1, name=type_name, encoding="ros2msg", data=definition.encode())
            self._schemas.append(schema)
        channel = Channel(len(self._channels) + 1, topic, "cdr", metadata, schema.id)
        self._channels.append(channel)
        self._fresh[channel.id] = [schema, channel]  # each complete in itself: no other chunk is needed to read it
        self.counts[channel.id] = 0
        return channel.id

    def add_message(self, channel: int, log_ns: int, publish_ns: int, data: bytes) -> None:
        """Puts a message into the chunk under way. Writes nothing."""
        if channel in self._fresh and channel not in self._index:
            for record in self._fresh[channel]:
                self._pieces.append(_bytes(record))
                self.pending_bytes += len(self._pieces[-1])
        listed = self._index.setdefault(channel, [])
        listed += (log_ns, self.pending_bytes)
        self._low_ns = log_ns if not self._high_ns else min(self._low_ns, log_ns)
        self._high_ns = max(self._high_ns, log_ns)
        sequence = (self.counts[channel] + len(listed) // 2) & 0xFFFFFFFF
        head = _MESSAGE_HEAD.pack(Opcode.MESSAGE, 22 + len(data), channel, sequence, log_ns, publish_ns)
        self._pieces += (head, data)
        self.pending_bytes += len(head) + len(data)

    def flush(self) -> None:
        """Writes the chunk under way. Where that fails, its messages are gone; `pending` tells which before."""
        if not self._index:
            return
        plain = b"".join(self._pieces)
        packed = self._compress(plain)
        name = self._compression.encode()
        length = 40 + len(name) + len(packed)
        head = _CHUNK_HEAD.pack(
            Opcode.CHUNK, length, self._low_ns, self._high_ns, len(plain), zlib.crc32(plain)
        ) + struct.pack(f"<I{len(name)}sQ", len(name), name, len(packed))
        index, offsets, position = [], {}, self._size + len(head) + len(packed)
        for channel, listed in self._index.items():
            offsets[channel] = position
            size = 8 * len(listed)
            index.append(struct.pack(f"<BQHI{len(listed)}Q", Opcode.MESSAGE_INDEX, 6 + size, channel, size, *listed))
            position += len(index[-1])
        entry = ChunkIndex(
            chunk_length=len(head) + len(packed),
            chunk_start_offset=self._size,
            compression=self._compression,
            compressed_size=len(packed),
            message_end_time=self._high_ns,
            message_index_length=sum(map(len, index)),
            message_index_offsets=offsets,
            message_start_time=self._low_ns,
            uncompressed_size=len(plain),
        )
        listed, low_ns, high_ns = self._index, self._low_ns, self._high_ns
        self._clear()
        self._put(b"".join([head, packed, *index]))
        self._fresh = {channel: records for channel, records in self._fresh.items() if channel not in listed}
        self._chunk_indexes.append(entry)
        self.start_ns = min(self.start_ns, low_ns) if self.end_ns else low_ns
        self.end_ns = max(self.end_ns, high_ns)
        for channel, pairs in listed.items():
            self.counts[channel] += len(pairs) // 2

    def pending(self) -> dict[int, int]:
        """Messages of the chunk under way, by channel number."""
        return {channel: len(listed) // 2 for channel, listed in self._index.items()}

    def add_metadata(self, name: str, values: dict[str, str]) -> None:
        """Writes the chunk under way, then the values."""
        self.flush()
        data = _bytes(Metadata(name=name, metadata=values))
        start = self._size
        self._put(data)
        self._metadata_indexes.append(MetadataIndex(length=len(data), name=name, offset=start))

    def finish(self) -> None:
        """Writes what is under way, the index and the end."""
        self.flush()
        rest = b"".join(_bytes(record) for records in self._fresh.values() for record in records)  # topics on which nothing came
        front = rest + _bytes(DataEnd(0))
        start = self._size + len(front)
        summary, offsets = b"", []
        statistics = Statistics(
            attachment_count=0,
            channel_count=len(self._channels),
            channel_message_counts=self.counts,
            chunk_count=len(self._chunk_indexes),
            message_count=sum(self.counts.values()),
            message_end_time=self.end_ns,
            message_start_time=self.start_ns,
            metadata_count=len(self._metadata_indexes),
            schema_count=len(self._schemas),
        )
        for opcode, records in (
            (Opcode.SCHEMA, self._schemas),
            (Opcode.CHANNEL, self._channels),
            (Opcode.STATISTICS, [statistics]),
            (Opcode.CHUNK_INDEX, self._chunk_indexes),
            (Opcode.METADATA_INDEX, self._metadata_indexes),
        ):
            group = b"".join(map(_bytes, records))
            if group:
                offsets.append(SummaryOffset(group_opcode=opcode, group_start=start + len(summary), group_length=len(group)))
                summary += group
        offsets_start = start + len(summary)
        summary += b"".join(map(_bytes, offsets))
        tail = struct.pack("<BQQQ", Opcode.FOOTER, 20, start, offsets_start)
        footer = _bytes(Footer(start, offsets_start, zlib.crc32(summary + tail)))
        self._put(front + summary + footer + MAGIC)
        self._fresh = {}


def _bytes(record: McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    return builder.end()
