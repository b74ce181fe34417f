"""JPEG and PNG files to RGB, as the `format` of a sensor_msgs/CompressedImage says what is in them. No ROS.

Pixels come as they are stored. Orientation and colour profiles of a file are not applied, neither in training nor at run time: a
camera that is mounted upside down is turned by nobody unless by its driver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from vla_contract.files.images import PixelsError, image_size
from vla_contract.image_encodings import (
    DEPTH,
    ENCODINGS,
    GREYS,
    PLAIN,
    DepthRange,
    ImageError,
    is_mosaic,
    sixteen_bits,
    sixteen_to_rgb,
    to_rgb,
    unknown_encoding,
)

_MAGIC = {"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n"}
_END = {"jpeg": b"\xff\xd9", "png": b"IEND"}
_BEHIND_END = 4096
"""So many bytes of filling some cameras leave behind the end."""
_KINDS = {"jpeg": "jpeg", "jpg": "jpeg", "png": "png"}
_FORMAT = re.compile(r"(?P<original>\w+)\s*;\s*(?P<kind>jpeg|jpg|png)(?:\s+compressed(?:\s+(?P<stored>\w+))?)?")
ALLOWED = (
    "jpeg, png, and what image_transport writes: '<encoding>; jpeg compressed <encoding stored>' and the same with png; for "
    "any other transport run `image_transport republish` and read its raw images"
)


@dataclass(frozen=True)
class ImageFormat:
    """A `format`, taken apart. original: encoding before it was compressed, stored: the one that was given to the compressor;
    empty where it does not say."""

    text: str
    kind: str
    original: str = ""
    stored: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageFormat:
        """Raises ImageError for words of nobody's."""
        plain = text.strip().lower()
        if plain in _KINDS:
            return cls(text, _KINDS[plain])
        found = _FORMAT.fullmatch(text.strip())
        if found is None:
            raise ImageError(f"format {text!r}, allowed are {ALLOWED}")
        original, stored = found["original"], found["stored"] or ""
        for encoding in (original, stored):
            if encoding and encoding not in ENCODINGS:
                raise ImageError(f"format {text!r}: {unknown_encoding(encoding)}")
        if not stored and original in PLAIN:
            raise ImageError(
                f"format {text!r} does not say how colours are stored; allowed is '{original}; {found['kind']} compressed bgr8', "
                f"or just '{_KINDS[found['kind']]}' for a file as all programs write it"
            )
        return cls(text, _KINDS[found["kind"]], original, stored)


def read_file(data: np.ndarray | bytes) -> np.ndarray:
    """A JPEG or PNG as it is stored: (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16. The one place that decodes.

    Raises ImageError where the data is neither, or broken.
    """
    import cv2  # here, because whoever reads raw images needs no OpenCV

    data, kind = np.frombuffer(data, dtype=np.uint8), kind_of(data)
    if kind:
        try:
            image_size(data)
        except PixelsError as error:
            raise ImageError(str(error)) from None
    if kind and _END[kind] not in bytes(data[-_BEHIND_END:]):  # decoders fill up what is missing with grey
        raise ImageError(f"the {kind} of {data.size} bytes is cut off before its end")
    # Unchanged: 16 bits stay 16, grey stays grey, and nothing is turned as the file's metadata ask for.
    stored = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if kind else None
    if stored is None:
        raise ImageError(f"{data.size} bytes are no JPEG or PNG image")
    return stored[:, :, 0] if stored.ndim == 3 and stored.shape[2] == 1 else stored


def kind_of(data: np.ndarray | bytes) -> str:
    """What a file begins like: "jpeg", "png", else empty."""
    begin = bytes(data[:8])
    return next((kind for kind, magic in _MAGIC.items() if begin.startswith(magic)), "")


def rgb_of_file(data: np.ndarray | bytes) -> np.ndarray:
    """RGB pixels, (H, W, 3) uint8, of an ordinary JPEG or PNG of 8 bits: what a demonstration holds. Raises ImageError."""
    stored = read_file(data)
    if stored.dtype != np.uint8:
        raise ImageError(f"a {words_of(stored)} image, allowed are those of 8 bits")
    return _decoded(stored, _own_encoding(stored), None)


