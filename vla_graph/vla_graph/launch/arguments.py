"""The arguments of a launch file: what it declares, and what the words of a command line give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vla_graph.launch.errors import LaunchError
from vla_graph.launch.grammar import attribute, read_launch_file
from vla_graph.launch.plan import Argument
from vla_graph.launch.xml_file import Element


def arguments_of(path: Path) -> list[Argument]:
    """The arguments that a launch file declares, in its order. Raises LaunchError."""
    found: list[Argument] = []

    def walk(element: Element) -> None:
        for child in element.children:
            if child.tag == "arg":
                choices = tuple(attribute(choice, "value") for choice in child.children)
                description = " ".join(child.attributes.get("description", "").split())
                found.append(Argument(attribute(child, "name"), description, child.attributes.get("default"), choices))
            elif child.tag == "group":
                walk(child)

    walk(read_launch_file(path))
    return found


def parse_assignments(words: Sequence[str], allowed: Sequence[Argument]) -> dict[str, str]:
    """`name:=value` words as a dictionary. Raises LaunchError naming a word that is none, an unknown name, or one
    that is given twice."""
    names = [argument.name for argument in allowed]
    values: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition(":=")
        if not separator or not name:
            raise LaunchError(f"argument {word!r} is not of the form name:=value; the names are: {', '.join(names)}")
        if name not in names:
            raise LaunchError(f"unknown launch argument '{name}'; allowed are: {', '.join(names) or 'none'}")
        if name in values:
            raise LaunchError(f"launch argument '{name}' is given twice, as '{values[name]}' and as '{value}'; give it once")
        values[name] = value
    return values
