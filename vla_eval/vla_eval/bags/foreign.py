"""Bags of `ros2 bag` that are not plain MCAP (sqlite3, compressed files), read through `rosbags`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vla_eval.bags.entries import BagError, Entry, Topic


class ForeignBag:
    """A bag as `rosbags` reads it. Raises BagError with its reason where it cannot."""

    def __init__(self, path: Path) -> None:
        from rosbags.rosbag2 import Reader
        from rosbags.rosbag2.errors import ReaderError

        self._path = path
        self._errors = (ReaderError, FileNotFoundError)
        try:
            self._reader = Reader(path)
            self._reader.open()
        except self._errors as error:
            raise BagError(f"{path}: {error}") from None
        counts: dict[str, Topic] = {}
        for connection in self._reader.connections:
            before = counts.get(connection.topic)
            counts[connection.topic] = Topic(
                connection.topic,
                connection.msgtype,
                connection.msgcount + (before.count if before else 0),
                connection.msgdef.data,
            )
        self.topics = counts
        empty = self._reader.message_count == 0
        self.start_ns = 0 if empty else self._reader.start_time
        self.end_ns = 0 if empty else self._reader.end_time - 1

    def close(self) -> None:
        """Ends reading."""
        self._reader.close()

    def entries(self, names: set[str], start_ns: int | None, end_ns: int | None) -> Iterator[Entry]:
        """Messages of the named topics, both ends included."""
        connections = [c for c in self._reader.connections if c.topic in names]
        if not connections:
            return
        stop = None if end_ns is None else end_ns + 1
        try:
            for connection, stamp_ns, data in self._reader.messages(connections, start_ns, stop):
                yield Entry(connection.topic, connection.msgtype, stamp_ns, bytes(data))
        except self._errors as error:
            raise BagError(f"{self._path}: {error}") from None
