"""Raw image messages into compressed ones and back, under the same header."""

from __future__ import annotations

from array import array

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from vla_contract.image_encodings import ImageError, bytes_a_pixel, rows_of
from vla_contract.image_packing import pack_rows, unpack_rows
from vla_contract.ros.serialization import deserialize_message, serialize_message


def pack_image(image: Image, kind: str, quality: int) -> CompressedImage:
    """A raw image as a file, see ``pack_rows``. Raises ImageError where it cannot be read or put into a file."""
    data = np.frombuffer(image.data, dtype=np.uint8)
    rows = rows_of(data, image.encoding, image.width, image.height, image.step)
    file, text = pack_rows(rows, image.encoding, kind, quality, bigendian=bool(image.is_bigendian))
    return CompressedImage(header=image.header, format=text, data=array("B", file))


def pack_serialized(data: bytes, kind: str, quality: int) -> bytes:
    """``pack_image`` of a serialized sensor_msgs/Image, to a serialized sensor_msgs/CompressedImage (CDR)."""
    try:
        image = deserialize_message(data, Image)
    except Exception as error:  # rclpy raises errors of its middleware
        raise ImageError(f"no sensor_msgs/msg/Image: {error}") from None
    return serialize_message(pack_image(image, kind, quality))


def unpack_serialized(data: bytes, card: str) -> Image:
    """``unpack_image`` of a serialized sensor_msgs/CompressedImage (CDR)."""
    try:
        message = deserialize_message(data, CompressedImage)
    except Exception as error:
        raise ImageError(f"no sensor_msgs/msg/CompressedImage: {error}") from None
    return unpack_image(message, card)


def unpack_image(message: CompressedImage, card: str) -> Image:
    """The raw image that was packed; of a JPEG as near as that kept it. card: the card's encoding. Raises ImageError."""
    rows, encoding = unpack_rows(message.data, message.format, card)
    width = rows.shape[1] // bytes_a_pixel(encoding)
    image = Image(
        header=message.header, height=rows.shape[0], width=width, encoding=encoding, is_bigendian=0, step=rows.shape[1]
    )
    image.data = array("B", rows.tobytes())  # bytes would be checked one by one
    return image
