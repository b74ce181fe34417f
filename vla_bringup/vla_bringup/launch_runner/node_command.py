"""Parameters of a node as command line arguments."""

from __future__ import annotations

import json
from collections.abc import Callable

import yaml

from vla_bringup.launch_runner.xml_file import Element

_TYPES: dict[str, Callable[[str], object]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
}


def parameter_arguments(element: Element, expand: Callable[[str], str]) -> list[str]:
    """The arguments after `--ros-args` for a `<param>`.

    Without `type`, the type is what YAML makes of the value, as in `ros2 launch`: `5` is an integer, `5.0` a number,
    `true` a boolean, everything else text.

    Args:
        element: A `<param>` with `name` and `value`, or with `from`, the path of a parameter file.
        expand: Replaces substitutions.

    Raises:
        LaunchError: A value that is not of its type, or attributes that do not go together.
    """
    attributes = element.attributes
    if "from" in attributes:
        if len(attributes) > 1:
            raise element.error("'from' goes with no other attribute")
        return ["--params-file", expand(attributes["from"])]
    for needed in ("name", "value"):
        if needed not in attributes:
            raise element.error(f"attribute '{needed}' is missing")
    text = expand(attributes["value"])
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
            raise element.error(f"{expand(attributes['name'])} is '{text}', which is no {kind}") from None
    # JSON is YAML, and its quotes keep text such as "1" or "" from turning into something else.
    return ["-p", f"{expand(attributes['name'])}:={json.dumps(value)}"]
