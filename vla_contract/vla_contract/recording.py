"""What may be asked of a recording. Told to whoever asks, before a graph is started that would then go unrecorded. No ROS."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

QUALITY, QUALITIES = 90, (1, 100)
"""Of a JPEG: by default, and the lowest and highest."""
MIN_FREE_MIB = 256
"""Free space on the disk below which recording ends [MiB], by default."""
_MIB = 1 << 20
_VIDEO_NEEDS = {"av": "PyAV: pip install av", "foxglove_msgs": "the package foxglove_msgs"}
_OF_RECORDING = ("record_to", "record_images", "record_jpeg_quality", "record_compression")


class RecordingError(ValueError):
    """A recording cannot be made as it was asked for. The message names the setting and what is allowed."""


def check_quality(value: object, name: str = "jpeg_quality") -> None:
    """Raises RecordingError for a JPEG quality that there is not. value: a number, or its text."""
    low, high = QUALITIES
    try:
        fits = low <= int(str(value)) <= high
    except ValueError:
        fits = False
    if not fits:
        raise RecordingError(f"{name} {value}, allowed are {low} to {high}")


def check_new(path: Path) -> None:
    """Raises RecordingError where something is there already: nothing is overwritten."""
    if os.path.lexists(path):
        raise RecordingError(f"{path} exists already, and a bag is never overwritten: give another folder")


def check_disk(path: Path, min_free_mib: int = MIN_FREE_MIB) -> None:
    """Raises RecordingError where nothing can be written at this path, or its disk has less space left [MiB]."""
    above = next((folder for folder in path.absolute().parents if folder.exists()), None)
    if above is None or not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise RecordingError(f"{path}: cannot be recorded to: {above} is no folder that can be written to")
    try:
        TemporaryFile(dir=above).close()
    except OSError as error:
        words = f"no file can be made in {above} ({error.strerror or error})"
        raise RecordingError(f"{path}: cannot be recorded to: {words}") from None
    free = free_on_disk(above)
    if free < min_free_mib * _MIB:
        raise RecordingError(f"{path}: the disk is nearly full: {free // _MIB} MiB are free, {min_free_mib} MiB must stay")


def free_on_disk(folder: Path) -> float:
    """Free space of a folder's disk [bytes]; infinite where its file system does not tell: it says that it has none at all."""
    usage = shutil.disk_usage(folder)
    return usage.free if usage.total else math.inf


def check_launch(values: Mapping[str, str], given: Mapping[str, str], recorded: bool) -> None:
    """Launch arguments of a recording.

    Args:
        values: All, defaults included.
        given: Those that somebody gave.
        recorded: What `record` comes to.

    Raises:
        RecordingError: One is out of range, is given and means nothing, or cannot be done here.
    """
    if "record" not in values:
        return
    if "record_jpeg_quality" in values:
        check_quality(values["record_jpeg_quality"], "record_jpeg_quality")
    idle = [name for name in _OF_RECORDING if name in given]
    if idle and not recorded:
        raise RecordingError(f"{', '.join(idle)} without record:=true: nothing would be recorded")
    if not recorded:
        return
    images = values.get("record_images", "raw")
    if "record_jpeg_quality" in given and images != "jpeg":
        raise RecordingError(f"record_jpeg_quality is of record_images:=jpeg, and images are {images}")
    absent = [words for module, words in _VIDEO_NEEDS.items() if images == "h264" and find_spec(module) is None]
    if absent:
        raise RecordingError(f"record_images:=h264 needs {', '.join(absent)}")
    to = values.get("record_to", "")
    if to:
        check_new(Path(to))
    check_disk(Path(to or "out/bags/bag"))
