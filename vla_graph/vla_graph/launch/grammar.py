"""What a launch file may contain: the subset of `ros2 launch`'s XML that our launch files use. All else is refused."""

from __future__ import annotations

from pathlib import Path

from vla_graph.launch.xml_file import Element, read_xml

_CONDITIONS = ("if", "unless")
_PROCESS = (*_CONDITIONS, "name", "output", "on_exit", "respawn", "respawn_delay", "cwd")
_ATTRIBUTES = {
    "launch": (),
    "arg": ("name", "default", "description", *_CONDITIONS),
    "choice": ("value",),
    "let": ("name", "value", *_CONDITIONS),
    "set_env": ("name", "value", *_CONDITIONS),
    "unset_env": ("name", *_CONDITIONS),
    "log": ("message", *_CONDITIONS),
    "group": ("scoped", *_CONDITIONS),
    "push_ros_namespace": ("namespace", *_CONDITIONS),
    "set_remap": ("from", "to", *_CONDITIONS),
    "include": ("file", *_CONDITIONS),
    "node": ("pkg", "exec", "namespace", "args", "ros_args", *_PROCESS),
    "executable": ("cmd", *_PROCESS),
    "param": ("name", "value", "type", "from"),
    "remap": ("from", "to"),
    "env": ("name", "value"),
}
_CHILDREN = {
    "launch": (
        "arg", "let", "set_env", "unset_env", "log", "group", "push_ros_namespace", "set_remap", "include", "node", "executable",
    ),
    "arg": ("choice",),
    "node": ("param", "remap", "env"),
    "executable": ("env",),
    "include": ("arg",),
}
_CHILDREN["group"] = _CHILDREN["launch"]


def check(element: Element) -> None:
    """Raises LaunchError at the first tag or attribute below `element` that the runner does not know."""
    allowed = _ATTRIBUTES[element.tag]
    if element.tag == "arg" and "value" in element.attributes:
        allowed = ("name", "value")
    for name in element.attributes:
        if name not in allowed:
            raise element.error(f"attribute '{name}' is not supported; allowed are: {', '.join(allowed) or 'none'}")
    for child in element.children:
        if child.tag not in _CHILDREN.get(element.tag, ()):
            tags = ", ".join(_CHILDREN.get(element.tag, ())) or "none"
            raise child.error(f"not supported inside <{element.tag}>; allowed are: {tags}")
        check(child)


def read_launch_file(path: Path) -> Element:
    """The checked root of a launch file. Raises LaunchError."""
    root = read_xml(path)
    if root.tag != "launch":
        raise root.error("the root of a launch file must be <launch>")
    check(root)
    return root


def attribute(element: Element, name: str) -> str:
    """An attribute that has to be there. Raises LaunchError."""
    if name not in element.attributes:
        raise element.error(f"attribute '{name}' is missing")
    return element.attributes[name]
