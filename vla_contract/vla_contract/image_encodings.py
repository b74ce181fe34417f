"""Encodings of camera images, as sensor_msgs/Image names them: to RGB and back. No ROS; OpenCV where colours are computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Encoding = Literal[
    "rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "16UC1", "yuv422", "uyvy", "yuv422_yuy2", "yuyv",
    "bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8",
]  # fmt: skip
ENCODINGS: tuple[str, ...] = get_args(Encoding)
"""What a card may name."""
DEPTH = "16UC1"
GREYS = ("mono8", "mono16", DEPTH)
"""What becomes three equal channels."""
UYVY, YUYV = ("yuv422", "uyvy"), ("yuv422_yuy2", "yuyv")
PLAIN = ("rgb8", "bgr8", "rgba8", "bgra8")
"""Colours as they are."""
_ORDER = {"rgb8": (3, [0, 1, 2]), "bgr8": (3, [2, 1, 0]), "rgba8": (4, [0, 1, 2]), "bgra8": (4, [2, 1, 0])}
# OpenCV names a pattern by the second and third pixel of its second row.
_BAYER = {"bayer_rggb8": "BG", "bayer_bggr8": "RG", "bayer_gbrg8": "GR", "bayer_grbg8": "GB"}
_NODES = (
    ("bayer_", "image_proc's debayer node makes colours of it"),
    ("32FC1", "depth_image_proc's convert_metric node makes 16UC1 of it"),
    ("8UC", "it does not say which colours these are: set the driver's encoding to rgb8, bgr8 or mono8"),
    ("", "let the driver send another one, or put a node that converts between them, as image_proc's and `image_transport "
         "republish` do for what they know"),
)  # fmt: skip


class ImageError(ValueError):
    """An image that cannot be read. The message says what it has and what is allowed."""


@dataclass(frozen=True)
class DepthRange:
    """Distances that a depth image is to tell apart [m]; beyond them it shows the nearer end."""

    near: float
    far: float


def unknown_encoding(encoding: str) -> ImageError:
    """For an encoding that nobody here reads, with what helps."""
    help_ = next(words for begin, words in _NODES if encoding.startswith(begin))
    return ImageError(f"encoding {encoding!r}, allowed are {', '.join(ENCODINGS)}; {help_}")


def bytes_a_pixel(encoding: str) -> int:
    """Of a row in memory. Raises ImageError for an encoding that is not allowed."""
    if encoding not in ENCODINGS:
        raise unknown_encoding(encoding)
    if encoding in PLAIN:
        return _ORDER[encoding][0]
    return 1 if encoding == "mono8" or encoding in _BAYER else 2


def is_mosaic(encoding: str) -> bool:
    """Whether each pixel holds one colour only."""
    return encoding in _BAYER


def sixteen_bits(encoding: str) -> bool:
    """Whether each pixel is one number of 16 bits."""
    return encoding in ("mono16", DEPTH)


def rows_of(data: np.ndarray, encoding: str, width: int, height: int, step: int) -> np.ndarray:
    """A view of the pixels without the padding of their rows. (height, width, bytes a pixel) uint8.

    data: (n,) uint8; the last row may lack its padding. step: bytes from one row to the next.
    Raises ImageError for an encoding that is not allowed, and where sizes disagree.
    """
    size = bytes_a_pixel(encoding)
    if height == 0 or width == 0:
        raise ImageError(f"size {width}x{height}, at least 1x1 is needed")
    if encoding in (*UYVY, *YUYV) and width % 2:
        raise ImageError(f"width {width}, {encoding} has its pixels in pairs: an even number is needed")
    if step < width * size:
        raise ImageError(f"step {step} bytes, {width} pixels of {encoding} need at least {width * size}")
    if data.size < (height - 1) * step + width * size or data.size > height * step:
        raise ImageError(f"{data.size} bytes of data, {height} rows of {step} bytes need {height * step}")
    return np.lib.stride_tricks.as_strided(data, (height, width, size), (step, size, 1), writeable=False)


def unpadded(rows: np.ndarray) -> np.ndarray:
    """A copy of ``rows_of`` without gaps, as OpenCV takes it: (H, W) where a pixel is one byte."""
    return np.ascontiguousarray(rows[:, :, 0] if rows.shape[2] == 1 else rows)


def to_rgb(rows: np.ndarray, encoding: str, *, bigendian: bool = False, depth: DepthRange | None = None) -> np.ndarray:
    """RGB pixels, (H, W, 3) uint8, C-contiguous and of their own, of ``rows`` (H, W, bytes a pixel).

    mono16 becomes 8 bits by its share of the largest value; 16UC1 by ``depth``, see ``depth_levels``.
    Raises ImageError for an encoding that is not allowed, and for 16UC1 without ``depth``.
    """
    if encoding in PLAIN:
        order = _ORDER[encoding][1]
        return rows.copy() if encoding == "rgb8" else np.ascontiguousarray(rows[:, :, order])
    if encoding == "mono8":
        return _grey(rows[:, :, 0])
    if sixteen_bits(encoding):
        return sixteen_to_rgb(np.ascontiguousarray(rows).view(">u2" if bigendian else "<u2")[:, :, 0], encoding, depth)
    if encoding in _BAYER:
        return _opencv(f"Bayer{_BAYER[encoding]}2RGB", rows)
    if encoding in (*UYVY, *YUYV):
        return _opencv("YUV2RGB_UYVY" if encoding in UYVY else "YUV2RGB_YUY2", rows)
    raise unknown_encoding(encoding)


def sixteen_to_rgb(values: np.ndarray, encoding: str, depth: DepthRange | None) -> np.ndarray:
    """mono16 or 16UC1 values (H, W) uint16 to (H, W, 3) uint8. Raises ImageError for 16UC1 without ``depth``."""
    if encoding == DEPTH:
        if depth is None:
            raise ImageError("encoding '16UC1' is depth, and the card asks for none: give the camera `depth` in the card")
        return _grey(depth_levels(values, depth))
    return _grey(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def depth_levels(millimetres: np.ndarray, depth: DepthRange) -> np.ndarray:
    """255 for ``near`` and what is nearer, falling evenly to 1 for ``far`` and what is further; 0: nothing was measured.

    millimetres: any shape, uint16, 0 where nothing was measured (REP 118). Same shape, uint8.
    """
    share = (millimetres / 1000.0 - depth.near) / (depth.far - depth.near)
    levels = 1 + np.rint(254 * (1.0 - share.clip(0.0, 1.0)))
    return np.where(millimetres == 0, 0, levels).astype(np.uint8)


def from_rgb(pixels: np.ndarray, encoding: str, *, bigendian: bool = False) -> np.ndarray:
    """What a camera of this encoding would send of RGB ``pixels`` (H, W, 3) uint8: rows of bytes, (H, W * bytes a pixel).

    Grey is the mean of the channels; 16UC1 the same number of centimetres. Raises ImageError for an encoding that is not allowed,
    and for an odd width with pixels in pairs.
    """
    height, width = pixels.shape[:2]
    if encoding in PLAIN:
        channels, order = _ORDER[encoding]
        stored = np.full((height, width, channels), 255, np.uint8)
        stored[:, :, order] = pixels
        return stored.reshape(height, -1)
    if encoding in _BAYER:
        return _mosaic(pixels, encoding)
    if encoding in (*UYVY, *YUYV):
        return _pairs(pixels, encoding)
    if encoding not in GREYS:
        raise unknown_encoding(encoding)
    grey = pixels.mean(axis=2).round()
    if encoding == "mono8":
        return grey.astype(np.uint8)
    factor = 257 if encoding == "mono16" else 10
    return (grey * factor).astype(">u2" if bigendian else "<u2").view(np.uint8).reshape(height, -1)


def _mosaic(pixels: np.ndarray, encoding: str) -> np.ndarray:
    stored = np.empty(pixels.shape[:2], np.uint8)
    for place, colour in enumerate(encoding.removeprefix("bayer_")[:4]):
        at = np.s_[place // 2 :: 2, place % 2 :: 2]
        stored[at] = pixels[:, :, "rgb".index(colour)][at]
    return stored


def _pairs(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """BT.601 with the range of video, as OpenCV reads it; the colour of two neighbours is their mean."""
    height, width = pixels.shape[:2]
    if width % 2:
        raise ImageError(f"width {width}, {encoding} has its pixels in pairs: an even number is needed")
    red, green, blue = np.moveaxis(pixels.astype(float), 2, 0)
    light = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    u, v = ((part[:, ::2] + part[:, 1::2]) / 2 for part in (u, v))
    parts = [u, light[:, ::2], v, light[:, 1::2]]
    if encoding in YUYV:
        parts = [light[:, ::2], u, light[:, 1::2], v]
    return np.stack(parts, axis=2).round().clip(0, 255).astype(np.uint8).reshape(height, -1)


def _grey(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(values[:, :, None], (*values.shape, 3)))


def _opencv(code: str, rows: np.ndarray) -> np.ndarray:
    import cv2  # here, because whoever reads plain images needs no OpenCV

    return cv2.cvtColor(unpadded(rows), getattr(cv2, f"COLOR_{code}"))
