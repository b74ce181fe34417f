"""A rosbag2 folder under construction: one MCAP file, and at the end metadata.yaml (version 9)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import yaml

from vla_bags.entries import BagError
from vla_bags.mcap_writer import McapWriter, Output
from vla_bags.offered_qos import Offered
from vla_contract import recording
from vla_contract.files import write_text

RECORDER_VERSION = "0.1.0"
RECORD = "vla"
"""Name of the MCAP records that hold our metadata."""
COMPRESSIONS = ("none", "lz4", "zstd")
RESERVE_BYTES = 4 << 20
"""Kept on the disk while recording, for the index of a bag that ends because the disk is full [bytes]."""


@dataclass(frozen=True)
class Recorded:
    """A topic of the bag."""

    topic: str
    type: str
    channel: int
    offered: tuple[Offered, ...]
    type_hash: str


def check_new(path: Path) -> None:
    """Raises BagError where something is there already: nothing is overwritten."""
    try:
        recording.check_new(path)
    except recording.RecordingError as error:
        raise BagError(str(error)) from None


def open_raw(path: Path) -> Output:
    """An unbuffered file: what is written has left the process, and survives its kill."""
    return open(path, "xb", buffering=0)


class BagFolder:
    """Writes a bag. Not safe for threads.

    Args:
        path: Folder to make.
        metadata: What is known at the start; `note` adds to it.
        compression: Of chunks: "none", "lz4" or "zstd".
        open_file: Opens the storage file.

    Raises:
        BagError: The folder exists, or cannot be made.
    """

    def __init__(
        self,
        path: Path,
        metadata: dict[str, str] | None = None,
        compression: str = "none",
        open_file: Callable[[Path], Output] = open_raw,
    ) -> None:
        if compression not in COMPRESSIONS:
            raise BagError(f"compression {compression!r}, allowed are {', '.join(COMPRESSIONS)}")
        check_new(path)
        self.path = path
        self.topics: dict[str, Recorded] = {}
        self.metadata: dict[str, str] = {}
        self._file_name = f"{path.name}_0.mcap"
        self._reserve: IO[bytes] | None = None
        try:
            path.mkdir(parents=True)
            self._reserve = TemporaryFile(dir=path)  # without a name: a kill gives it back, too
            os.posix_fallocate(self._reserve.fileno(), 0, RESERVE_BYTES)
            self._file = open_file(path / self._file_name)
            self.writer = McapWriter(self._file, f"vla_bags {RECORDER_VERSION}", "" if compression == "none" else compression)
            self.note({**(metadata or {}), "recorder_version": RECORDER_VERSION})
        except OSError as error:
            raise BagError(f"{path}: cannot be recorded to: {error.strerror or error}") from None

    def release_reserve(self) -> None:
        """Gives the reserved space back, for the end of the bag."""
        if self._reserve is not None:
            self._reserve.close()
            self._reserve = None

    def add_topic(self, topic: str, type_name: str, definition: str, offered: Sequence[Offered], type_hash: str = "") -> None:
        """Makes a topic known; a second call for it does nothing."""
        if topic in self.topics:
            return
        profiles = _yaml([publisher.as_dict() for publisher in offered]).strip()
        channel = self.writer.add_channel(
            topic, type_name, definition, {"offered_qos_profiles": profiles, "topic_type_hash": type_hash}
        )
        self.topics[topic] = Recorded(topic, type_name, channel, tuple(offered), type_hash)

    def write(self, topic: str, stamp_ns: int, publish_ns: int, data: bytes) -> None:
        """Adds a message of a known topic to the chunk under way."""
        self.writer.add_message(self.topics[topic].channel, stamp_ns, publish_ns, data)

    def pending(self) -> dict[str, int]:
        """Messages not yet in the file, by topic."""
        pending = self.writer.pending()
        return {name: pending[topic.channel] for name, topic in self.topics.items() if topic.channel in pending}

    def note(self, metadata: dict[str, str]) -> None:
        """Adds to the metadata, in the file at once. Raises OSError."""
        fresh = {key: value for key, value in metadata.items() if self.metadata.get(key) != value}
        self.metadata.update(fresh)
        if fresh:
            self.writer.add_metadata(RECORD, fresh)

    def close(self) -> None:
        """Ends the file and writes metadata.yaml. Raises OSError; what was whole before stays so."""
        self.release_reserve()
        try:
            information = self._information()
            inner = _yaml(information)
            self.writer.add_metadata("rosbag2", {"serialized_metadata": inner})
            self.writer.finish()
        finally:
            with suppress(OSError):
                self._file.close()
        write_text(self.path / "metadata.yaml", _yaml({"rosbag2_bagfile_information": information}))

    def _information(self) -> dict:
        self.writer.flush()
        counts = self.writer.counts
        total = sum(counts.values())
        span = {
            "starting_time": {"nanoseconds_since_epoch": self.writer.start_ns},
            "duration": {"nanoseconds": self.writer.end_ns - self.writer.start_ns},
            "message_count": total,
        }
        return {
            "version": 9,
            "storage_identifier": "mcap",
            "relative_file_paths": [self._file_name],
            **span,
            "topics_with_message_count": [
                {
                    "topic_metadata": {
                        "name": topic.topic,
                        "type": topic.type,
                        "serialization_format": "cdr",
                        "offered_qos_profiles": [publisher.as_dict() for publisher in topic.offered],
                        "type_description_hash": topic.type_hash,
                    },
                    "message_count": counts[topic.channel],
                }
                for topic in self.topics.values()
            ],
            "compression_format": "",
            "compression_mode": "",
            "files": [{"path": self._file_name, **span}],
            "custom_data": dict(self.metadata),
            "ros_distro": os.environ.get("ROS_DISTRO", "unknown"),
        }


class _Plain(yaml.SafeDumper):
    """Repeats equal parts, which other readers follow better than anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _yaml(content: object) -> str:
    return yaml.dump(content, Dumper=_Plain, sort_keys=False, allow_unicode=True)
