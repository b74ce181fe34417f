"""Reads bags: ours and those of `ros2 bag`, whole or cut short by a kill."""

from __future__ import annotations

import heapq
import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from vla_bags.definitions import Definitions, added_fields, difference
from vla_bags.entries import BagError, Entry, Topic
from vla_bags.mcap_file import McapFile
from vla_bags.mcap_parts import Part
from vla_bags.metadata_file import METADATA_FILE, MetadataFile, read_metadata
from vla_bags.recorded_topics import SHARED, absolute, type_of
from vla_bags.recorded_videos import RecordedVideos
from vla_bags.sqlite_file import SqliteFile
from vla_bags.unpacking import SUFFIX, UnpackedFiles, packing_of, unpack_message
from vla_contract.card import InterfaceCard, parse_card
from vla_contract.files.limits import WAITING, in_words, scaled
from vla_contract.files.yaml_text import YamlError, parse_yaml
from vla_contract.namespaces import as_told, has_namespace, no_such_namespace, robots_in
from vla_contract.printing import printable

__all__ = ["Bag", "BagError", "Entry", "Topic"]

_KINDS = ("mcap", "db3", f"mcap{SUFFIX}", f"db3{SUFFIX}")
_ABSENT_FIELDS = bytes(256)
"""Stands for fields that a message was given after it was recorded: in CDR zeros are numbers of 0, and empty text and lists."""


