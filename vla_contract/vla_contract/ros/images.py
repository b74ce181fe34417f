"""Image messages to RGB arrays and back. Colours that must be computed are cv_bridge's where it is installed, else OpenCV's."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cache

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from vla_contract.card import CameraCard
from vla_contract.image_encodings import (
    GREYS,
    PLAIN,
    DepthRange,
    ImageError,
    bytes_a_pixel,
    from_rgb,
    rows_of,
    to_rgb,
    unpadded,
)
from vla_contract.image_files import encoding_of_file, file_to_rgb
from vla_contract.ros.stamps import ns_to_stamp

__all__ = [
    "ImageError", "array_to_image", "camera_message", "compressed_to_array", "encoding_of", "image_to_array", "pixels_of",
]  # fmt: skip


def pixels_of(camera: CameraCard, message: Image | CompressedImage) -> np.ndarray:
    """A camera's image, RGB (H, W, 3) uint8, as its card says that it comes.

    Raises ImageError where message and card disagree about the encoding, and where the message cannot be read.
    """
    if camera.compressed:
        return compressed_to_array(message, camera.encoding, camera.depth_range)
    bytes_a_pixel(message.encoding)
    if message.encoding != camera.encoding:
        raise ImageError(f"encoding {message.encoding!r}, the card has {camera.encoding!r}")
    return image_to_array(message, camera.depth_range)


def encoding_of(message: Image | CompressedImage, card: str = "") -> str:
    """Of a compressed image the encoding that it had before, or has; see ``encoding_of_file``. Raises ImageError."""
    if isinstance(message, CompressedImage):
        return encoding_of_file(message.data, message.format, card)
    return message.encoding


def image_to_array(image: Image, depth: DepthRange | None = None) -> np.ndarray:
    """RGB pixels, (H, W, 3) uint8, C-contiguous. Rows may be padded (``step``), values of 16 bits in either byte order.

    depth: what a 16UC1 image is to show; see ``depth_levels``. ImageError for other encodings, and where sizes disagree.
    """
    data = np.frombuffer(image.data, dtype=np.uint8)
    rows = rows_of(data, image.encoding, image.width, image.height, image.step)
    convert = cv_bridge() if image.encoding not in (*PLAIN, *GREYS) else None
    if convert is not None:
        try:
            return np.ascontiguousarray(convert(unpadded(rows), image.encoding, "rgb8"))
        except RuntimeError:  # an older one, which does not know this encoding
            pass
    return to_rgb(rows, image.encoding, bigendian=bool(image.is_bigendian), depth=depth)


def compressed_to_array(image: CompressedImage, encoding: str = "", depth: DepthRange | None = None) -> np.ndarray:
    """RGB pixels, (H, W, 3) uint8, of a JPEG or PNG. Needs OpenCV.

    encoding: the card's; empty: whatever the message says. ImageError where its `format` contradicts data or card.
    """
    return file_to_rgb(image.data, image.format, encoding, depth)


def array_to_image(pixels: np.ndarray, stamp_ns: int, frame_id: str, encoding: str = "rgb8") -> Image:
    """A message of (H, W, 3) uint8 RGB pixels in an encoding, see ``from_rgb``. ImageError for other arrays."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ImageError(f"{pixels.dtype} array of shape {pixels.shape}, allowed is uint8 of shape (H, W, 3)")
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1) if encoding == "rgb8" else from_rgb(pixels, encoding)
    message = Image(height=height, width=width, encoding=encoding, is_bigendian=0, step=rows.shape[1])
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = frame_id
    message.data = array("B", rows.tobytes())  # bytes would be checked one by one
    return message


def camera_message(camera: CameraCard, pixels: np.ndarray, stamp_ns: int) -> Image | CompressedImage:
    """What a camera of the card would send of (H, W, 3) uint8 RGB pixels; compressed as image_transport would. ImageError."""
    if not camera.compressed:
        return array_to_image(pixels, stamp_ns, camera.frame, camera.encoding)
    import cv2  # here, because raw images need no OpenCV

    if camera.encoding in GREYS:
        rows = from_rgb(pixels, camera.encoding)
        file = rows if camera.encoding == "mono8" else rows.view("<u2")
        kind, stored = "jpeg" if camera.encoding == "mono8" else "png", ""
    else:
        file, kind, stored = pixels[:, :, ::-1], "jpeg", "bgr8"
    message = CompressedImage(format=f"{camera.encoding}; {kind} compressed {stored}")
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = camera.frame
    message.data = array("B", cv2.imencode(".jpg" if kind == "jpeg" else ".png", file)[1].tobytes())
    return message


@cache
def cv_bridge() -> Callable[[np.ndarray, str, str], np.ndarray] | None:
    """Its conversion (pixels, from, to), where it is installed and fits the NumPy that runs."""
    try:
        from cv_bridge.boost.cv_bridge_boost import cvtColor2
    except (ImportError, AttributeError, SystemError):
        return None
    return cvtColor2
