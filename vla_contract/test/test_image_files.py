"""The `format` of a compressed image is believed, and held against the data and the card."""

import io

import numpy as np
import pytest

from vla_contract.image_encodings import DepthRange, ImageError, from_rgb
from vla_contract.image_files import ImageFormat, encoding_of_file, file_to_rgb, read_file, rgb_of_file

cv2 = pytest.importorskip("cv2")
Image = pytest.importorskip("PIL.Image")


def picture(height: int = 16, width: int = 24) -> np.ndarray:
    """No two channels, sides or corners alike. RGB."""
    image = np.empty((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(120, 240, width)
    image[..., 1] = np.linspace(20, 90, height)[:, None]
    image[..., 2] = 10
    return image


def file(pixels: np.ndarray, kind: str) -> bytes:
    """As a compressor writes what it is given: its first channel as blue."""
    return cv2.imencode(f".{kind}", pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()


RGB = picture()
BGR = np.ascontiguousarray(RGB[..., ::-1])
GREY = RGB[..., 0].copy()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize(
    ("format_", "given"),
    [
        ("{kind}", BGR), ("rgb8; {kind} compressed bgr8", BGR), ("bgr8;{kind} compressed bgr8", BGR),
        ("rgb8; {kind} compressed rgb8", RGB), ("yuv422; {kind} compressed bgr8", BGR),
        ("bayer_rggb8; {kind} compressed bgr8", BGR),
    ],
)  # fmt: skip
def test_colours_are_those_that_the_compressor_was_given(kind, format_, given):
    text = format_.format(kind=kind)
    out = file_to_rgb(file(given, kind), text, "" if ";" not in text else text.partition(";")[0])
    np.testing.assert_allclose(out.astype(int), RGB, atol=0 if kind == "png" else 14)
    assert out.shape == RGB.shape and out.dtype == np.uint8 and out.flags.c_contiguous


def test_a_jpg_is_a_jpeg_and_an_alpha_channel_is_dropped():
    np.testing.assert_allclose(file_to_rgb(file(BGR, "jpg"), "jpg", "rgb8").astype(int), RGB, atol=14)
    with_alpha = np.concatenate([BGR, np.full((16, 24, 1), 77, np.uint8)], axis=2)
    np.testing.assert_array_equal(file_to_rgb(file(with_alpha, "png"), "rgba8; png compressed bgra8", "rgba8"), RGB)
    np.testing.assert_array_equal(rgb_of_file(file(with_alpha, "png")), RGB)


@pytest.mark.parametrize("format_", ["mono8; png compressed ", "mono8; png compressed mono8", "png"])
def test_grey_becomes_three_equal_channels(format_):
    out = file_to_rgb(file(GREY, "png"), format_, "mono8")
    np.testing.assert_array_equal(out, np.repeat(GREY[..., None], 3, axis=2))


@pytest.mark.parametrize("format_", ["bayer_grbg8; png compressed ", "bayer_grbg8; png compressed bayer_grbg8", "png"])
def test_a_mosaic_in_a_file_becomes_colours(format_):
    """image_transport compresses it as if it were grey; who reads it so sees a grey chequerboard."""
    stored = from_rgb(np.broadcast_to(np.array([210, 100, 20], np.uint8), (16, 24, 3)), "bayer_grbg8")
    out = file_to_rgb(file(stored, "png"), format_, "bayer_grbg8")
    np.testing.assert_array_equal(out, np.broadcast_to([210, 100, 20], (16, 24, 3)))


def test_sixteen_bits_stay_sixteen():
    values = (GREY.astype(np.uint16) * 257)[:, ::-1]
    out = file_to_rgb(file(values, "png"), "mono16; png compressed ", "mono16")
    np.testing.assert_array_equal(out[..., 1], GREY[:, ::-1])
    depth = file_to_rgb(file(GREY.astype(np.uint16) * 10, "png"), "16UC1; png compressed ", "16UC1", DepthRange(0.0, 2.55))
    np.testing.assert_allclose(depth[..., 0], 255 - GREY.astype(float), atol=1.01)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_metadata_turn_no_picture(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, kind, exif=exif, **({"quality": 98, "subsampling": 0} if kind == "JPEG" else {}))
    for out in (file_to_rgb(buffer.getvalue(), kind.lower(), "rgb8"), rgb_of_file(buffer.getvalue())):
        np.testing.assert_allclose(out.astype(int), RGB, atol=6)


CONTRADICTIONS = [
    (file(BGR, "png"), "rgb8; jpeg compressed bgr8", "rgb8", "and the data is png; allowed is a format that says so"),
    (file(BGR, "jpg"), "png", "rgb8", "and the data is jpeg"),
    (file(BGR, "jpg"), "bgr8; jpeg compressed bgr8", "rgb8", "encoding 'bgr8', the card has 'rgb8'"),
    (file(GREY, "jpg"), "mono8; jpeg compressed ", "rgb8", "encoding 'mono8', the card has 'rgb8'"),
    (file(GREY, "jpg"), "jpeg", "rgb8", "a 8-bit grey image, the card has 'rgb8'"),
    (file(BGR, "jpg"), "jpeg", "mono8", "a 8-bit colour image, the card has 'mono8'"),
    (file(BGR, "jpg"), "jpeg", "bayer_rggb8", "a 8-bit colour image, the card has 'bayer_rggb8'"),
    (file(GREY, "jpg"), "rgb8; jpeg compressed bgr8", "rgb8", "a 8-bit grey image, bgr8 is 8-bit colour"),
    (file(BGR, "jpg"), "mono8; jpeg compressed mono8", "mono8", "a 8-bit colour image, mono8 is 8-bit grey"),
    (file(GREY, "jpg"), "rgb8; jpeg compressed mono8", "rgb8", "the colours of rgb8 are lost in mono8"),
    (file(GREY, "png"), "16UC1; png compressed ", "16UC1", "a 8-bit grey image, 16UC1 is 16-bit grey"),
    (file(GREY, "jpg"), "16UC1; jpeg compressed mono8", "16UC1", "no distances are left in mono8"),
    (file(GREY, "png"), "png", "mono16", "a 8-bit grey image, mono16 is 16-bit grey"),
    (file(GREY, "jpg"), "yuv422; jpeg compressed yuv422", "yuv422", "no jpeg holds yuv422"),
    (file(BGR, "jpg"), "rgb8; jpeg compressed", "rgb8", "does not say how colours are stored"),
    (file(BGR, "jpg"), "h264", "rgb8", "format 'h264', allowed are jpeg, png, and what image_transport writes"),
    (file(BGR, "jpg"), "", "rgb8", "format '', allowed are jpeg, png"),
    (file(BGR, "jpg"), "rgb16; png compressed bgr16", "rgb8", "encoding 'rgb16', allowed are rgb8"),
    (file(BGR, "jpg")[:-40], "jpeg", "rgb8", "cut off before its end"),
    (file(BGR, "png")[:-20], "png", "rgb8", "cut off before its end"),
    (b"no image at all", "jpeg", "rgb8", "15 bytes are no JPEG or PNG image"),
    (b"", "png", "rgb8", "0 bytes are no JPEG or PNG image"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "text", "card", "words"), CONTRADICTIONS)
def test_a_format_that_contradicts_data_or_card_is_told(data, text, card, words):
    with pytest.raises(ImageError) as error:
        file_to_rgb(data, text, card, DepthRange(0.1, 2.0))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("data", "text", "card", "encoding"),
    [
        (file(BGR, "jpg"), "bgra8; jpeg compressed bgr8", "", "bgra8"), (file(BGR, "jpg"), "jpeg", "", "rgb8"),
        (file(BGR, "jpg"), "jpeg", "bgr8", "bgr8"), (file(BGR, "jpg"), "jpeg", "mono8", "rgb8"),
        (file(GREY, "jpg"), "jpg", "", "mono8"), (file(GREY, "jpg"), "jpeg", "rgb8", "mono8"),
        (file(GREY, "jpg"), "jpeg", "bayer_bggr8", "bayer_bggr8"), (file(GREY.astype(np.uint16), "png"), "png", "", "mono16"),
        (file(GREY, "jpg"), "bayer_gbrg8; jpeg compressed ", "", "bayer_gbrg8"),
    ],
)  # fmt: skip
def test_the_encoding_of_a_stream_is_what_its_format_or_else_its_file_says(data, text, card, encoding):
    assert encoding_of_file(data, text, card) == encoding


def test_a_file_with_filling_behind_its_end_is_whole():
    np.testing.assert_array_equal(read_file(file(BGR, "jpg") + bytes(1000)), read_file(file(BGR, "jpg")))


def test_formats_are_taken_apart():
    assert ImageFormat.parse("bgr8; jpeg compressed bgr8") == ImageFormat("bgr8; jpeg compressed bgr8", "jpeg", "bgr8", "bgr8")
    assert ImageFormat.parse(" PNG ").kind == "png"
    with pytest.raises(ImageError, match="a 16-bit grey image, allowed are those of 8 bits"):
        rgb_of_file(file(GREY.astype(np.uint16), "png"))
