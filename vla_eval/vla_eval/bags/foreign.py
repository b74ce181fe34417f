"""Bags of `ros2 bag` that are not plain MCAP (sqlite3, compressed files), read through `rosbags`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vla_eval.bags.entries import BagError, Entry, Topic


class ForeignBag:
    """A bag as `rosbags` reads it. Raises BagError with its reason where it cannot."""

    def __init__(self, path: Path) -> None:
        from rosbags.rosbag2 import Reader

        self._path = path
        self._reader = None
        try:
            self._reader = Reader(path)
            self._reader.open()
            self.topics = self._topics()
            empty = self._reader.message_count == 0
            self.start_ns = 0 if empty else int(self._reader.start_time)
            self.end_ns = 0 if empty else int(self._reader.end_time) - 1
        except Exception as error:  # of a damaged bag also those of sqlite3, zstd and struct come through
            self.close()
            raise self._damaged(error) from None

    def _topics(self) -> dict[str, Topic]:
        counts: dict[str, Topic] = {}
        for connection in self._reader.connections:
            if not (isinstance(connection.topic, str) and isinstance(connection.msgtype, str)):
                raise BagError(f"{self._path}: damaged: a topic's name or type is no text")
            before = counts.get(connection.topic)
            counts[connection.topic] = Topic(
                connection.topic,
                connection.msgtype,
                connection.msgcount + (before.count if before else 0),
                connection.msgdef.data,
            )
        return counts

    def _damaged(self, error: Exception) -> BagError:
        from rosbags.rosbag2.errors import ReaderError

        if isinstance(error, BagError):
            return error
        plain = isinstance(error, ReaderError | OSError) and str(error)
        return BagError(f"{self._path}: {error}" if plain else f"{self._path}: damaged ({type(error).__name__}: {error})")

    def close(self) -> None:
        """Ends reading. A second call does nothing."""
        reader, self._reader = self._reader, None
        if reader is not None:
            with suppress(Exception):  # one that did not open cannot be closed either
                reader.close()

    def entries(self, names: set[str], start_ns: int | None, end_ns: int | None) -> Iterator[Entry]:
        """Messages of the named topics, both ends included."""
        connections = [c for c in self._reader.connections if c.topic in names]
        if not connections:
            return
        stop = None if end_ns is None else end_ns + 1
        try:
            for connection, stamp_ns, data in self._reader.messages(connections, start_ns, stop):
                if not (isinstance(stamp_ns, int) and isinstance(data, bytes | bytearray | memoryview)):
                    raise BagError(f"{self._path}: damaged: a message on {connection.topic} has no time or no bytes")
                yield Entry(connection.topic, connection.msgtype, stamp_ns, bytes(data))
        except Exception as error:
            raise self._damaged(error) from None
