"""How a recording keeps raw camera images, and what packs them on their way to the bag. Imports no rclpy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from vla_bags.bag_folder import BagFolder
from vla_bags.entries import BagError
from vla_bags.offered_qos import Offered
from vla_bags.video import CRF
from vla_contract.image_encodings import ImageError
from vla_contract.image_packing import KINDS
from vla_contract.recording import QUALITY, RecordingError, check_quality

VIDEO = "h264"
IMAGES = ("raw", *KINDS, VIDEO)
RAW_TYPE, PACKED_TYPE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
VIDEO_TYPE = "foxglove_msgs/msg/CompressedVideo"
PACKED, VIDEOS, NOT_PACKED = "packed_images", "videos", "not_packed"
"""In a bag's metadata, by raw topic (JSON): how its images are kept, the encoding of a video's, and why some are not packed."""


@dataclass(frozen=True)
class ImageKeeping:
    """How raw images of the card's cameras are kept.

    Args:
        kind: "raw": as they come; "jpeg", where 16 bits and mosaics become PNG; "png": without loss; "h264": a video, where
            16 bits, mosaics and odd sizes become PNG.
        quality: Of a JPEG, 1 to 100.

    Raises:
        BagError: Another kind or quality.
    """

    kind: str = "raw"
    quality: int = QUALITY

    def __post_init__(self) -> None:
        if self.kind not in IMAGES:
            raise BagError(f"images {self.kind!r}, allowed are {', '.join(IMAGES)}")
        try:
            check_quality(self.quality)
        except RecordingError as error:
            raise BagError(str(error)) from None

    @property
    def words(self) -> str:
        """What a bag says of it."""
        return {"jpeg": f"jpeg, quality {self.quality}", VIDEO: f"{VIDEO}, crf {CRF}"}.get(self.kind, self.kind)


def packed_topic(topic: str) -> str:
    """Where images of a raw topic go when each becomes a file."""
    return f"{topic}/compressed"


def video_topic(topic: str) -> str:
    """Where images of a raw topic go when they become a video."""
    return f"{topic}/video"


class Video(Protocol):
    """Packs the images of one topic as a video. encoding: of the images; empty before the first."""

    encoding: str

    def pack(self, data: bytes, stamp_ns: int) -> bytes:
        """Serialized raw image, received at stamp_ns, to a serialized frame; raises ImageError."""


@dataclass
class _Camera:
    """A raw topic. place: the bag's topic; None until the first image has decided."""

    definition: str
    offered: tuple[Offered, ...]
    type_hash: str
    definitions: Mapping[str, str]
    place: str | None = None
    how: str = ""
    video: Video | None = None


class ImagePacker:
    """Packs images in front of a folder; for the thread that writes it.

    The first image of a topic decides: it is packed onto ``<topic>/compressed``, or ``<topic>/video``, as all that follow, or,
    where it cannot be, the topic stays as it came. So a bag has each camera on one topic.

    Args:
        folder: The bag.
        keeping: What to make of the topics that are added.
        pack: Serialized raw image, kind and quality to a serialized compressed image; raises ImageError.
        new_video: What packs a topic as a video; None: nothing here does.

    Attributes:
        problems: By topic, why an image of it was not packed; the first reason.
    """

    def __init__(
        self, folder: BagFolder, keeping: ImageKeeping, pack: Callable[[bytes, str, int], bytes],
        new_video: Callable[[], Video] | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._keeping, self._pack, self._new_video = folder, keeping, pack, new_video
        self._cameras: dict[str, _Camera] = {}
        self.problems: dict[str, str] = {}

    def add(
        self, topic: str, definition: str, offered: tuple[Offered, ...], type_hash: str, definitions: Mapping[str, str]
    ) -> None:
        """Makes a topic of raw images known. definitions: of the types that they may become, by name."""
        self._cameras.setdefault(topic, _Camera(definition, offered, type_hash, definitions))

    def takes(self, topic: str) -> bool:
        """Whether images of this topic go through here."""
        return topic in self._cameras

    def write(self, topic: str, stamp_ns: int, publish_ns: int, data: bytes) -> bool:
        """Adds an image to the bag. False where it is lost: its topic is packed, and it cannot be. Raises OSError."""
        camera = self._cameras[topic]
        if camera.place != topic:
            try:
                data = self._packed(camera, topic, stamp_ns, data)
            except ImageError as error:
                self._tell(topic, str(error), "its images stay raw" if camera.place is None else "such images are dropped")
                if camera.place is not None:
                    return False
                self._keep(topic, topic, RAW_TYPE, camera.definition, camera.type_hash)
        self._folder.write(camera.place, stamp_ns, publish_ns, data)
        return True

    def _packed(self, camera: _Camera, topic: str, stamp_ns: int, data: bytes) -> bytes:
        """What an image becomes; the first decides where all of its topic go. Raises ImageError."""
        kind, why = self._keeping.kind, ""
        if kind == VIDEO and self._new_video is not None and camera.place in (None, video_topic(topic)):
            video = camera.video or self._new_video()
            try:
                packed = video.pack(data, stamp_ns)
            except ImageError as error:
                if camera.place is not None:
                    raise
                why = str(error)
            else:
                camera.video = video
                self._keep_packed(topic, video_topic(topic), VIDEO_TYPE, self._keeping.words)
                return packed
        kind = "png" if kind == VIDEO else kind
        packed = self._pack(data, kind, self._keeping.quality)
        if why:
            self._tell(topic, why, "its images are kept as png")
        self._keep_packed(topic, packed_topic(topic), PACKED_TYPE, kind if self._keeping.kind == VIDEO else self._keeping.words)
        return packed

    def end(self) -> None:
        """Topics on which nothing came are in the bag under their own names."""
        for topic, camera in self._cameras.items():
            if camera.place is None:
                self._keep(topic, topic, RAW_TYPE, camera.definition, camera.type_hash)

    def _keep(self, topic: str, place: str, kind: str, definition: str, type_hash: str = "") -> None:
        self._cameras[topic].place = place
        self._folder.add_topic(place, kind, definition, self._cameras[topic].offered, type_hash)

    def _keep_packed(self, topic: str, place: str, kind: str, how: str) -> None:
        camera = self._cameras[topic]
        if camera.place is not None:
            return
        camera.how = how
        self._keep(topic, place, kind, camera.definitions[kind])
        cameras = self._cameras.items()
        self._folder.note({PACKED: json.dumps({name: other.how for name, other in cameras if other.how})})
        videos = {name: other.video.encoding for name, other in cameras if other.video is not None}
        if videos:
            self._folder.note({VIDEOS: json.dumps(videos)})

    def _tell(self, topic: str, reason: str, outcome: str) -> None:
        if topic not in self.problems:
            self.problems[topic] = f"{reason}; {outcome}"
            self._folder.note({NOT_PACKED: json.dumps(self.problems)})
