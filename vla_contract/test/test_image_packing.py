"""Raw images into files and back: without loss where PNG is asked for or needed, near where JPEG is."""

from array import array

import numpy as np
import pytest
from sensor_msgs.msg import Image

from vla_contract.card import CameraCard
from vla_contract.image_encodings import ENCODINGS, ImageError, from_rgb, is_mosaic
from vla_contract.image_packing import kind_for, pack_rows, unpack_rows
from vla_contract.ros.image_packing import pack_image, pack_serialized, unpack_image, unpack_serialized
from vla_contract.ros.images import pixels_of
from vla_contract.ros.serialization import deserialize_message, serialize_message

HEIGHT, WIDTH = 24, 32
SIXTEEN = ("mono16", "16UC1")


def scene() -> np.ndarray:
    """Smooth colours, as a JPEG keeps them."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([8 * x, 9 * y, 255 - 4 * (x + y)], axis=2).clip(0, 255).astype(np.uint8)


def camera(encoding: str, compressed: bool = False) -> CameraCard:
    depth = {"depth": {"near": 0.1, "far": 2.5}} if encoding == "16UC1" else {}
    return CameraCard(
        name="eye", topic="eye/image_raw", frame="eye", width=WIDTH, height=HEIGHT, encoding=encoding, rate=30.0, max_age=0.1,
        compressed=compressed, **depth,
    )  # fmt: skip


def raw(encoding: str, padding: int = 6, bigendian: bool = False) -> Image:
    """A message whose rows are padded."""
    rows = from_rgb(scene(), encoding, bigendian=bigendian).reshape(HEIGHT, -1)
    padded = np.full((HEIGHT, rows.shape[1] + padding), 99, np.uint8)
    padded[:, : rows.shape[1]] = rows
    image = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=padded.shape[1], is_bigendian=int(bigendian))
    image.header.frame_id, image.header.stamp.sec, image.header.stamp.nanosec = "eye", 1_700_000_000, 7
    image.data = array("B", padded.tobytes())
    return image


@pytest.mark.parametrize("kind", ["jpeg", "png"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_packed_image_shows_what_the_raw_one_shows(encoding, kind):
    image = raw(encoding)
    packed = pack_image(image, kind, 95)
    assert packed.header == image.header and packed.format.startswith(f"{encoding}; {kind_for(encoding, kind)} compressed")
    plain, seen = pixels_of(camera(encoding), image), pixels_of(camera(encoding, compressed=True), packed)
    off = np.abs(plain.astype(int) - seen)
    lossless = kind == "png" or encoding in SIXTEEN or is_mosaic(encoding)
    assert off.max() == 0 if lossless else off.mean() < 3.0


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_png_comes_back_as_the_raw_image_that_it_was(encoding):
    image = raw(encoding, padding=0)
    back = unpack_image(pack_image(image, "png", 95), encoding)
    assert (back.header, back.encoding, back.width, back.height, back.step) == (
        image.header, encoding, WIDTH, HEIGHT, image.step,
    )  # fmt: skip
    off = np.abs(np.frombuffer(back.data, np.uint8).astype(int) - np.frombuffer(image.data, np.uint8))
    assert off.max() <= (2 if "yuv" in encoding or "uyvy" in encoding or "yuyv" in encoding else 0)


def test_a_jpeg_comes_back_in_the_encoding_that_it_had():
    back = unpack_serialized(pack_serialized(serialize_message(raw("bgr8")), "jpeg", 90), "bgr8")
    off = np.abs(pixels_of(camera("bgr8"), back).astype(int) - scene())
    assert back.encoding == "bgr8" and 0 < off.mean() < 4.0


@pytest.mark.parametrize("encoding", SIXTEEN)
def test_sixteen_bits_are_png_whatever_is_asked_for_and_in_either_byte_order(encoding):
    big, little = raw(encoding, bigendian=True), raw(encoding)
    packed = pack_image(big, "jpeg", 50)
    assert bytes(packed.data[:4]) == b"\x89PNG" and packed.data == pack_image(little, "png", 95).data
    values = np.frombuffer(unpack_image(packed, encoding).data, "<u2")
    np.testing.assert_array_equal(values, from_rgb(scene(), encoding).view("<u2").ravel())


def test_a_higher_quality_is_nearer_and_larger():
    rough, fine = (pack_rows(scene(), "rgb8", "jpeg", quality) for quality in (20, 98))
    seen = [unpack_rows(*packed, "rgb8")[0].reshape(scene().shape) for packed in (rough, fine)]
    off = [np.abs(pixels.astype(int) - scene()).mean() for pixels in seen]
    assert len(rough[0]) < len(fine[0]) and off[0] > off[1]


def test_a_jpeg_keeps_the_colours_of_single_pixels():
    """Red lines on green, a pixel wide: where a colour stands for four pixels they run into one."""
    pixels = np.full((HEIGHT, WIDTH, 3), (20, 160, 20), np.uint8)
    pixels[:, ::2] = (200, 30, 30)
    rows, _ = unpack_rows(*pack_rows(pixels, "rgb8", "jpeg", 90), "rgb8")
    assert np.abs(rows.reshape(pixels.shape).astype(int) - pixels).mean() < 15


def test_an_encoder_that_makes_nothing_of_an_image_is_told(monkeypatch):
    monkeypatch.setattr("cv2.imencode", lambda *_: (False, None))
    with pytest.raises(ImageError, match=f"no png of {WIDTH}x{HEIGHT} pixels: the encoder refuses it"):
        pack_rows(scene(), "rgb8", "png")


def test_what_cannot_be_packed_or_unpacked_is_told():
    image = raw("rgb8")
    image.encoding = "32FC1"
    with pytest.raises(ImageError, match="encoding '32FC1', allowed are rgb8"):
        pack_image(image, "png", 95)
    with pytest.raises(ImageError, match="no sensor_msgs/msg/Image"):
        pack_serialized(b"\0\1\0\0abc", "jpeg", 95)
    with pytest.raises(ImageError, match="encoding 'rgb8', the card has 'bgr8'"):
        unpack_image(pack_image(raw("rgb8"), "jpeg", 95), "bgr8")
    with pytest.raises(ImageError, match="no jpeg of 70000x1 pixels"):
        pack_rows(np.zeros((1, 70_000, 3), np.uint8), "rgb8", "jpeg")
    cut = pack_image(raw("rgb8"), "jpeg", 95)
    cut.data = cut.data[:200]
    with pytest.raises(ImageError, match="cut off"):
        unpack_serialized(serialize_message(cut), "rgb8")
    grey = deserialize_message(pack_serialized(serialize_message(raw("mono8")), "jpeg", 95), type(cut))
    assert grey.format == "mono8; jpeg compressed mono8"
