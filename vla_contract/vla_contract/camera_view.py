"""What of a camera's image a policy sees: a part of it, brought to a size. The same code in training and at run time. numpy only.

Everything is computed in whole numbers, so that the same image gives the same bytes on every machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vla_contract.card_sections import CameraCard, CropCard, ResizeCard
from vla_contract.image_encodings import ImageError


@dataclass(frozen=True)
class CameraView:
    """One camera's. Sizes in pixels."""

    camera: str
    width: int
    height: int
    """Of the images as the camera sends them."""
    crop: tuple[int, int, int, int] | None = None
    """Left edge, upper edge, width and height of the part that is kept; None: all."""
    resize: tuple[int, int] | None = None
    """Width and height of what is seen; None: as it is."""
    keeps_aspect: bool = True
    """What is left over beside the image is black; False: the image is stretched."""

    @classmethod
    def of(cls, camera: CameraCard) -> CameraView:
        """A card's camera's."""
        crop, resize = camera.crop, camera.resize
        return cls(
            camera.name, camera.width, camera.height, (crop.x, crop.y, crop.width, crop.height) if crop else None,
            (resize.width, resize.height) if resize else None, resize is None or resize.aspect == "keep",
        )  # fmt: skip

    @classmethod
    def of_contract(cls, camera: dict) -> CameraView:
        """Of a camera in ``InterfaceCard.policy_contract``. Raises KeyError or ValueError for one that is damaged."""
        crop = CropCard(**camera["crop"]) if camera.get("crop") else None
        resize = ResizeCard(**camera["resize"]) if camera.get("resize") else None
        return cls.of(CameraCard.model_construct(
            name=camera["name"], width=camera["width"], height=camera["height"], crop=crop, resize=resize,
        ))  # fmt: skip

    @property
    def whole(self) -> bool:
        """The image is seen as it is."""
        return self.crop is None and self.resize is None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is seen."""
        return self.resize or (self.crop[2:] if self.crop else (self.width, self.height))

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """pixels: (height, width, 3) uint8 as the camera sends them. Returns what is seen, (H, W, 3) uint8.

        Raises ImageError for an image of another size or type: what has been cropped once is not cropped again.
        """
        if pixels.shape != (self.height, self.width, 3) or pixels.dtype != np.uint8:
            raise ImageError(
                f"camera {self.camera}: image is {pixels.shape} {pixels.dtype}, the card has "
                f"({self.height}, {self.width}, 3) uint8 RGB, before crop and resize"
            )
        if self.crop:
            x, y, width, height = self.crop
            pixels = pixels[y : y + height, x : x + width]
        if self.resize is None:
            return pixels
        x, y, width, height = self._inside()
        inside = resized(pixels, width, height)
        if (width, height) == self.resize:
            return inside
        seen = np.zeros((self.resize[1], self.resize[0], 3), np.uint8)
        seen[y : y + height, x : x + width] = inside
        return seen

    def points(self, points: np.ndarray) -> np.ndarray:
        """Where points of the camera's image are in what is seen.

        points: (..., 2), x to the right and y down, -1 to 1 from edge to edge of the image. The same of the view; NaN for a
        point that is outside of it, and for NaN.
        """
        if self.whole:
            return points
        x, y, width, height = self.crop or (0, 0, self.width, self.height)
        at = (points + 1) / 2 * (self.width, self.height) - (x, y)
        at = np.where(((at >= 0) & (at <= (width, height))).all(axis=-1, keepdims=True), at / (width, height), np.nan)
        if self.resize:
            left, upper, wide, high = self._inside()
            at = (at * (wide, high) + (left, upper)) / self.resize
        return (2 * at - 1).astype(points.dtype)

    def words(self) -> str:
        """In words: "640x480, cropped to 480x480 at 80,0, resized to 224x224"."""
        words = f"{self.width}x{self.height}"
        if self.crop:
            x, y, width, height = self.crop
            words += f", cropped to {width}x{height} at {x},{y}"
        if self.resize:
            x, y, width, height = self._inside()
            words += f", resized to {self.resize[0]}x{self.resize[1]}"
            if (width, height) != self.resize:
                words += f" ({width}x{height} and black beside it)"
        return words

    def _inside(self) -> tuple[int, int, int, int]:
        """Left edge, upper edge, width and height of the image in what is seen."""
        width, height = self.resize
        given_width, given_height = self.crop[2:] if self.crop else (self.width, self.height)
        if not self.keeps_aspect:
            return 0, 0, width, height
        wide = min(width, max(1, (2 * given_width * height + given_height) // (2 * given_height)))
        high = min(height, max(1, (2 * given_height * width + given_width) // (2 * given_width)))
        return (width - wide) // 2, (height - high) // 2, wide, high


def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Each pixel the mean of the area that it covers, rounded half up. (H, W, 3) uint8 to (height, width, 3) uint8."""
    rows, columns = pixels.shape[:2]
    if (rows, columns) == (height, width):
        return pixels
    if (rows, columns) == (2 * height, 2 * width):
        return _halved(pixels)
    summed, area = pixels, 1
    for axis, count in ((0, height), (1, width)):
        summed, parts = _along(summed, count, axis, 255 * area)
        area *= parts
    summed += summed.dtype.type(area // 2)
    return (summed // summed.dtype.type(area)).astype(np.uint8)


def _along(values: np.ndarray, count: int, axis: int, largest: int) -> tuple[np.ndarray, int]:
    """Sums of ``count`` equal stretches of an axis: a value that lies in two of them counts in each by its share.

    largest: of the values. Returns the sums, in units that make them whole numbers, and how many units a stretch has.
    """
    shared = math.gcd(values.shape[axis], count)
    units, each = values.shape[axis] // shared, count // shared  # of a stretch; of a value
    kind = np.min_scalar_type(2 * largest * units)
    kind = np.dtype(np.uint16) if kind.itemsize == 1 else kind
    at, inside = np.divmod(np.arange(count) * units, each)
    left, share = np.full(count, units), each - inside  # of the first value; then come whole ones, and what is left
    shape = [1, 1, 1]
    shape[axis] = count
    summed = None
    while left.any():
        share = np.minimum(share, left)
        part = values.take(np.minimum(at, values.shape[axis] - 1), axis=axis).astype(kind, copy=False)
        part = np.multiply(part, share.astype(kind).reshape(shape), out=part)
        summed = part if summed is None else np.add(summed, part, out=summed)
        left, at, share = left - share, at + 1, np.full(count, each)
    return summed, units


def _halved(pixels: np.ndarray) -> np.ndarray:
    """``resized`` to half the size, which is what most images need, and faster."""
    rows = pixels[0::2].astype(np.uint16)
    rows += pixels[1::2]
    rows += 1  # 2 in all for each block: the two columns below each bring one
    blocks = rows[:, 0::2] + rows[:, 1::2]
    blocks >>= 2
    return blocks.astype(np.uint8)
