"""Raw camera images into JPEG or PNG files and back, under the `format` that image_transport would give them. No ROS."""

from __future__ import annotations

import numpy as np

from vla_contract.image_encodings import (
    GREYS,
    ImageError,
    from_rgb,
    is_mosaic,
    sixteen_bits,
    to_rgb,
    unpadded,
)
from vla_contract.image_files import file_to_rgb, file_under_format
from vla_contract.recording import QUALITY

KINDS = ("jpeg", "png")


def kind_for(encoding: str, kind: str) -> str:
    """The file that an encoding is put into where `kind` is asked for: JPEG has 8 bits, and blurs one pixel into the next."""
    return "png" if sixteen_bits(encoding) or is_mosaic(encoding) else kind


def pack_rows(
    rows: np.ndarray, encoding: str, kind: str, quality: int = QUALITY, *, bigendian: bool = False
) -> tuple[bytes, str]:
    """An image as a file, and its `format`.

    rows: (H, W, bytes a pixel) uint8, as ``rows_of`` gives. kind: "jpeg" or "png"; see ``kind_for``. A transparency is left out.
    Raises ImageError for an image that cannot be put into a file.
    """
    import cv2  # here, because whoever reads raw images needs no OpenCV

    kind = kind_for(encoding, kind)
    try:
        file, stored = _as_file(rows, encoding, bigendian)
        done, data = cv2.imencode(f".{kind}", file, _options(kind, quality))
    except cv2.error as error:
        raise ImageError(f"no {kind} of {rows.shape[1]}x{rows.shape[0]} pixels: {error.err}") from None
    if not done:
        raise ImageError(f"no {kind} of {rows.shape[1]}x{rows.shape[0]} pixels: the encoder refuses it")
    return data.tobytes(), f"{encoding}; {kind} compressed {stored}"


def _as_file(rows: np.ndarray, encoding: str, bigendian: bool) -> tuple[np.ndarray, str]:
    """What OpenCV writes, and the encoding that a `format` has for it."""
    if sixteen_bits(encoding):
        return np.ascontiguousarray(rows).view(">u2" if bigendian else "<u2")[:, :, 0].astype(np.uint16), ""
    if encoding == "mono8" or is_mosaic(encoding):
        return unpadded(rows), encoding
    return np.ascontiguousarray(to_rgb(rows, encoding)[:, :, ::-1]), "bgr8"


def _options(kind: str, quality: int) -> list[int]:
    import cv2

    if kind != "jpeg":
        return []
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if hasattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR"):  # colours of each pixel, not of every fourth: tasks name objects by them
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return options


def unpack_rows(data: np.ndarray | bytes, text: str, card: str) -> tuple[np.ndarray, str]:
    """What was packed: rows of bytes, (H, W * bytes a pixel) uint8, little-endian, and their encoding.

    text: the `format`. card: the card's encoding, for a format that does not say what was packed.
    Raises ImageError where the format is nobody's, contradicts the file, or is of another encoding than the card's.
    """
    file, inside, original = file_under_format(data, text, card)
    original = original or card
    if inside == original and (inside in GREYS or is_mosaic(inside)):
        return file.astype("<u2" if file.dtype == np.uint16 else np.uint8).view(np.uint8).reshape(file.shape[0], -1), original
    return from_rgb(file_to_rgb(data, text, card), original), original
