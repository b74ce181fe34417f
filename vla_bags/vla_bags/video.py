"""Camera images into H.264 video and back, a frame at a time: what goes in comes out, in order, without delay. No ROS."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from vla_contract.files.limits import MOST_PIXELS, scaled
from vla_contract.image_encodings import ImageError

CRF = 14
"""Constant rate factor of x264, 0 (without loss) to 51: well below where differences are visible, for a policy sees more."""
KEYFRAME_NS = 1_000_000_000
"""Longest from one keyframe to the next [ns]: who begins in the middle has this long to wait."""
_PRESET = "veryfast"
_START, _IDR = b"\x00\x00\x01", 5  # of a NAL unit, and the type of one that needs no frame before it (H.264, table 7-1)


class VideoEncoder:
    """Encodes the frames of one camera with libx264 (PyAV), 4:2:0. Raises ImageError for odd sizes, which 4:2:0 has not."""

    def __init__(self, width: int, height: int) -> None:
        av = get_av()
        if width % 2 or height % 2:
            raise ImageError(f"no h264 of {width}x{height} pixels: even sizes are needed")
        self._size = width, height
        self._codec = av.CodecContext.create("libx264", "w")
        self._codec.width, self._codec.height, self._codec.pix_fmt = width, height, "yuv420p"
        self._codec.time_base, self._codec.thread_count = Fraction(1, 1000), 1
        self._codec.options = {"preset": _PRESET, "tune": "zerolatency", "crf": str(CRF), "x264-params": "keyint=infinite"}
        self._av, self._count, self._key_ns = av, 0, None

    def encode(self, pixels: np.ndarray, stamp_ns: int) -> bytes:
        """A frame (H, W, 3) uint8 RGB, received at stamp_ns, in Annex B. Raises ImageError for another size."""
        if pixels.shape[1::-1] != self._size:
            was = f"{self._size[0]}x{self._size[1]}"
            raise ImageError(f"{pixels.shape[1]}x{pixels.shape[0]} pixels in a video of {was}")
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts, self._count = self._count, self._count + 1
        if self._key_ns is None or not 0 <= stamp_ns - self._key_ns < KEYFRAME_NS:
            frame.pict_type, self._key_ns = self._av.video.frame.PictureType.I, stamp_ns
        try:
            packets = self._codec.encode(frame)
        except self._av.FFmpegError as error:
            raise ImageError(f"no h264 of this image: {error}") from None
        return b"".join(bytes(packet) for packet in packets)


class VideoDecoder:
    """Decodes what a VideoEncoder, or another encoder without B-frames, has made."""

    def __init__(self) -> None:
        self._av = get_av()
        self._codec = self._av.CodecContext.create("h264", "r")
        self._codec.thread_count = 1
        self._codec.options = {"max_pixels": str(scaled(MOST_PIXELS))}
        self._begun = False

    def decode(self, data: bytes) -> np.ndarray | None:
        """The frame (H, W, 3) uint8 RGB; None before the first keyframe. Raises ImageError where it is damaged."""
        self._begun = self._begun or has_keyframe(data)
        if not self._begun:
            return None
        try:
            frames = self._codec.decode(self._av.Packet(data))
        except (self._av.FFmpegError, ValueError) as error:
            raise ImageError(f"no h264 frame: {error}") from None
        if len(frames) != 1 or frames[0].is_corrupt:
            raise ImageError(f"no h264 frame: {len(frames)} whole frames in a message, one is needed")
        return frames[0].to_ndarray(format="rgb24")


def has_keyframe(data: bytes) -> bool:
    """Whether an Annex B packet holds a frame that can be decoded by itself."""
    at = data.find(_START)
    while 0 <= at < len(data) - len(_START):
        if data[at + len(_START)] & 0x1F == _IDR:
            return True
        at = data.find(_START, at + len(_START))
    return False


def get_av():
    """PyAV. Raises ImageError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise ImageError(f"h264 needs PyAV: pip install av ({error})") from None
    return av
