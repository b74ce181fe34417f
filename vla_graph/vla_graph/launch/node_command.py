"""The command line of a `<node>`: its executable, names, remappings and parameters."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Sequence

import yaml

from vla_graph.launch.substitutions import SubstitutionError, prefix_of
from vla_graph.launch.xml_file import Element

_TYPES: dict[str, Callable[[str], object]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
}


Expand = Callable[..., str]
"""Of an element: the attribute of that name, its substitutions replaced; a third argument is its default."""


def node_command(
    element: Element, expand: Expand, namespace: str, remaps: Sequence[tuple[str, str]] = ()
) -> list[str]:
    """The words of a `<node>`'s command, in a namespace that is already joined; "" is none.

    remaps: (from, to) of the `<set_remap>`s before it, which come before its own: of two for a name the first one counts.

    Raises:
        LaunchError: No such package or executable, or a parameter that is not of its type.
    """
    package, executable = expand(element, "pkg"), expand(element, "exec")
    try:
        program = prefix_of(package) / "lib" / package / executable
    except SubstitutionError as error:
        raise element.error(str(error)) from None
    if not os.access(program, os.X_OK):
        known = sorted(p.name for p in program.parent.glob("*")) if program.parent.is_dir() else []
        raise element.error(f"package '{package}' has no executable '{executable}'; it has: {', '.join(known) or 'none'}")
    command = [str(program), *shlex.split(expand(element, "args", "")), "--ros-args"]
    if "name" in element.attributes:
        command += ["-r", f"__node:={expand(element, 'name')}"]
    if namespace:
        command += ["-r", f"__ns:={namespace}"]
    for name, to in remaps:
        command += ["-r", f"{name}:={to}"]
    for child in element.children:
        if child.tag == "remap":
            command += ["-r", f"{expand(child, 'from')}:={expand(child, 'to')}"]
        elif child.tag == "param":
            command += parameter_arguments(child, expand)
    return command + shlex.split(expand(element, "ros_args", ""))


def parameter_arguments(element: Element, expand: Expand) -> list[str]:
    """The arguments after `--ros-args` for a `<param>`.

    Without `type`, the type is what YAML makes of the value, as in `ros2 launch`: `5` is an integer, `5.0` a number,
    `true` a boolean, everything else text.

    Args:
        element: A `<param>` with `name` and `value`, or with `from`, the path of a parameter file.
        expand: Gives its attributes.

    Raises:
        LaunchError: A value that is not of its type, or attributes that do not go together.
    """
    attributes = element.attributes
    if "from" in attributes:
        if len(attributes) > 1:
            raise element.error("'from' goes with no other attribute")
        return ["--params-file", expand(element, "from")]
    name, text = expand(element, "name"), expand(element, "value")
    kind = attributes.get("type")
    if kind is None:
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        if not isinstance(value, bool | int | float | list):
            value = text
    elif kind not in _TYPES:
        raise element.error(f"type is '{kind}', allowed are: {', '.join(_TYPES)}")
    else:
        try:
            value = _TYPES[kind](text)
        except (ValueError, KeyError):
            raise element.error(f"{name} is '{text}', which is no {kind}") from None
    # JSON is YAML, and its quotes keep text such as "1" or "" from turning into something else.
    return ["-p", f"{name}:={json.dumps(value)}"]
