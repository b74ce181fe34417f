"""Bytes of a camera become the colours that they mean, in every encoding that a card may name."""

import numpy as np
import pytest

from vla_contract.image_encodings import (
    DEPTH,
    ENCODINGS,
    GREYS,
    PLAIN,
    DepthRange,
    ImageError,
    depth_levels,
    from_rgb,
    rows_of,
    to_rgb,
)

RANGE = DepthRange(0.2, 1.47)  # 254 levels of 5 mm


def read(stored: np.ndarray, encoding: str, width: int, padding: int = 0, **options) -> np.ndarray:
    rows = np.concatenate([stored, np.full((len(stored), padding), 99, np.uint8)], axis=1)
    step = rows.shape[1]
    return to_rgb(rows_of(rows.reshape(-1), encoding, width, len(stored), step), encoding, **options)


def smooth(height: int = 12, width: int = 16) -> np.ndarray:
    """Colours that change slowly, so that what lies between two pixels is known."""
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(200, 230, width)
    image[..., 1] = np.linspace(90, 120, height)[:, None]
    image[..., 2] = 30
    return image


# BT.601 as video has it, by hand: y 16 is black and 235 white, 128 no colour. 81, 90, 240 is red; 145, 54, 34 green; 41, 240, 110
# blue; 210, 16, 146 yellow.
RED, GREEN, BLUE, YELLOW = (81, 90, 240), (145, 54, 34), (41, 240, 110), (210, 16, 146)
SEEN = {RED: (255, 0, 0), GREEN: (0, 255, 0), BLUE: (0, 0, 255), YELLOW: (255, 255, 0)}


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
def test_yuv422_is_read_in_its_own_order(encoding, padding):
    pairs = [[RED, GREEN], [BLUE, YELLOW]]
    order = (lambda y, u, v: [u, y, v, y]) if encoding in ("yuv422", "uyvy") else (lambda y, u, v: [y, u, y, v])
    stored = np.array([[value for colour in row for value in order(*colour)] for row in pairs], np.uint8)
    out = read(stored, encoding, 4, padding)
    wanted = np.array([[SEEN[colour] for colour in row for _ in (0, 1)] for row in pairs])
    np.testing.assert_allclose(out, wanted, atol=2)
    assert out.dtype == np.uint8 and out.flags.c_contiguous and out.flags.writeable


def test_each_pixel_of_a_pair_has_its_own_light():
    out = read(np.array([[128, 16, 128, 235]], np.uint8), "yuv422", 2)
    np.testing.assert_allclose(out[0], [[0, 0, 0], [255, 255, 255]], atol=1)
    out = read(np.array([[16, 128, 235, 128]], np.uint8), "yuyv", 2)
    np.testing.assert_allclose(out[0], [[0, 0, 0], [255, 255, 255]], atol=1)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("encoding", ["bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8"])
def test_a_mosaic_becomes_the_colours_of_its_pattern(encoding, padding):
    stored = np.empty((8, 10), np.uint8)
    for place, colour in enumerate(encoding[6:10]):
        stored[place // 2 :: 2, place % 2 :: 2] = {"r": 210, "g": 100, "b": 20}[colour]
    out = read(stored, encoding, 10, padding)
    np.testing.assert_array_equal(out, np.broadcast_to([210, 100, 20], (8, 10, 3)))


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("bigendian", [False, True])
def test_sixteen_bits_are_read_in_their_byte_order_and_scaled(bigendian, padding):
    values = np.array([[0, 257, 0x0102], [40_000, 65_535, 128]], np.uint16)
    stored = values.astype(">u2" if bigendian else "<u2").view(np.uint8).reshape(2, -1)
    out = read(stored, "mono16", 3, padding, bigendian=bigendian)
    np.testing.assert_array_equal(out[..., 0], [[0, 1, 1], [156, 255, 0]])
    np.testing.assert_array_equal(out[..., 1], out[..., 0])
    depth = read(stored, DEPTH, 3, padding, bigendian=bigendian, depth=RANGE)
    np.testing.assert_array_equal(depth[..., 2], depth_levels(values, RANGE))


def test_depth_is_bright_where_near_and_black_where_nothing_was_measured():
    levels = depth_levels(np.array([0, 1, 200, 205, 835, 1470, 9000], np.uint16), RANGE)
    assert levels.tolist() == [0, 255, 255, 254, 128, 1, 1]
    with pytest.raises(ImageError, match="'16UC1' is depth, and the card asks for none"):
        read(np.zeros((2, 4), np.uint8), DEPTH, 2)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_a_camera_sends_is_read_as_what_it_saw(encoding):
    image = smooth()
    out = read(from_rgb(image, encoding), encoding, 16, 2, depth=DepthRange(0.0, 2.55))
    if encoding in PLAIN:
        np.testing.assert_array_equal(out, image)
    elif encoding == DEPTH:
        np.testing.assert_allclose(out[..., 0], 255 - image.mean(axis=2), atol=2)
    elif encoding in GREYS:
        np.testing.assert_allclose(out, np.broadcast_to(image.mean(axis=2)[..., None], out.shape), atol=0.51)
    else:
        np.testing.assert_allclose(out.astype(int), image, atol=5)


@pytest.mark.parametrize(
    ("encoding", "help_"),
    [
        ("32FC1", "depth_image_proc's convert_metric node makes 16UC1"),
        ("bayer_rggb16", "image_proc's debayer node"),
        ("8UC3", "set the driver's encoding to rgb8, bgr8 or mono8"),
        ("nv12", "`image_transport republish`"),
    ],
)
def test_other_encodings_say_what_is_allowed_and_which_node_helps(encoding, help_):
    with pytest.raises(ImageError) as error:
        rows_of(np.zeros(4, np.uint8), encoding, 1, 1, 4)
    assert f"encoding '{encoding}', allowed are rgb8, bgr8" in str(error.value) and "bayer_grbg8" in str(error.value)
    assert help_ in str(error.value)


@pytest.mark.parametrize(
    ("encoding", "width", "step", "words"),
    [
        ("yuv422", 3, 8, "width 3, yuv422 has its pixels in pairs: an even number is needed"),
        ("yuyv", 4, 7, "step 7 bytes, 4 pixels of yuyv need at least 8"),
        ("mono16", 4, 7, "step 7 bytes, 4 pixels of mono16 need at least 8"),
        ("bayer_gbrg8", 9, 8, "step 8 bytes, 9 pixels of bayer_gbrg8 need at least 9"),
        ("16UC1", 4, 9, "16 bytes of data, 2 rows of 9 bytes need 18"),
    ],
)
def test_sizes_that_do_not_fit_are_told(encoding, width, step, words):
    with pytest.raises(ImageError, match=words):
        rows_of(np.zeros(16, np.uint8), encoding, width, 2, step)


@pytest.mark.parametrize(("width", "height"), [(0, 2), (2, 0)])
def test_an_image_without_pixels_is_told(width, height):
    with pytest.raises(ImageError, match=f"size {width}x{height}, at least 1x1 is needed"):
        rows_of(np.zeros(16, np.uint8), "rgb8", width, height, 6)
