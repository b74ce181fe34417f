"""Image messages to RGB arrays and back, without cv_bridge."""

from __future__ import annotations

from array import array

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from vla_contract.ros.stamps import ns_to_stamp

# Channels in memory, and which of them make red, green and blue.
_LAYOUT = {
    "rgb8": (3, [0, 1, 2]),
    "bgr8": (3, [2, 1, 0]),
    "rgba8": (4, [0, 1, 2]),
    "bgra8": (4, [2, 1, 0]),
    "mono8": (1, [0, 0, 0]),
}


class ImageError(ValueError):
    """An image that cannot be read. The message says what it has and what is allowed."""


def image_to_array(image: Image) -> np.ndarray:
    """RGB pixels, (H, W, 3) uint8, C-contiguous. Rows may be padded (``step``).

    Byte order makes no difference at 8 bits. ImageError for other encodings, and where sizes disagree.
    """
    if image.encoding not in _LAYOUT:
        raise ImageError(f"encoding {image.encoding!r}, allowed are {', '.join(_LAYOUT)}")
    channels, order = _LAYOUT[image.encoding]
    height, width, step = image.height, image.width, image.step
    if height == 0 or width == 0:
        raise ImageError(f"size {width}x{height}, at least 1x1 is needed")
    if step < width * channels:
        raise ImageError(f"step {step} bytes, {width} pixels of {image.encoding} need at least {width * channels}")
    data = np.frombuffer(image.data, dtype=np.uint8)
    if data.size < (height - 1) * step + width * channels or data.size > height * step:
        raise ImageError(f"{data.size} bytes of data, {height} rows of {step} bytes need {height * step}")
    rows = np.lib.stride_tricks.as_strided(data, (height, width, channels), (step, channels, 1), writeable=False)
    return rows.copy() if order == [0, 1, 2] and channels == 3 else np.ascontiguousarray(rows[:, :, order])


def compressed_to_array(image: CompressedImage) -> np.ndarray:
    """RGB pixels, (H, W, 3) uint8, of a JPEG or PNG. Needs OpenCV. ImageError where the data is no picture."""
    import cv2  # here, because whoever reads raw images needs no OpenCV

    data = np.frombuffer(image.data, dtype=np.uint8)
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if decoded is None:
        raise ImageError(f"format {image.format!r}: {data.size} bytes are no JPEG or PNG picture")
    return np.ascontiguousarray(decoded[:, :, ::-1])


def array_to_image(pixels: np.ndarray, stamp_ns: int, frame_id: str) -> Image:
    """An rgb8 message of (H, W, 3) uint8 RGB pixels. ImageError for other arrays."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ImageError(f"{pixels.dtype} array of shape {pixels.shape}, allowed is uint8 of shape (H, W, 3)")
    height, width = pixels.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", is_bigendian=0, step=3 * width)
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = frame_id
    message.data = array("B", np.ascontiguousarray(pixels).tobytes())  # bytes would be checked one by one
    return message
