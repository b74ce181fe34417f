"""Reads bags: ours and those of `ros2 bag`, whole or cut short by a kill."""

from __future__ import annotations

import heapq
import importlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from vla_contract.card import InterfaceCard, parse_card
from vla_eval.bags.definitions import Definitions, difference
from vla_eval.bags.entries import BagError, Entry, Topic
from vla_eval.bags.foreign import ForeignBag
from vla_eval.bags.mcap_file import McapFile, Part

__all__ = ["Bag", "BagError", "Entry", "Topic"]

METADATA_FILE = "metadata.yaml"
_INFORMATION = "rosbag2_bagfile_information"


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

    Raises:
        BagError: Not there, no bag, or damaged.
    """

    def __init__(self, path: str | Path, namespace: str | None = None) -> None:
        self.path = Path(path)
        self.topics: dict[str, Topic] = {}
        self.start_ns = self.end_ns = 0
        self.metadata: dict[str, str] = {}
        self.truncated = False
        self._namespace = namespace
        self._files: list[McapFile] = []
        self._foreign: list[ForeignBag] = []
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
        for file in (*self._files, *self._foreign):
            file.close()
        self._files, self._foreign = [], []

    # Opening

    def _open(self) -> None:
        if not self.path.exists():
            raise BagError(f"{self.path}: no such bag")
        information = self._information() if self.path.is_dir() else {}
        plain = not information.get("compression_mode") or str(information["compression_mode"]).lower() == "none"
        files = self._storage_files(information)
        if plain and all(file.suffix == ".mcap" for file in files):
            for file in files:
                self._files.append(McapFile(file))
            self._merge_files()
        else:
            for path in [self.path] if information else files:
                self._foreign.append(ForeignBag(path))
            self._merge_foreign()
            self.truncated = self.path.is_dir() and not information
        self.metadata = {**{str(k): str(v) for k, v in (information.get("custom_data") or {}).items()}, **self.metadata}

    def _information(self) -> dict:
        """The content of metadata.yaml; empty where it is absent or cut short."""
        try:
            content = yaml.safe_load((self.path / METADATA_FILE).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError, yaml.YAMLError):  # a date that is none is a ValueError
            return {}
        information = content.get(_INFORMATION) if isinstance(content, dict) else None
        if not isinstance(information, dict):
            return {}
        for key, kind, words in (("relative_file_paths", list, "a list"), ("custom_data", dict, "a mapping")):
            if not isinstance(information.get(key) or kind(), kind):
                raise BagError(f"{self.path / METADATA_FILE}: {key} is not {words}")
        return information

    def _storage_files(self, information: dict) -> list[Path]:
        if not self.path.is_dir():
            if self.path.suffix not in (".mcap", ".db3"):
                raise BagError(f"{self.path}: not a bag; a rosbag2 folder, a .mcap or a .db3 file is needed")
            return [self.path]
        listed = [self.path / Path(str(name)).name for name in information.get("relative_file_paths") or []]
        missing = [file.name for file in listed if not file.exists()]
        if missing:
            raise BagError(f"{self.path}: {METADATA_FILE} names {', '.join(missing)}, which is not there")
        there = [file for suffix in ("mcap", "db3") for file in self.path.glob(f"*.{suffix}")]
        files = listed or sorted(there, key=lambda file: [int(n) for n in re.findall(r"\d+", file.stem)[-1:]])
        if not files:
            raise BagError(f"{self.path}: no bag in this folder: no .mcap and no .db3 file")
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
                custom = (yaml.safe_load(inner) or {}).get("custom_data") or {}
                custom = {str(key): str(value) for key, value in custom.items()}
            except (yaml.YAMLError, AttributeError, ValueError):
                custom = {}
            self.metadata = {**custom, **self.metadata}

    def _merge_foreign(self) -> None:
        for bag in self._foreign:
            for topic in bag.topics.values():
                self._add(topic)
        full = [bag for bag in self._foreign if bag.end_ns]
        if full:
            self.start_ns, self.end_ns = min(bag.start_ns for bag in full), max(bag.end_ns for bag in full)

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

    def find(self, relative: str) -> str | None:
        """Absolute topic of a relative name ("vla/action_chunk"), whatever the namespace; None where it is absent.

        The namespace is the one given, else the one recorded, else none, else the only one that has such a topic.

        Raises:
            BagError: Several namespaces have it and none was given or recorded.
        """
        if relative.startswith("/"):
            return relative if relative in self.topics else None
        namespace = self._namespace if self._namespace is not None else self.metadata.get("namespace") or None
        if f"/{relative}" in self.topics and namespace is None:
            return f"/{relative}"
        if namespace is not None:
            inside = f"/{namespace.strip('/')}/{relative}".replace("//", "/")
            return next((name for name in (inside, f"/{relative}") if name in self.topics), None)
        found = [name for name in self.topics if name.endswith(f"/{relative}")]
        if not found:
            return None
        depth = min(name.count("/") for name in found)
        nearest = sorted(name for name in found if name.count("/") == depth)
        if len(nearest) > 1:
            raise BagError(f"{self.path}: {relative} is in several namespaces ({', '.join(nearest)}); name one")
        return nearest[0]

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
        if self._foreign:
            return heapq.merge(
                *(bag.entries(names, start_ns, end_ns) for bag in self._foreign), key=lambda entry: entry.stamp_ns
            )
        return self._ordered(names, start_ns, end_ns)

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
        while waiting or heap:
            # A part is opened when its first message may be the next one: no more than overlapping parts are in memory.
            while waiting and (not heap or waiting[-1][0] <= heap[0][0]):
                _, k, n, part = waiting.pop()
                for i, (number, stamp_ns, data) in enumerate(self._files[k].messages(part, wanted[k])):
                    if (start_ns is None or stamp_ns >= start_ns) and (end_ns is None or stamp_ns <= end_ns):
                        channel = self._files[k].channels[number]
                        heapq.heappush(heap, (stamp_ns, k, n, i, Entry(channel.topic, channel.type, stamp_ns, data)))
            if heap:
                yield heapq.heappop(heap)[-1]

    def messages(
        self, topics: Iterable[str] | None = None, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[tuple[Entry, object]]:
        """Like `entries`, with each message as the ROS message that it is.

        Raises:
            BagError: A type is not installed or has other fields than when the bag was recorded, or a message is damaged.
        """
        from rclpy.serialization import deserialize_message

        types: dict[str, type] = {}
        for entry in self.entries(topics, start_ns, end_ns):
            kind = types.get(entry.type)
            if kind is None:
                kind = types[entry.type] = self._checked_type(entry)
            try:
                message = deserialize_message(entry.data, kind)
            except Exception as error:  # rclpy raises errors of its middleware
                raise BagError(f"{self.path}: a message on {entry.topic} is no {entry.type}: {error}") from None
            yield entry, message

    def _checked_type(self, entry: Entry) -> type:
        kind = message_type(entry.type, entry.topic)
        found = difference(self.topics[entry.topic].definition, Definitions().complete(entry.type))
        if found:
            raise BagError(f"{self.path}: {entry.topic} was recorded with another {entry.type}: {found}")
        return kind


def message_type(name: str, topic: str = "") -> type:
    """The class of a ROS type ("sensor_msgs/msg/Image"). Raises BagError where its package is not installed."""
    package, _, kind = name.partition("/msg/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), kind)
    except (ImportError, AttributeError, ValueError, TypeError):
        where = f"{topic} is of type" if topic else "type"
        raise BagError(f"{where} {name}, which is not installed here") from None
