"""Cameras that the recorder has kept as videos: a bag has them as the raw images that they were, decoded as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from vla_bags.definitions import Definitions
from vla_bags.entries import BagError, Entry, Topic
from vla_bags.image_packer import RAW_TYPE, VIDEO_TYPE, VIDEOS, video_topic
from vla_bags.video import KEYFRAME_NS
from vla_contract.files.json_text import JsonError, parse_json
from vla_contract.image_encodings import ImageError

_LEAD_NS = 2 * KEYFRAME_NS
"""Read before what is asked for, so that a keyframe is among it [ns]."""


@dataclass(frozen=True)
class _Video:
    raw: str
    encoding: str


class RecordedVideos:
    """The videos of a bag.

    Args:
        topics: The bag's topics as they are stored.
        metadata: The bag's: it says which topics are videos of raw images.

    Attributes:
        topics: The same, each video as a topic of raw images.
    """

    def __init__(self, topics: Mapping[str, Topic], metadata: Mapping[str, str]) -> None:
        self._videos: dict[str, _Video] = {}
        self.topics = dict(topics)
        for raw, encoding in _noted(metadata).items():
            stored = self.topics.get(video_topic(raw))
            if stored is not None and stored.type == VIDEO_TYPE and raw not in self.topics:
                self._videos[stored.name] = _Video(raw, encoding)
                del self.topics[stored.name]
                self.topics[raw] = Topic(raw, RAW_TYPE, stored.count, Definitions().complete(RAW_TYPE))

    def stored(self, names: set[str], start_ns: int | None) -> tuple[set[str], int | None]:
        """What has to be read for these topics from start_ns on: the topics that are stored, and from when."""
        found = {stored for stored, video in self._videos.items() if video.raw in names}
        return (names - {self._videos[s].raw for s in found}) | found, start_ns - _LEAD_NS if found and start_ns else start_ns

    def decoded(self, entries: Iterable[Entry], start_ns: int | None, where: str) -> Iterator[Entry]:
        """Entries from start_ns on, videos as raw images; what comes before the first keyframe is left out.

        Raises BagError where one is damaged, or what reads videos is not installed.
        """
        unpackers: dict[str, object] = {}
        for entry in entries:
            video = self._videos.get(entry.topic)
            early = start_ns is not None and entry.stamp_ns < start_ns
            if video is None:
                if not early:
                    yield entry
                continue
            try:
                if entry.topic not in unpackers:
                    unpackers[entry.topic] = _new_unpacker(video.encoding)
                data = unpackers[entry.topic].unpack(entry.data)
            except ImageError as error:
                raise BagError(f"{where}: a message on {entry.topic}: {error}") from None
            if data is not None and not early:
                yield replace(entry, topic=video.raw, type=RAW_TYPE, data=data)

    def __bool__(self) -> bool:
        return bool(self._videos)


def _new_unpacker(encoding: str):
    from vla_bags.video_messages import VideoUnpacker, check_installed

    check_installed()
    return VideoUnpacker(encoding)


def _noted(metadata: Mapping[str, str]) -> dict[str, str]:
    try:
        told = parse_json(metadata.get(VIDEOS) or "{}")
    except JsonError:
        return {}
    return {str(topic): str(encoding) for topic, encoding in told.items()} if isinstance(told, dict) else {}
