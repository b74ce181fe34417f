"""Frames as data URIs: from a bag, the newest of each camera at an instant; or from files in `frames/`."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vla_bags.reader import Bag
from vla_bags.recorded_cameras import find_camera
from vla_contract.card import CameraCard, InterfaceCard
from vla_contract.files import FileError, read_bytes
from vla_contract.files.images import image_size
from vla_contract.files.limits import IMAGE
from vla_evidence.ledger.stamps import LedgerError, header_stamp_ns
from vla_evidence.report.errors import ReportError

WIDTH = 320
"""Widest image [pixels]."""
QUALITY = 80
MOST_IMAGES = 16
"""Of an episode, from files: no cell has more cameras."""
AROUND_NS = 2_000_000_000
SAME_CLOCK_NS = 5_000_000_000
"""Receive times and camera stamps this near are of one clock, and the bag is searched around the instant only."""


@dataclass(frozen=True)
class ReportImage:
    """A frame. ``early_ms``: how long before the instant asked for it was taken; None: not known."""

    camera: str
    uri: str
    width: int
    height: int
    early_ms: float | None = None


def images_from_bag(
    bag: Bag, card: InterfaceCard, instants: Mapping[int, tuple[int, tuple[int, int] | None]]
) -> tuple[dict[int, list[ReportImage]], list[str]]:
    """By episode, of each camera of the card the newest frame that is not after the instant [ns, camera stamps].

    And why those are absent that cannot be read.

    Args:
        instants: By episode, the instant, and the receive times between which its run lies [ns]; None: not known.
    """
    from vla_contract.ros.images import ImageError

    found: dict[int, list[ReportImage]] = {episode: [] for episode in instants}
    unreadable = []
    for camera in card.cameras:
        topic, as_recorded = find_camera(bag, camera) or (None, camera)
        if topic is None or not bag.topics[topic].count:
            continue
        for episode, (stamp_ns, entry) in _newest(bag, topic, instants).items():
            try:
                pixels = _pixels(entry, as_recorded)
            except ImageError as error:
                unreadable.append(f"episode {episode}, {camera.name}: {error}")
                continue
            found[episode].append(_image(camera.name, pixels, (instants[episode][0] - stamp_ns) / 1e6))
    return found, unreadable


def images_from_files(files: list[Path], prefixes: list[str]) -> list[ReportImage]:
    """Of the files named PREFIX_CAMERA.png (or .jpg). ReportError names a file that is no image."""
    out = []
    for file in files:
        prefix = next((p for p in prefixes if file.stem.startswith(f"{p}_")), None)
        if prefix is None:
            continue
        if len(out) == MOST_IMAGES:
            break
        try:
            data = read_bytes(file, IMAGE)
            image_size(data)
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
                pixels = np.asarray(image.convert("RGB"))
        except FileError as error:
            raise ReportError(f"{file}: not an image ({str(error).removeprefix(f'{file}: ')})") from None
        except Exception as error:  # each part of a damaged image has errors of its own
            raise ReportError(f"{file}: not an image ({error or type(error).__name__})") from None
        out.append(_image(file.stem.removeprefix(f"{prefix}_"), pixels, None))
    return out


def _newest(bag: Bag, topic: str, instants: Mapping[int, tuple[int, tuple[int, int] | None]]) -> dict:
    first = next(bag.entries([topic]), None)
    best: dict[int, tuple[int, object]] = {}
    if first is None:
        return best
    one_clock = abs(first.stamp_ns - header_stamp_ns(first.data)) < SAME_CLOCK_NS
    for episode, (wanted, window) in instants.items():
        begin_ns, end_ns = (wanted - AROUND_NS, wanted + AROUND_NS) if one_clock else window or (None, None)
        for entry in bag.entries([topic], begin_ns, end_ns):
            try:
                stamp_ns = header_stamp_ns(entry.data)
            except LedgerError:
                continue
            if wanted - AROUND_NS <= stamp_ns <= wanted and stamp_ns > best.get(episode, (0, None))[0]:
                best[episode] = stamp_ns, entry
    return best


def _pixels(entry, camera: CameraCard) -> np.ndarray:
    from sensor_msgs.msg import CompressedImage
    from sensor_msgs.msg import Image as ImageMsg

    from vla_contract.ros.images import pixels_of
    from vla_contract.ros.serialization import deserialize_message

    return pixels_of(camera, deserialize_message(entry.data, CompressedImage if camera.compressed else ImageMsg))


def _image(camera: str, pixels: np.ndarray, early_ms: float | None) -> ReportImage:
    image = Image.fromarray(pixels)
    if image.width > WIDTH:
        image = image.resize((WIDTH, max(1, round(image.height * WIDTH / image.width))), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    uri = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return ReportImage(camera, uri, image.width, image.height, early_ms)
