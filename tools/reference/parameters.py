"""Page of the nodes' parameters, read from the calls that declare them."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown import code, page, table

NODES = {
    "controller": ("vla_controller", "chunk to trajectory"), "policy": ("vla_policy_node", "observation to chunk"),
    "shadow": ("vla_replay", "a second policy that only watches"), "recorder": ("vla_bags", "the graph into a bag"),
    "sim": ("vla_sim", "the simulated cell"), "mock": ("vla_sim", "an arm of the card that is exactly where it is commanded"),
}  # fmt: skip
"""Node, its package, what it does. It declares its parameters in the package's folder `ros/`; the mock in files of its name."""
INTRO = """
`use_sim_time` is a parameter of each node, as of all ROS nodes. Parameters are read when a node starts; `speed_scale` of the
controller can be changed while it runs: `ros2 param set /controller speed_scale 0.25`. The launch files set those that a user
needs: [launch arguments](launch.md).
"""


class UnknownParameterError(ValueError):
    """A declaration without a description, or a node without any."""


@dataclass(frozen=True)
class Declared:
    """A parameter. `bounds`: from, to; empty: none."""

    name: str
    default: str
    description: str
    bounds: str


def render(root: Path) -> str:
    parts = []
    for node, (package, words) in NODES.items():
        found = {d.name: d for path in _files(root, node, package) for d in _declared(path, root)}
        if not found:
            raise UnknownParameterError(f"node {node}: no parameter found in {package}/{package}/ros/")
        rows = [(code(d.name), code(d.default) or "empty", d.bounds, d.description) for d in found.values()]
        parts.append(f"## {node}\n\nPackage `{package}`: {words}.\n\n{table(('parameter', 'default', 'range', 'meaning'), rows)}")
    return page("Parameters of the nodes", INTRO, *parts)


def _files(root: Path, node: str, package: str) -> list[Path]:
    files = sorted((root / package / package / "ros").rglob("*.py"))
    if package != "vla_sim":
        return files
    return [path for path in files if path.name.startswith("mock") == (node == "mock")]


def _declared(path: Path, root: Path) -> Iterator[Declared]:
    """What a file declares: calls of a function of that name, and tables of (name, default, description)."""
    tree = ast.parse(path.read_text())
    module = ".".join(path.relative_to(root).with_suffix("").parts[1:])
    for node in sorted(ast.walk(tree), key=lambda n: getattr(n, "lineno", 0)):
        if isinstance(node, ast.Call) and _is_declaration(node):
            values = [*node.args, *(k.value for k in node.keywords if k.arg in ("description", "bounds"))]
            start = next((i for i, value in enumerate(values[:2]) if isinstance(_value(value, module), str)), None)
            if start is not None and _value(values[start], module) != "use_sim_time":
                yield _read(module, values[start:])
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PARAMETERS":
            yield from (_read(module, row.elts) for row in node.value.elts)


def _is_declaration(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in ("declare", "_declare", "declare_parameter")


def _read(module: str, values: list[ast.expr]) -> Declared:
    name, default, *more = (_value(value, module) for value in values)
    words = next((value for value in more if isinstance(value, str)), None)
    bounds = next((value for value in more if isinstance(value, tuple)), ())
    if words is None:
        raise UnknownParameterError(f"{module}: parameter '{name}' has no description; see vla_contract.ros.parameters.declare")
    shown = ast.unparse(values[1]) if default is None else _shown(default)
    return Declared(name, shown, words, f"{bounds[0]:g} to {bounds[1]:g}" if bounds else "")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) if value != [""] else ""


def _value(node: ast.expr, module: str) -> object:
    """What an expression is in its module; None where names of a function are in it."""
    names = vars(importlib.import_module(module))
    if isinstance(node, ast.BinOp):  # what a function adds to a default is told in the description
        names = {n.id: 0 for n in ast.walk(node) if isinstance(n, ast.Name)} | names
    try:
        return eval(ast.unparse(node), names)
    except (NameError, TypeError, AttributeError):
        return None
