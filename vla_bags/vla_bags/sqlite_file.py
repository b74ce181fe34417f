"""One .db3 file of `ros2 bag`, read through SQLite with bounds. A database of strangers is a program: views and computed columns
are refused before anything is asked of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from vla_bags.entries import BagError, Entry, Topic
from vla_contract.files import FileError, open_file
from vla_contract.files.limits import CHUNK, METADATA, scaled

_TABLES = ("topics", "messages", "message_definitions", "schema", "metadata")
_MOST_TOPICS = 10_000


class SqliteFile:
    """Topics and messages of one file.

    Args:
        path: The file.
        shown: What errors call it; by default the path.

    Attributes:
        topics: By name.
        start_ns, end_ns: Receive times of the first and last message [ns]; 0 without messages.

    Raises:
        BagError: No such database, or damaged. OSError: It cannot be opened.
    """

    def __init__(self, path: Path, shown: Path | None = None) -> None:
        self.path = shown or path
        self.topics: dict[str, Topic] = {}
        self.start_ns = self.end_ns = 0
        self._numbers: dict[int, Topic] = {}
        try:
            open_file(path).close()
        except FileError as error:
            raise BagError(str(error)) from None
        name = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        self._database = sqlite3.connect(name, uri=True, check_same_thread=False)
        try:
            self._bound(METADATA)
            self._check_tables()
            self._read_topics()
            self._bound(CHUNK)
        except Exception as error:
            self.close()
            raise self._damaged(error) from None

    def unchecked(self) -> list[str]:
        """What of it has no checksum, in words."""
        return [f"{self.path.name}: a database carries no checksums: damage in its messages would not be noticed"]

    def close(self) -> None:
        """A second call does nothing."""
        with suppress(sqlite3.Error):
            self._database.close()

    def _bound(self, size: int) -> None:
        if hasattr(self._database, "setlimit"):  # from Python 3.11 on
            self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, scaled(size))

    def _check_tables(self) -> None:
        found = {}
        for kind, name, sql in self._database.execute("SELECT type, name, sql FROM sqlite_master"):
            if name in _TABLES:
                found[name] = kind, str(sql or "").split(None, 2)[1:2]
        for name, (kind, word) in found.items():
            columns = self._database.execute(f"PRAGMA table_xinfo({name})").fetchall()
            if kind != "table" or word[:1] != ["TABLE"] or any(column[6] for column in columns):
                raise BagError(f"{self.path}: '{name}' is computed, and no table of `ros2 bag`")
        for name in _TABLES[:2]:
            if name not in found:
                raise BagError(f"{self.path}: no table '{name}': not a bag of `ros2 bag`")

    def _read_topics(self) -> None:
        definitions = {}
        with suppress(sqlite3.OperationalError):  # older bags have none
            rows = self._database.execute("SELECT topic_type, encoding, encoded_message_definition FROM message_definitions")
            definitions = {name: text for name, encoding, text in rows if encoding == "ros2msg" and isinstance(text, str)}
        counts = dict(self._database.execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id"))
        rows = self._database.execute("SELECT id, name, type, serialization_format FROM topics")
        for number, name, kind, encoding in rows.fetchmany(_MOST_TOPICS):
            if not (isinstance(name, str) and isinstance(kind, str)):
                raise BagError(f"{self.path}: damaged: a topic's name or type is no text")
            if encoding != "cdr":
                raise BagError(f"{self.path}: {name} is encoded as {encoding!r}, known is cdr")
            before = self.topics.get(name)
            count = counts.get(number, 0) + (before.count if before else 0)
            self.topics[name] = Topic(name, kind, count, definitions.get(kind, ""))
            self._numbers[number] = self.topics[name]
        start, end = self._database.execute("SELECT min(timestamp), max(timestamp) FROM messages").fetchone()
        if start is not None:
            if not (isinstance(start, int) and isinstance(end, int)):
                raise BagError(f"{self.path}: damaged: a message has no time")
            self.start_ns, self.end_ns = start, end

    def _damaged(self, error: Exception) -> BagError:
        return error if isinstance(error, BagError) else BagError(f"{self.path}: damaged ({type(error).__name__}: {error})")

    def entries(self, names: set[str], start_ns: int | None, end_ns: int | None) -> Iterator[Entry]:
        """Messages of the named topics in the order of time, both ends included. Raises BagError where the file is damaged."""
        wanted = {number: topic for number, topic in self._numbers.items() if topic.name in names}
        first, last = (-(2**63) if start_ns is None else start_ns), (2**63 - 1 if end_ns is None else end_ns)
        if not wanted or first >= 2**63 or last < -(2**63):
            return
        try:
            # Sorted by number first: what SQLite sorts it copies, images and all.
            rows = self._database.execute(
                "SELECT rowid, topic_id, timestamp FROM messages WHERE timestamp BETWEEN ? AND ? ORDER BY timestamp, rowid",
                (max(first, -(2**63)), min(last, 2**63 - 1)),
            )
            for row, number, stamp_ns in rows:
                topic = wanted.get(number)
                if topic is None:
                    continue
                found = self._database.execute("SELECT data FROM messages WHERE rowid = ?", (row,)).fetchone()
                if not isinstance(stamp_ns, int) or found is None or not isinstance(found[0], bytes):
                    raise BagError(f"{self.path}: damaged: a message on {topic.name} has no time or no bytes")
                yield Entry(topic.name, topic.type, stamp_ns, found[0])
        except (sqlite3.Error, ValueError, OverflowError, MemoryError) as error:
            raise self._damaged(error) from None
