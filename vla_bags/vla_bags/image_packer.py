"""How a recording keeps raw camera images, and what packs them on their way to the bag. Imports no rclpy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from vla_bags.bag_folder import BagFolder
from vla_bags.entries import BagError
from vla_bags.offered_qos import Offered
from vla_contract.image_encodings import ImageError
from vla_contract.image_packing import KINDS, QUALITY

IMAGES = ("raw", *KINDS)
RAW_TYPE, PACKED_TYPE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
PACKED, NOT_PACKED = "packed_images", "not_packed"
"""In a bag's metadata, by raw topic: how its images are kept, and why some are not (JSON)."""


@dataclass(frozen=True)
class ImageKeeping:
    """How raw images of the card's cameras are kept.

    Args:
        kind: "raw": as they come; "jpeg", where 16 bits and mosaics become PNG; "png": without loss.
        quality: Of a JPEG, 1 to 100.

    Raises:
        BagError: Another kind or quality.
    """

    kind: str = "raw"
    quality: int = QUALITY

    def __post_init__(self) -> None:
        if self.kind not in IMAGES:
            raise BagError(f"images {self.kind!r}, allowed are {', '.join(IMAGES)}")
        if not 1 <= self.quality <= 100:
            raise BagError(f"jpeg_quality {self.quality}, allowed are 1 to 100")

    @property
    def words(self) -> str:
        """What a bag says of it."""
        return f"jpeg, quality {self.quality}" if self.kind == "jpeg" else self.kind


def packed_topic(topic: str) -> str:
    """Where images of a raw topic go when they are packed."""
    return f"{topic}/compressed"


@dataclass
class _Camera:
    """A raw topic. place: the bag's topic; None until the first image has decided."""

    definition: str
    offered: tuple[Offered, ...]
    type_hash: str
    packed_definition: str
    place: str | None = None


class ImagePacker:
    """Packs images in front of a folder; for the thread that writes it.

    The first image of a topic decides: it is packed onto ``<topic>/compressed`` as all that follow, or, where it cannot be, the
    topic stays as it came. So a bag has each camera on one topic.

    Args:
        folder: The bag.
        keeping: What to make of the topics that are added.
        pack: Serialized raw image, kind and quality to a serialized compressed image; raises ImageError.

    Attributes:
        problems: By topic, why an image of it was not packed; the first reason.
    """

    def __init__(self, folder: BagFolder, keeping: ImageKeeping, pack: Callable[[bytes, str, int], bytes]) -> None:
        self._folder, self._keeping, self._pack = folder, keeping, pack
        self._cameras: dict[str, _Camera] = {}
        self.problems: dict[str, str] = {}

    def add(self, topic: str, definition: str, offered: tuple[Offered, ...], type_hash: str, packed_definition: str) -> None:
        """Makes a topic of raw images known, with the definitions of both types."""
        self._cameras.setdefault(topic, _Camera(definition, offered, type_hash, packed_definition))

    def takes(self, topic: str) -> bool:
        """Whether images of this topic go through here."""
        return topic in self._cameras

    def write(self, topic: str, stamp_ns: int, publish_ns: int, data: bytes) -> bool:
        """Adds an image to the bag. False where it is lost: its topic is packed, and it cannot be. Raises OSError."""
        camera = self._cameras[topic]
        if camera.place != topic:
            try:
                data = self._pack(data, self._keeping.kind, self._keeping.quality)
            except ImageError as error:
                self._tell(topic, str(error), kept=camera.place is None)
                if camera.place is not None:
                    return False
                self._keep_raw(topic)
            else:
                self._keep_packed(topic)
        self._folder.write(camera.place, stamp_ns, publish_ns, data)
        return True

    def end(self) -> None:
        """Topics on which nothing came are in the bag under their own names."""
        for topic, camera in self._cameras.items():
            if camera.place is None:
                self._keep_raw(topic)

    def _keep_raw(self, topic: str) -> None:
        camera = self._cameras[topic]
        camera.place = topic
        self._folder.add_topic(topic, RAW_TYPE, camera.definition, camera.offered, camera.type_hash)

    def _keep_packed(self, topic: str) -> None:
        camera = self._cameras[topic]
        if camera.place is None:
            camera.place = packed_topic(topic)
            self._folder.add_topic(camera.place, PACKED_TYPE, camera.packed_definition, camera.offered)
            packed = [name for name, other in self._cameras.items() if other.place == packed_topic(name)]
            self._folder.note({PACKED: json.dumps(dict.fromkeys(packed, self._keeping.words))})

    def _tell(self, topic: str, reason: str, kept: bool) -> None:
        if topic not in self.problems:
            self.problems[topic] = f"{reason}; {'its images stay raw' if kept else 'such images are dropped'}"
            self._folder.note({NOT_PACKED: json.dumps(self.problems)})
