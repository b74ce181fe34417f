"""Pixels keep their colours and places, whatever the encoding and the padding."""

from array import array

import numpy as np
import pytest

pytest.importorskip("sensor_msgs.msg._image", reason="ROS 2 is not there")

from sensor_msgs.msg import CompressedImage, Image

from vla_contract.ros.images import ImageError, array_to_image, compressed_to_array, image_to_array


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def make_image(stored: np.ndarray, encoding: str, padding: int = 0, **changes) -> Image:
    height, width = stored.shape[:2]
    rows = stored.reshape(height, -1)
    rows = np.concatenate([rows, np.full((height, padding), 255, np.uint8)], axis=1)
    fields = dict(height=height, width=width, encoding=encoding, step=rows.shape[1], data=array("B", rows.tobytes()))
    return Image(**{**fields, **changes})


def stored_as(pixels: np.ndarray, encoding: str) -> np.ndarray:
    order = [0, 1, 2] if encoding.startswith("rgb") else [2, 1, 0]
    stored = pixels[:, :, order]
    if "a8" in encoding:
        stored = np.concatenate([stored, np.full((*pixels.shape[:2], 1), 200, np.uint8)], axis=2)
    return stored


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("bigendian", [0, 1])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8"])
def test_colours_come_out_as_rgb(pixels, encoding, padding, bigendian):
    out = image_to_array(make_image(stored_as(pixels, encoding), encoding, padding, is_bigendian=bigendian))
    np.testing.assert_array_equal(out, pixels)
    assert out.flags.c_contiguous and out.flags.writeable and out.dtype == np.uint8


def test_grey_comes_out_three_times(pixels):
    grey = pixels[:, :, 0]
    out = image_to_array(make_image(grey, "mono8", 3))
    np.testing.assert_array_equal(out, np.stack([grey] * 3, axis=-1))


def test_the_last_row_may_lack_its_padding(pixels):
    message = make_image(pixels, "rgb8", 5)
    message.data = message.data[:-5]
    np.testing.assert_array_equal(image_to_array(message), pixels)


def test_pixels_do_not_share_memory_with_the_message(pixels):
    message = make_image(pixels, "rgb8")
    out = image_to_array(message)
    message.data[0] ^= 255
    np.testing.assert_array_equal(out, pixels)


@pytest.mark.parametrize(
    "changes, expected",
    [
        (dict(encoding="16UC1"), "encoding '16UC1', allowed are rgb8, bgr8, rgba8, bgra8, mono8"),
        (dict(step=20), "step 20 bytes, 7 pixels of rgb8 need at least 21"),
        (dict(height=6), "105 bytes of data, 6 rows of 21 bytes need 126"),
        (dict(height=4), "105 bytes of data, 4 rows of 21 bytes need 84"),
        (dict(width=0), "size 0x5, at least 1x1 is needed"),
        (dict(data=array("B")), "0 bytes of data"),
    ],
)
def test_images_that_cannot_be_read_say_why(pixels, changes, expected):
    with pytest.raises(ImageError, match=expected):
        image_to_array(make_image(pixels, **{"encoding": "rgb8", **changes}))


def test_arrays_to_messages_and_back(pixels):
    for view in (pixels, pixels[:, ::-1], pixels[::2]):
        message = array_to_image(view, 3_000_000_001, "front_optical")
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 1)
        assert message.header.frame_id == "front_optical" and message.step == 3 * view.shape[1]
        assert isinstance(message.data, array)
        np.testing.assert_array_equal(image_to_array(message), view)
    with pytest.raises(ImageError, match=r"float64 array of shape \(2, 2, 3\), allowed is uint8"):
        array_to_image(np.zeros((2, 2, 3)), 0, "")


def test_compressed_images_come_out_as_rgb(pixels):
    cv2 = pytest.importorskip("cv2")
    _, png = cv2.imencode(".png", pixels[:, :, ::-1])
    message = CompressedImage(format="rgb8; png compressed bgr8", data=array("B", png.tobytes()))
    np.testing.assert_array_equal(compressed_to_array(message), pixels)
    for data in (b"", b"no picture"):
        with pytest.raises(ImageError, match="are no JPEG or PNG picture"):
            compressed_to_array(CompressedImage(format="png", data=array("B", data)))
