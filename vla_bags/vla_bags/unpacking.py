"""What other recorders have compressed (zstd), unpacked with a bound: whole files, and single messages."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import zstandard

from vla_bags.entries import BagError
from vla_contract.files import FileError, open_file
from vla_contract.files.limits import CHUNK, MIB, in_words, scaled

SUFFIX = ".zstd"
FORMATS = ("zstd",)
_ALWAYS_BYTES, _RATIO = 256 * MIB, 64
"""A file above the first is unpacked to at most so many times its size: images and numbers don't shrink more."""
_HEAD = 18
"""Bytes that tell the size of what follows, at most."""


def packing_of(information: dict, where: Path) -> str:
    """"message", "file", or empty: how a bag is compressed. Raises BagError for a way that is not known."""
    mode = str(information.get("compression_mode") or "none").lower()
    if mode == "none":
        return ""
    if mode not in ("message", "file"):
        raise BagError(f"{where}: compression_mode {mode!r}, known are none, message and file")
    found = str(information.get("compression_format") or "")
    if found not in FORMATS:
        raise BagError(f"{where}: compression_format {found!r}, known is zstd")
    return mode


def unpack_message(data: bytes, where: str) -> bytes:
    """One message. Raises BagError where it is damaged, or too large."""
    most = scaled(CHUNK)
    out = io.BytesIO()
    try:
        _copy(io.BytesIO(data), out, most)
    except zstandard.ZstdError as error:
        raise BagError(f"{where}: damaged ({error})") from None
    except OverflowError:
        raise BagError(f"{where}: damaged: a message of more than {in_words(most)}") from None
    return out.getvalue()


class UnpackedFiles:
    """Files unpacked into a temporary folder, which `close` removes."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory | None = None

    def unpack(self, path: Path) -> Path:
        """The unpacked file. Raises BagError where it is damaged, or would be much more than it is."""
        self._folder = self._folder or TemporaryDirectory(prefix="vla_bag_")
        made = Path(self._folder.name) / path.stem
        try:
            with open_file(path) as file, open(made, "xb") as out:
                most = max(_ALWAYS_BYTES, _RATIO * file.seek(0, 2))
                file.seek(0)
                _copy(file, out, scaled(most))
        except FileError as error:
            raise BagError(str(error)) from None
        except zstandard.ZstdError as error:
            raise BagError(f"{path}: damaged ({error})") from None
        except OverflowError:
            raise BagError(f"{path}: damaged: it would be more than {in_words(most)} when unpacked") from None
        return made

    def close(self) -> None:
        """A second call does nothing."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _copy(packed: BinaryIO, out: BinaryIO, most: int) -> None:
    """Raises OverflowError beyond ``most`` bytes, ZstdError where it is damaged or shorter than it says."""
    head = packed.read(_HEAD)
    packed.seek(0)
    told = zstandard.frame_content_size(head)
    if told > most:
        raise OverflowError
    size = 0
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True, closefd=False) as unpacked:
        while block := unpacked.read(MIB):
            size += len(block)
            if size > most:
                raise OverflowError
            out.write(block)
    if size < told:
        raise zstandard.ZstdError(f"cut short after {size} of {told} bytes")
