"""Reads an XML file into elements that remember their line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from vla_contract.files import FileError, read_bytes
from vla_contract.files.limits import METADATA as LAUNCH
from vla_graph.launch.errors import LaunchError


@dataclass
class Element:
    """One XML element."""

    tag: str
    attributes: dict[str, str]
    path: Path
    line: int
    children: list[Element] = field(default_factory=list)

    def error(self, message: str) -> LaunchError:
        """An error that points at this element."""
        return LaunchError.at(self.path, self.line, f"<{self.tag}>: {message}")


def read_xml(path: Path) -> Element:
    """The root element of a file. Raises LaunchError where the file is missing or is not well-formed XML."""
    try:
        content = read_bytes(path, LAUNCH)
    except OSError as error:
        raise LaunchError(f"{path}: cannot be read: {error.strerror}") from None
    except FileError as error:
        raise LaunchError(str(error)) from None
    parser = expat.ParserCreate()
    open_elements: list[Element] = []
    roots: list[Element] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, path, parser.CurrentLineNumber)
        (open_elements[-1].children if open_elements else roots).append(element)
        open_elements.append(element)

    def text(data: str) -> None:
        if data.strip():
            raise LaunchError.at(path, parser.CurrentLineNumber, f"text between tags is not allowed: {data.strip()!r}")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: open_elements.pop()
    parser.CharacterDataHandler = text
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise LaunchError.at(path, error.lineno, f"not well-formed XML: {expat.ErrorString(error.code)}") from None
    return roots[0]
