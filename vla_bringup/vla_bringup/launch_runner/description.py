"""Turns an XML launch file into processes.

The subset of `ros2 launch`'s XML that our launch files use, with the same meaning. What it does not know it refuses,
with file and line: nothing is skipped in silence.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from vla_bringup.launch_runner.errors import LaunchError
from vla_bringup.launch_runner.node_command import parameter_arguments
from vla_bringup.launch_runner.plan import Argument, LaunchPlan, ProcessSpec
from vla_bringup.launch_runner.substitutions import Substituter, SubstitutionError, package_prefix, truth
from vla_bringup.launch_runner.xml_file import Element, read_xml

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
    "include": ("file", *_CONDITIONS),
    "node": ("pkg", "exec", "namespace", "args", "ros_args", *_PROCESS),
    "executable": ("cmd", *_PROCESS),
    "param": ("name", "value", "type", "from"),
    "remap": ("from", "to"),
    "env": ("name", "value"),
}
_CHILDREN = {
    "launch": ("arg", "let", "set_env", "unset_env", "log", "group", "push_ros_namespace", "include", "node", "executable"),
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


def arguments_of(path: Path) -> list[Argument]:
    """The arguments that a launch file declares, in its order. Raises LaunchError."""
    found: list[Argument] = []

    def walk(element: Element) -> None:
        for child in element.children:
            if child.tag == "arg":
                choices = tuple(_get(choice, "value") for choice in child.children)
                description = " ".join(child.attributes.get("description", "").split())
                found.append(Argument(_get(child, "name"), description, child.attributes.get("default"), choices))
            elif child.tag == "group":
                walk(child)

    walk(read_launch_file(path))
    return found


def parse_assignments(words: Sequence[str], allowed: Sequence[Argument]) -> dict[str, str]:
    """`name:=value` words as a dictionary. Raises LaunchError naming a word that is none, or an unknown name."""
    names = [argument.name for argument in allowed]
    values: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition(":=")
        if not separator or not name:
            raise LaunchError(f"argument {word!r} is not of the form name:=value; the names are: {', '.join(names)}")
        if name not in names:
            raise LaunchError(f"unknown launch argument '{name}'; allowed are: {', '.join(names) or 'none'}")
        values[name] = value
    return values


def plan_launch(path: Path, values: Mapping[str, str], environment: Mapping[str, str] | None = None) -> LaunchPlan:
    """Evaluates a launch file.

    Args:
        path: The file.
        values: Launch arguments by name.
        environment: For `$(env NAME)`; by default this process's own.

    Raises:
        LaunchError: Unknown or missing arguments, values outside of their choices, or a file that cannot be used.
    """
    parse_assignments([f"{name}:={value}" for name, value in values.items()], arguments_of(path))
    builder = _Builder(dict(values), dict(os.environ if environment is None else environment))
    builder.run(read_launch_file(path))
    return LaunchPlan(tuple(builder.processes), tuple(builder.messages), builder.variables)


def _get(element: Element, name: str) -> str:
    if name not in element.attributes:
        raise element.error(f"attribute '{name}' is missing")
    return element.attributes[name]


class _Builder:
    """Walks elements in order, as `ros2 launch` executes its actions.

    A group's variables, environment and namespace end with it.
    """

    def __init__(self, variables: dict[str, str], environment: dict[str, str]) -> None:
        self.processes: list[ProcessSpec] = []
        self.messages: list[str] = []
        self.variables = variables
        self._environment = environment
        self._added: dict[str, str] = {}
        self._namespace = ""

    def run(self, parent: Element) -> None:
        for element in parent.children:
            if self._applies(element):
                getattr(self, f"_do_{element.tag}")(element)

    def _expand(self, element: Element, name: str, default: str | None = None) -> str:
        text = _get(element, name) if default is None else element.attributes.get(name, default)
        return self._expand_text(element, text)

    def _expand_text(self, element: Element, text: str) -> str:
        try:
            return Substituter(element.path, self.variables, {**self._environment, **self._added}).expand(text)
        except SubstitutionError as error:
            raise element.error(str(error)) from None

    def _truth(self, element: Element, name: str, default: str) -> bool:
        try:
            return truth(self._expand(element, name, default))
        except SubstitutionError as error:
            raise element.error(f"{name}: {error}") from None

    def _applies(self, element: Element) -> bool:
        return self._truth(element, "if", "true") and not self._truth(element, "unless", "false")

    def _do_arg(self, element: Element) -> None:
        name = _get(element, "name")
        if name not in self.variables:
            if "default" not in element.attributes:
                raise element.error(f"launch argument '{name}' must be given: {name}:=...  "
                                    f"({element.attributes.get('description', 'no description')})")
            self.variables[name] = self._expand(element, "default")
        choices = [_get(choice, "value") for choice in element.children]
        if choices and self.variables[name] not in choices:
            raise element.error(f"{name} is '{self.variables[name]}', allowed are: {', '.join(map(repr, choices))}")

    def _do_let(self, element: Element) -> None:
        self.variables[self._expand(element, "name")] = self._expand(element, "value")

    def _do_set_env(self, element: Element) -> None:
        self._added[self._expand(element, "name")] = self._expand(element, "value")

    def _do_unset_env(self, element: Element) -> None:
        name = self._expand(element, "name")
        self._added.pop(name, None)
        self._environment.pop(name, None)

    def _do_log(self, element: Element) -> None:
        self.messages.append(self._expand(element, "message"))

    def _do_push_ros_namespace(self, element: Element) -> None:
        self._namespace = self._joined(self._expand(element, "namespace"))

    def _do_group(self, element: Element) -> None:
        kept = dict(self.variables), dict(self._environment), dict(self._added), self._namespace
        self.run(element)
        if self._truth(element, "scoped", "true"):
            self.variables, self._environment, self._added, self._namespace = kept

    def _do_include(self, element: Element) -> None:
        path = Path(self._expand(element, "file"))
        given = {self._expand(child, "name"): self._expand(child, "value") for child in element.children}
        root = read_launch_file(path)
        try:
            parse_assignments([f"{name}:={value}" for name, value in given.items()], arguments_of(path))
        except LaunchError as error:
            raise element.error(f"{path.name}: {error}") from None
        self.variables.update(given)
        self.run(root)

    def _do_node(self, element: Element) -> None:
        package, executable = self._expand(element, "pkg"), self._expand(element, "exec")
        try:
            program = package_prefix(package) / "lib" / package / executable
        except SubstitutionError as error:
            raise element.error(str(error)) from None
        if not os.access(program, os.X_OK):
            known = sorted(p.name for p in program.parent.glob("*")) if program.parent.is_dir() else []
            raise element.error(f"package '{package}' has no executable '{executable}'; it has: {', '.join(known) or 'none'}")
        command = [str(program), *shlex.split(self._expand(element, "args", "")), "--ros-args"]
        if "name" in element.attributes:
            command += ["-r", f"__node:={self._expand(element, 'name')}"]
        namespace = self._joined(self._expand(element, "namespace", ""))
        if namespace:
            command += ["-r", f"__ns:={namespace}"]
        for child in element.children:
            if child.tag == "remap":
                command += ["-r", f"{self._expand(child, 'from')}:={self._expand(child, 'to')}"]
            elif child.tag == "param":
                command += parameter_arguments(child, lambda text, at=child: self._expand_text(at, text))
        command += shlex.split(self._expand(element, "ros_args", ""))
        self._add(element, self._expand(element, "name", executable), command)

    def _do_executable(self, element: Element) -> None:
        command = shlex.split(self._expand(element, "cmd"))
        if not command:
            raise element.error("attribute 'cmd' is empty")
        self._add(element, self._expand(element, "name", Path(command[0]).name), command)

    def _add(self, element: Element, name: str, command: list[str]) -> None:
        on_exit = element.attributes.get("on_exit")
        if on_exit not in (None, "shutdown"):
            raise element.error(f"on_exit is '{on_exit}', allowed is: shutdown")
        output = self._expand(element, "output", "screen")
        if output not in ("screen", "both"):
            raise element.error(f"output is '{output}', allowed are: screen, both")
        try:
            delay = float(element.attributes.get("respawn_delay", "0"))
        except ValueError:
            raise element.error(f"respawn_delay is '{element.attributes['respawn_delay']}', a number [s] is expected") from None
        added = {self._expand(c, "name"): self._expand(c, "value") for c in element.children if c.tag == "env"}
        self.processes.append(ProcessSpec(
            name=name, command=tuple(command), environment={**self._added, **added}, required=on_exit == "shutdown",
            respawn=self._truth(element, "respawn", "false"), respawn_delay=delay,
            cwd=self._expand(element, "cwd", "") or None))

    def _joined(self, namespace: str) -> str:
        """A namespace below the ones pushed; one that begins with `/` stands for itself."""
        if not namespace or namespace.startswith("/"):
            return namespace or self._namespace
        return f"{self._namespace.rstrip('/')}/{namespace}"