class Bag:
    """A rosbag2 folder (MCAP or sqlite3) or a single .mcap or .db3 file. Use it as a context manager, or close it.

    A recorder that was killed leaves no metadata.yaml and a file without end: what was written whole is read, `truncated`
    is True, and a chunk that was cut in two is left out.

    Args:
        path: Folder or file.
        namespace: Where several robots are in the bag, the one that `find` means; by default the bag's own.

    Attributes:
        topics: By absolute name; those without messages are there, too.
        start_ns: Receive time of the first message [ns], 0 in an empty bag.
        end_ns: Receive time of the last message [ns], 0 in an empty bag.
        metadata: What the recorder knew of card, policy and itself; empty in a bag of another recorder.
        truncated: The recorder did not end the bag.
        notes: What else a reader should know, in words: where its metadata.yaml is not whole, and what has no checksum.

    Raises:
        BagError: Not there, no bag, damaged, or without the namespace that was given.
    """

    def __init__(self, path: str | Path, namespace: str | None = None) -> None:
        self.path = Path(path)
        self.topics: dict[str, Topic] = {}
        self.start_ns = self.end_ns = 0
        self.metadata: dict[str, str] = {}
        self.truncated = False
        self.notes: tuple[str, ...] = ()
        self._namespace = namespace
        self._files: list[McapFile] = []
        self._tables: list[SqliteFile] = []
        self._unpacked = UnpackedFiles()
        self._packing = ""
        try:
            self._open()
        except OSError as error:
            self.close()
            raise BagError(f"{self.path}: {error.strerror or error}") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends reading. A second call does nothing."""
        for file in (*self._files, *self._tables, self._unpacked):
            file.close()
        self._files, self._tables = [], []

    # Opening

    def _open(self) -> None:
        if not self.path.exists():
            raise BagError(f"{self.path}: no such bag")
        told = read_metadata(self.path) if self.path.is_dir() else MetadataFile({})
        information = told.information
        self._packing = packing_of(information, self.path / METADATA_FILE)
        files = self._storage_files(information)
        for file in files:
            plain = self._unpacked.unpack(file) if file.suffix == SUFFIX else file
            if plain.suffix == ".mcap":
                self._files.append(McapFile(plain, file))
            else:
                self._tables.append(SqliteFile(plain, file))
        self._merge_files()
        self._merge_tables()
        self.truncated |= bool(self._tables) and self.path.is_dir() and not information
        self.notes = self._notes(told, files)
        self.metadata = {**{str(k): str(v) for k, v in (information.get("custom_data") or {}).items()}, **self.metadata}
        self._videos = RecordedVideos(self.topics, self.metadata)
        self.topics = self._videos.topics
        if self._namespace is not None and not has_namespace(self.topics, self._namespace):
            raise BagError(f"{self.path}: {no_such_namespace(self._namespace, self.topics, 'this bag')}")

    def _notes(self, told: MetadataFile, files: list[Path]) -> tuple[str, ...]:
        found = [told.problem] if told.problem else []
        if told.information and not told.problem and not self.truncated:
            messages = sum(topic.count for topic in self.topics.values())
            found += told.differences(files, self._there(), messages)
        found += [words for file in (*self._files, *self._tables) for words in file.unchecked()]
        return tuple(printable(note) for note in found)

    def _there(self) -> list[Path]:
        return [file for kind in _KINDS for file in self.path.glob(f"*.{kind}")]

    def _storage_files(self, information: dict) -> list[Path]:
        if not self.path.is_dir():
            if not self.path.name.endswith(tuple(f".{kind}" for kind in _KINDS)):
                raise BagError(f"{self.path}: not a bag; a rosbag2 folder, a .mcap or a .db3 file is needed")
            return [self.path]
        listed = [self.path / Path(str(name)).name for name in information.get("relative_file_paths") or []]
        missing = [file.name for file in listed if not file.exists()]
        if missing:
            raise BagError(f"{self.path}: {METADATA_FILE} names {', '.join(missing)}, which is not there")
        files = listed or sorted(self._there(), key=lambda file: [int(n[-18:]) for n in re.findall(r"[0-9]+", file.stem)[-1:]])
        if not files:
            raise BagError(f"{self.path}: no bag in this folder: no .mcap and no .db3 file")
        for file in files:
            if not file.name.endswith(tuple(f".{kind}" for kind in _KINDS)):
                raise BagError(f"{file}: {METADATA_FILE} names it, and it is no .mcap or .db3 file")
        return files

    def _merge_files(self) -> None:
        for file in self._files:
            for number, channel in file.channels.items():
                if channel.encoding not in ("", "cdr"):
                    raise BagError(f"{file.path}: {channel.topic} is encoded as {channel.encoding!r}, known is cdr")
                count = file.counts.get(number, 0)
                self._add(Topic(channel.topic, channel.type, count, channel.definition))
            self.metadata.update(file.metadata)
        self.truncated = any(file.truncated for file in self._files)
        full = [part for file in self._files for part in file.parts if part.index]
        if full:
            self.start_ns, self.end_ns = min(p.start_ns for p in full), max(p.end_ns for p in full)
        inner = self.metadata.pop("serialized_metadata", None)  # where `ros2 bag` keeps a copy of metadata.yaml
        if inner is not None:
            try:
                custom = (parse_yaml(inner) or {}).get("custom_data") or {}
                custom = {str(key): str(value) for key, value in custom.items()}
            except (YamlError, AttributeError):
                custom = {}
            self.metadata = {**custom, **self.metadata}

    def _merge_tables(self) -> None:
        for table in self._tables:
            for topic in table.topics.values():
                self._add(topic)
        full = [table for table in self._tables if table.end_ns]
        if full:
            self.start_ns = min([table.start_ns for table in full] + [self.start_ns] * bool(self.end_ns))
            self.end_ns = max([table.end_ns for table in full] + [self.end_ns])

    def _add(self, topic: Topic) -> None:
        before = self.topics.get(topic.name)
        count = topic.count + (before.count if before else 0)
        self.topics[topic.name] = Topic(topic.name, topic.type, count, topic.definition)

    # Asking

    def card(self) -> InterfaceCard:
        """The card under which the bag was recorded. Raises BagError where the bag has none, CardError where it is wrong."""
        text = self.metadata.get("card")
        if not text:
            raise BagError(f"{self.path}: no card in this bag; give the card under which it was recorded")
        return parse_card(text, source=f"card of {self.path}")

    def find(self, relative: str, kind: str | None = None) -> str | None:
        """Absolute topic of a relative name ("vla/action_chunk"), whatever the namespace; None where it is absent.

        kind: The ROS type that it must be of; None: whatever it is.

        The namespace is the one given, else the one recorded, else the one with topics of the suite; of another robot nothing
        is taken, but what all share (/clock, /tf_static). In a bag without topics of the suite: none, else the only one that
        has such a topic. An absolute name is what it is.

        Raises:
            BagError: Several namespaces have it and none was given or recorded, or it is of another type.
        """
        found = self._find(relative)
        if found is not None and kind is not None:
            self._check_kind(found, kind)
        return found

    def _check_kind(self, topic: str, kind: str | None) -> None:
        if kind is not None and self.topics[topic].type != kind:
            raise BagError(f"{self.path}: {topic} is of type {self.topics[topic].type}, needed is {kind}")

    def _find(self, relative: str) -> str | None:
        if relative.startswith("/") or f"/{relative}" in SHARED:
            name = f"/{relative.lstrip('/')}"
            return name if name in self.topics else None
        namespace = self._namespace if self._namespace is not None else self.metadata.get("namespace") or None
        robots = robots_in(self.topics) if namespace is None else [as_told(namespace)]
        if len(robots) == 1 or "/" in robots or (not robots and f"/{relative}" in self.topics):
            inside = absolute(relative, robots[0] if robots else "")  # sorted: "/" comes first
            return inside if inside in self.topics else None
        found = sorted(name for name in self.topics if name.endswith(f"/{relative}"))
        if not robots:
            depth = min((name.count("/") for name in found), default=0)
            found = [name for name in found if name.count("/") == depth]
        if len(found) > 1:
            raise BagError(f"{self.path}: {relative} is in several namespaces ({', '.join(found)}); name one")
        if found and robots:
            raise BagError(f"{self.path}: {found[0]} is of one of several robots ({', '.join(robots)}); name one")
        return found[0] if found else None

    # Reading

    def entries(
        self, topics: Iterable[str] | None = None, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[Entry]:
        """Messages in the order in which they were received; equal times in the order of the file.

        Args:
            topics: Absolute names, by default all; those that the bag lacks give nothing.
            start_ns: From this receive time on [ns], included.
            end_ns: Up to this receive time [ns], included.
        """
        names = set(self.topics) if topics is None else {topics} if isinstance(topics, str) else set(topics)
        names, from_ns = self._videos.stored(names, start_ns)
        found = self._ordered(names, from_ns, end_ns)
        if self._tables:
            tables = [table.entries(names, from_ns, end_ns) for table in self._tables]
            found = heapq.merge(found, *tables, key=lambda entry: entry.stamp_ns)
        found = map(self._unpack_entry, found) if self._packing == "message" else found
        return self._videos.decoded(found, start_ns, str(self.path)) if self._videos else found

    def _unpack_entry(self, entry: Entry) -> Entry:
        return replace(entry, data=unpack_message(entry.data, f"{self.path}: a message on {entry.topic}"))

    def _ordered(self, names: set[str], start_ns: int | None, end_ns: int | None) -> Iterator[Entry]:
        wanted = [{n for n, channel in file.channels.items() if channel.topic in names} for file in self._files]
        waiting: list[tuple[int, int, int, Part]] = []
        for k, file in enumerate(self._files):
            for n, part in enumerate(file.parts):
                outside = (start_ns is not None and part.end_ns < start_ns) or (end_ns is not None and part.start_ns > end_ns)
                if not outside and not wanted[k].isdisjoint(part.index):
                    waiting.append((part.start_ns, k, n, part))
        waiting.sort(key=lambda item: item[:3], reverse=True)
        heap: list[tuple[int, int, int, int, Entry]] = []
        held = 0
        while waiting or heap:
            # A part is opened when its first message may be the next one: no more than overlapping parts are in memory.
            while waiting and (not heap or waiting[-1][0] <= heap[0][0]):
                _, k, n, part = waiting.pop()
                for i, (number, stamp_ns, data) in enumerate(self._files[k].messages(part, wanted[k])):
                    if (start_ns is None or stamp_ns >= start_ns) and (end_ns is None or stamp_ns <= end_ns):
                        channel = self._files[k].channels[number]
                        heapq.heappush(heap, (stamp_ns, k, n, i, Entry(channel.topic, channel.type, stamp_ns, data)))
                        held += len(data)
                if held > scaled(WAITING):
                    raise BagError(
                        f"{self.path}: more than {in_words(scaled(WAITING))} of messages in chunks that overlap in time; "
                        "VLA_READ_LIMITS=FACTOR raises the limits"
                    )
            if heap:
                entry = heapq.heappop(heap)[-1]
                held -= len(entry.data)
                yield entry

    def messages(
        self, topics: Iterable[str] | None = None, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[tuple[Entry, object]]:
        """Like `entries`, with each message as the ROS message that it is. Fields of `absent_fields` are zero or empty.

        Raises:
            BagError: A type is not installed or has other fields than when the bag was recorded, or a message is damaged.
        """
        from vla_contract.ros.serialization import deserialize_message

        types: dict[str, tuple[type, bytes]] = {}
        for entry in self.entries(topics, start_ns, end_ns):
            if entry.topic not in types:
                types[entry.topic] = self._checked_type(entry), _ABSENT_FIELDS if self.absent_fields(entry.topic) else b""
            kind, more = types[entry.topic]
            try:
                message = deserialize_message(entry.data + more, kind)
            except Exception as error:  # rclpy raises errors of its middleware
                raise BagError(f"{self.path}: a message on {entry.topic} is no {entry.type}: {error}") from None
            yield entry, message

    def absent_fields(self, topic: str) -> tuple[str, ...]:
        """Names of fields that messages of a topic of this bag do not have, because their type was given them later.

        Args:
            topic: Absolute name, one of `topics`.
        """
        recorded = self.topics[topic]
        return added_fields(recorded.definition, Definitions().complete(recorded.type))

    def _checked_type(self, entry: Entry) -> type:
        self._check_kind(entry.topic, type_of(entry.topic))
        kind = message_type(entry.type, entry.topic)
        found = difference(self.topics[entry.topic].definition, Definitions().complete(entry.type))
        if found:
            raise BagError(f"{self.path}: {entry.topic} was recorded with another {entry.type}: {found}")
        return kind


def message_type(name: str, topic: str = "") -> type:
    """The class of a ROS type ("sensor_msgs/msg/Image"). Raises BagError where its package is not installed.

    Nothing is imported unless an installed package has such a message: the name is whatever a stranger wrote.
    """
    try:
        if Definitions().is_installed(name):
            package, _, kind = name.partition("/msg/")
            return getattr(importlib.import_module(f"{package}.msg"), kind)
    except (ImportError, AttributeError):
        pass
    where = f"{topic} is of type" if topic else "type"
    raise BagError(f"{where} {name}, which is not installed here")
