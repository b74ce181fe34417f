"""Checks of one camera: sizes, rates, and what a policy is to see of it."""

from __future__ import annotations

from collections.abc import Iterator

from vla_contract.card_arm_checks import check_positive
from vla_contract.card_error import Problem
from vla_contract.card_sections import CameraCard
from vla_contract.image_encodings import DEPTH, UYVY, YUYV

Problems = Iterator[Problem]
Path = tuple[str | int, ...]

SMALLEST, LARGEST = 8, 8192
"""Sides of an image [px]."""


def check_camera(camera: CameraCard, at: Path) -> Problems:
    """All problems of one camera; ``at`` is where it stands in the card."""
    yield from _check_sides(camera, at)
    if camera.encoding in (*UYVY, *YUYV) and camera.width % 2:
        yield Problem((*at, "width"), f"{camera.width}, {camera.encoding} has its pixels in pairs: an even number is needed")
    yield from _check_crop(camera, (*at, "crop"))
    if camera.resize:
        yield from _check_sides(camera.resize, (*at, "resize"))
    yield from _check_depth(camera, (*at, "depth"))
    yield from check_positive(camera.rate, (*at, "rate"), 1000, "Hz", "the period was given instead")
    yield from check_positive(camera.max_age, (*at, "max_age"), 5, "s", "milliseconds")
    if camera.rate > 0 and 0 < camera.max_age < 1 / camera.rate:
        message = f"{camera.max_age:g} s is less than one period of the camera ({1 / camera.rate:.3g} s): always too old"
        yield Problem((*at, "max_age"), message)


def _check_sides(sized, at: Path) -> Problems:
    for key in ("width", "height"):
        if not SMALLEST <= getattr(sized, key) <= LARGEST:
            yield Problem((*at, key), f"{getattr(sized, key)}, allowed are {SMALLEST} to {LARGEST} pixels")


def _check_crop(camera: CameraCard, at: Path) -> Problems:
    crop = camera.crop
    if crop is None:
        return
    for edge, side in (("x", "width"), ("y", "height")):
        begin, length, whole = getattr(crop, edge), getattr(crop, side), getattr(camera, side)
        if begin < 0:
            yield Problem((*at, edge), f"{begin}, allowed are 0 and above")
        elif length < SMALLEST:
            yield Problem((*at, side), f"{length}, allowed are {SMALLEST} and more pixels")
        elif begin + length > whole:
            yield Problem((*at, side), f"{length} pixels from {edge} {begin} end at {begin + length}, the image at {whole}")


def _check_depth(camera: CameraCard, at: Path) -> Problems:
    depth = camera.depth
    if camera.encoding == DEPTH and depth is None:
        yield Problem(at, f"missing; {DEPTH} is depth [mm], and needs the distances to show: depth: {{near: 0.2, far: 1.5}} [m]")
    elif camera.encoding != DEPTH and depth is not None:
        yield Problem(at, f"{camera.encoding} is no depth; allowed is none, or encoding {DEPTH}")
    elif depth is not None and not 0 <= depth.near < depth.far <= 65.535:
        yield Problem(at, f"near {depth.near:g}, far {depth.far:g} m; allowed are 0 to 65.535, near below far")
