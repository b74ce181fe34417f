"""Raw image messages into frames of a video (foxglove_msgs/CompressedVideo) and back, under the same stamp and frame."""

from __future__ import annotations

from array import array

import numpy as np
from sensor_msgs.msg import Image

from vla_bags.video import VideoDecoder, VideoEncoder, get_av
from vla_contract.image_encodings import ImageError, from_rgb, rows_of, to_rgb
from vla_contract.ros.serialization import deserialize_message, serialize_message

FORMAT = "h264"


class VideoPacker:
    """Packs the images of one topic. encoding: of the first image, which decides; empty before."""

    def __init__(self) -> None:
        self.encoding = ""
        self._encoder: VideoEncoder | None = None

    def pack(self, data: bytes, stamp_ns: int) -> bytes:
        """A serialized sensor_msgs/Image that was received at stamp_ns as a serialized CompressedVideo (CDR).

        Raises ImageError where it cannot be read or encoded, or is of another size or encoding than the first.
        """
        from foxglove_msgs.msg import CompressedVideo

        image = _read(data, Image)
        if self.encoding and image.encoding != self.encoding:
            raise ImageError(f"encoding {image.encoding!r} in a video of {self.encoding}")
        rows = rows_of(np.frombuffer(image.data, dtype=np.uint8), image.encoding, image.width, image.height, image.step)
        pixels = to_rgb(rows, image.encoding, bigendian=bool(image.is_bigendian))
        encoder = self._encoder or VideoEncoder(image.width, image.height)
        frame = encoder.encode(pixels, stamp_ns)
        self._encoder, self.encoding = encoder, image.encoding
        header = image.header
        message = CompressedVideo(timestamp=header.stamp, frame_id=header.frame_id, format=FORMAT, data=array("B", frame))
        return serialize_message(message)


class VideoUnpacker:
    """Unpacks the messages of one topic, in order. encoding: of the images that are wanted."""

    def __init__(self, encoding: str) -> None:
        self._encoding, self._decoder = encoding, VideoDecoder()

    def unpack(self, data: bytes) -> bytes | None:
        """A serialized CompressedVideo as a serialized sensor_msgs/Image (CDR); None before the first keyframe.

        Raises ImageError where it is damaged, or of another format than h264.
        """
        from foxglove_msgs.msg import CompressedVideo

        message = _read(data, CompressedVideo)
        if message.format != FORMAT:
            raise ImageError(f"format {message.format!r}, known is {FORMAT}")
        pixels = self._decoder.decode(message.data.tobytes())
        if pixels is None:
            return None
        rows = from_rgb(pixels, self._encoding)
        image = Image(height=rows.shape[0], width=pixels.shape[1], encoding=self._encoding, step=rows.shape[1])
        image.header.stamp, image.header.frame_id = message.timestamp, message.frame_id
        image.data = array("B", rows.tobytes())
        return serialize_message(image)


def check_installed() -> None:
    """Raises ImageError where something is absent that videos need."""
    get_av()
    try:
        import foxglove_msgs.msg  # noqa: F401
    except ImportError as error:
        raise ImageError(f"h264 needs the package foxglove_msgs ({error})") from None


def _read(data: bytes, kind: type):
    try:
        return deserialize_message(data, kind)
    except Exception as error:  # rclpy raises errors of its middleware
        raise ImageError(f"no {kind.__name__}: {error}") from None