def file_to_rgb(data: np.ndarray | bytes, text: str, encoding: str = "", depth: DepthRange | None = None) -> np.ndarray:
    """RGB pixels, (H, W, 3) uint8, of a file under a `format`.

    encoding: the card's; empty: whatever it is. depth: as in ``to_rgb``.
    Raises ImageError where the format is nobody's, or contradicts the file or the card.
    """
    file, inside, _ = file_under_format(data, text, encoding)
    try:
        return _decoded(file, inside, depth)
    except ImageError as error:
        raise ImageError(f"format {text!r}: {error}") from None


def file_under_format(data: np.ndarray | bytes, text: str, encoding: str = "") -> tuple[np.ndarray, str, str]:
    """A file as it is stored (see ``read_file``), what its pixels are, and the encoding before (empty: not said).

    encoding: the card's; empty: whatever it is. Raises ImageError as ``file_to_rgb``.
    """
    given, file = ImageFormat.parse(text), read_file(data)
    if kind_of(data) != given.kind:
        raise ImageError(f"format {text!r}, and the data is {kind_of(data)}; allowed is a format that says so")
    if encoding and given.original not in ("", encoding):
        raise ImageError(f"format {text!r}: encoding {given.original!r}, the card has {encoding!r}")
    try:
        return file, _encoding_inside(given, file, encoding), given.original
    except ImageError as error:
        raise ImageError(f"format {text!r}: {error}") from None


def encoding_of_file(data: np.ndarray | bytes, text: str, card: str = "") -> str:
    """The encoding that a compressed stream has: as its format says, else as the file is.

    card: the card's, which is taken for a file without further words that can be one. Raises ImageError.
    """
    given = ImageFormat.parse(text)
    if given.original:
        return given.original
    file = read_file(data)
    if card and (8 * file.itemsize, file.ndim == 3) == (16 if sixteen_bits(card) else 8, _shows_colours(card)):
        return card
    return "rgb8" if file.ndim == 3 else _own_encoding(file)


def words_of(stored: np.ndarray) -> str:
    """A file's pixels in words: "16-bit grey"."""
    return f"{8 * stored.itemsize}-bit {'grey' if stored.ndim == 2 else 'colour'}"


def _encoding_inside(given: ImageFormat, file: np.ndarray, card: str) -> str:
    """What the file's pixels are, by the format, else by the card, else by themselves; checked against all of them."""
    inside = given.stored or given.original
    if not inside:
        if card and (file.ndim == 3) != _shows_colours(card):
            raise ImageError(f"a {words_of(file)} image, the card has {card!r}")
        inside = card if card and file.ndim == 2 else _own_encoding(file)
    elif inside in GREYS and given.original not in ("", *GREYS):
        raise ImageError(f"the colours of {given.original} are lost in {inside}")
    elif given.original == DEPTH:
        if inside not in (DEPTH, "mono16"):
            raise ImageError(f"no distances are left in {inside}; allowed is '{DEPTH}; png compressed'")
        inside = DEPTH
    if inside not in (*PLAIN, *GREYS) and not is_mosaic(inside):
        raise ImageError(f"no {given.kind} holds {inside}; allowed is '{inside}; {given.kind} compressed bgr8'")
    bits, colours = 16 if sixteen_bits(inside) else 8, inside in PLAIN
    if (8 * file.itemsize, file.ndim == 3) != (bits, colours):
        raise ImageError(f"a {words_of(file)} image, {inside} is {bits}-bit {'colour' if colours else 'grey'}")
    return inside


def _shows_colours(encoding: str) -> bool:
    """Whether an ordinary file of such a camera has colours; that of a mosaic is grey until somebody computes them."""
    return encoding not in GREYS and not is_mosaic(encoding)


def _own_encoding(file: np.ndarray) -> str:
    if file.ndim == 2:
        return "mono8" if file.dtype == np.uint8 else "mono16"
    return "bgr8" if file.shape[2] == 3 else "bgra8"


def _decoded(file: np.ndarray, encoding: str, depth: DepthRange | None) -> np.ndarray:
    """encoding: the order in which the compressor was given the colours; what it took for blue, the decoder gives as blue."""
    if file.dtype == np.uint16:
        return sixteen_to_rgb(file, encoding, depth)
    if file.ndim == 3:
        return to_rgb(file[:, :, :3], "rgb8" if encoding in ("rgb8", "rgba8") else "bgr8")
    return to_rgb(file[:, :, None], encoding)
