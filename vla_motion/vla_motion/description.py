"""Robot descriptions before they are parsed: which of the two languages, whether they are sound, and what they ask for."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Collection
from pathlib import Path
from xml.parsers import expat

from vla_contract.files import FileError, read_text
from vla_contract.files.limits import DESCRIPTION, in_words, scaled
from vla_motion.model_error import ModelError

MJCF, URDF = "mjcf", "urdf"
_ROOTS = {"mujoco": MJCF, "robot": URDF}
_NEEDED = "MJCF (<mujoco ...>) or URDF (<robot ...>) is needed"
_DEPTH, _ELEMENTS = 100, 200_000
_COUNTS, _LARGEST = ("count", "nrow", "ncol", "width", "height"), 4096
"""Attributes of MJCF that take memory by themselves, and their largest value."""


def is_text(source: str | Path) -> bool:
    """Whether a source is a description, and no path of one."""
    return isinstance(source, str) and plain(source).startswith("<")


def plain(text: str) -> str:
    """Without a byte-order mark and blanks before the first element, which no XML parser of C++ likes."""
    return text.lstrip("\ufeff \t\r\n")


def read_description(path: str | Path) -> str:
    """A description's text. Raises ModelError."""
    try:
        return plain(read_text(path, DESCRIPTION))
    except OSError as error:
        raise ModelError(f"model {path}: cannot be read: {error.strerror}") from None
    except FileError as error:
        raise ModelError(f"model {path}: cannot be read: {str(error).removeprefix(f'{path}: ')}") from None


def language_of(text: str, folder: str | Path = ".") -> str:
    """`MJCF` or `URDF`, by the root element, whatever words stand in comments, names or elements of extensions.

    Args:
        folder: That paths in an MJCF count from.

    Raises:
        ModelError: Another root, no XML, or more than a robot: entities, nesting, sizes, files that are none.
    """
    if len(text) > scaled(DESCRIPTION):
        raise ModelError(f"robot description: {in_words(len(text))}, at most {in_words(scaled(DESCRIPTION))} are read")
    look = _Look(Path(folder))
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = look.start, look.end
    parser.EntityDeclHandler = look.entity
    try:
        parser.Parse(plain(text).encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        words = f"{text[:40]!r}, which is no XML (line {error.lineno}: {expat.ErrorString(error.code)})"
        raise ModelError(f"robot description cannot be read: it begins {words}; {_NEEDED}") from None
    if look.uses_xacro:
        raise ModelError("robot description is still xacro; `xacro FILE > robot.urdf` makes a URDF of it")
    return look.language


class _Look:
    def __init__(self, folder: Path) -> None:
        self.language, self.uses_xacro = "", False
        self._folders = [folder]
        self._depth = self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth, self._count = self._depth + 1, self._count + 1
        if not self.language:
            if tag not in _ROOTS:
                raise ModelError(f"robot description: its root element is <{tag}>; {_NEEDED}")
            self.language = _ROOTS[tag]
        if self._depth > _DEPTH or self._count > _ELEMENTS:
            raise ModelError(f"robot description: more than {_DEPTH} elements inside each other, or {_ELEMENTS} in all")
        self.uses_xacro |= tag.startswith("xacro:")
        if self.language == MJCF:
            self._check_mjcf(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1

    def entity(self, *_: object) -> None:
        raise ModelError("robot description: declares entities, which no robot needs")

    def _check_mjcf(self, tag: str, attributes: dict[str, str]) -> None:
        for key in ("assetdir", "meshdir", "texturedir"):
            if key in attributes:
                self._folders.append(self._folders[0] / attributes[key])
        if "file" in attributes:
            for path in (folder / attributes["file"] for folder in self._folders):
                if path.exists() and not path.is_file():
                    raise ModelError(f"robot description: <{tag} file={attributes['file']!r}> is no file")
        for key in _COUNTS:
            numbers = re.findall(r"[0-9.eE+-]+", attributes.get(key, ""))
            if any(_number(word) > _LARGEST for word in numbers):
                raise ModelError(f"robot description: <{tag} {key}={attributes[key]!r}>, at most {_LARGEST} is allowed")
        if tag == "size" and ("memory" in attributes or "nstack" in attributes):
            size = attributes.get("memory", attributes.get("nstack", ""))
            if re.search(r"[gtpeGTPE]|[0-9]{9}", size):
                raise ModelError(f"robot description: <size> asks for {size[:40]} of memory")


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0


def check_urdf_limits(text: str, joints: Collection[str]) -> None:
    """Raises ModelError naming a joint of these whose limits are no numbers, or the lower above the upper one."""

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal joint
        if tag == "joint" and "type" in attributes:
            joint = attributes.get("name", "")
        elif tag == "limit" and joint in joints:
            values = {key: _finite(joint, key, attributes[key]) for key in ("lower", "upper", "velocity") if key in attributes}
            lower, upper = values.get("lower", 0.0), values.get("upper", 0.0)
            if lower > upper:
                raise ModelError(f"joint {joint}: its lower limit {lower:g} is above its upper limit {upper:g}")

    joint = ""
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    try:
        parser.Parse(plain(text).encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise ModelError(f"URDF cannot be read: line {error.lineno}: {expat.ErrorString(error.code)}") from None


def _finite(joint: str, key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ModelError(f"joint {joint}: its limit {key} is {text[:40]!r}, a finite number is needed")
    return value


def mesh_places(package: str, inside: str) -> tuple[list[Path], str]:
    """Where a mesh `package://PACKAGE/INSIDE` may be, and in words how it is found."""
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    places = [Path(prefix) / "share" / package / inside for prefix in prefixes]
    words = (
        f"package://{package} is share/{package} in each folder of AMENT_PREFIX_PATH "
        f"({os.pathsep.join(prefixes) or 'which is empty'}): source the workspace that has the package {package}"
    )
    return places, words
