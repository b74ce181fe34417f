"""The command line of a `<node>`: its executable, names, remappings and parameters."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from vla_contract.node_settings import is_bounded, number_problem
from vla_graph.launch.errors import LaunchError
from vla_graph.launch.substitutions import SubstitutionError, prefix_of
from vla_graph.launch.xml_file import Element


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


_TYPES: dict[str, Callable[[str], object]] = {
    "str": str,
    "int": int,
    "float": _finite,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
}


Expand = Callable[..., str]
"""Of an element: the attribute of that name, its substitutions replaced; a third argument is its default."""
Mistake = Callable[[Element, str, str, str], LaunchError]
"""Of an element and an attribute whose value is wrong: the error, from the name of what it is a value of, and words."""


def node_command(
    element: Element, expand: Expand, mistake: Mistake, namespace: str, remaps: Sequence[tuple[str, str]] = ()
) -> list[str]:
    """The words of a `<node>`'s command, in a namespace that is already joined; "" is none.

    remaps: (from, to) of the `<set_remap>`s before it, which come before its own: of two for a name the first one counts.

    Raises:
        LaunchError: No such package or executable, or a parameter that is not of its type or out of its bounds.
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
            if "value" in child.attributes:
                name, text = expand(child, "name"), expand(child, "value")
                problem = number_problem(package, executable, name, text) if is_bounded(package, executable, name) else ""
                if problem:
                    raise mistake(child, "value", name, problem)
            command += parameter_arguments(child, expand, mistake)
    return command + shlex.split(expand(element, "ros_args", ""))


def node_of(command: Sequence[str]) -> tuple[str, str, dict[str, object]]:
    """Package, executable and parameters of a command that `node_command` has made; of another: two words, and none."""
    package, executable = ("", "", *Path(command[0]).parts)[-2:]
    told = [after.partition(":=") for word, after in zip(command, command[1:]) if word == "-p"]
    return package, executable, {name: json.loads(value) for name, _, value in told}


def parameter_arguments(element: Element, expand: Expand, mistake: Mistake) -> list[str]:
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
            allowed = "; allowed are true and false" if kind == "bool" else ""
            raise mistake(element, "value", name, f"is '{text}', which is no {kind}{allowed}") from None
    # JSON is YAML, and its quotes keep text such as "1" or "" from turning into something else.
    return ["-p", f"{name}:={json.dumps(value)}"]
