"""Page of the launch arguments, from the launch files."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from markdown import code, page, table

INTRO = """
`vla up sim task:=stack` and `ros2 launch vla_bringup sim.launch.xml task:=stack` take the same arguments.
`vla up sim --show-args` lists them in a terminal.
"""
TITLES = {"sim": "sim: the whole graph in simulation", "real": "real: beside the driver of an arm"}


def render(root: Path) -> str:
    parts = []
    for path in sorted((root / "vla_bringup" / "launch").glob("*.launch.xml"), reverse=True):
        name = path.name.removesuffix(".launch.xml")
        arguments = ElementTree.parse(path).getroot().findall("arg")
        heads = ("argument", "default", "allowed", "meaning")
        parts.append(f"## {TITLES.get(name, name)}\n\n{table(heads, map(_row, arguments))}")
    return page("Launch arguments", INTRO, *parts)


def _row(argument: ElementTree.Element) -> tuple[str, str, str, str]:
    default = argument.get("default")
    shown = "required" if default is None else code(default) or "empty"
    choices = ", ".join(code(choice.get("value")) or "empty" for choice in argument.findall("choice"))
    return code(argument.get("name")), shown, choices, argument.get("description", "")
