"""Turns an XML launch file into processes, with the meaning that `ros2 launch` gives it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from vla_graph.launch.arguments import arguments_of, parse_assignments
from vla_graph.launch.errors import LaunchError
from vla_graph.launch.grammar import attribute, read_launch_file
from vla_graph.launch.node_command import node_command
from vla_graph.launch.plan import LaunchPlan, ProcessSpec
from vla_graph.launch.substitutions import Substituter, SubstitutionError, truth
from vla_graph.launch.xml_file import Element


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
    builder = _Builder(path, dict(values), dict(os.environ if environment is None else environment))
    builder.run(read_launch_file(path))
    return LaunchPlan(tuple(builder.processes), tuple(builder.messages), builder.variables)


class _Builder:
    """Walks elements in order, as `ros2 launch` executes its actions.

    A group's variables, environment, namespace and remappings end with it.
    """

    def __init__(self, path: Path, variables: dict[str, str], environment: dict[str, str]) -> None:
        self.processes: list[ProcessSpec] = []
        self.messages: list[str] = []
        self.variables = variables
        self._path, self._given = path, dict(variables)
        self._environment = environment
        self._added: dict[str, str] = {}
        self._namespace = ""
        self._remaps: list[tuple[str, str]] = []

    def run(self, parent: Element) -> None:
        for element in parent.children:
            if self._applies(element):
                getattr(self, f"_do_{element.tag}")(element)

    def _expand(self, element: Element, name: str, default: str | None = None) -> str:
        """An attribute, its substitutions replaced; without a default it has to be there."""
        text = attribute(element, name) if default is None else element.attributes.get(name, default)
        try:
            return Substituter(element.path, self.variables, {**self._environment, **self._added}).expand(text)
        except SubstitutionError as error:
            raise element.error(str(error)) from None

    def _mistake(self, element: Element, attribute: str, name: str, words: str) -> LaunchError:
        """Names the launch argument where somebody gave the value as one, else the place in the file."""
        found = re.fullmatch(r"\$\(var (\w+)\)", element.attributes.get(attribute, "").strip())
        if found and self._is_given(found[1]):
            return LaunchError(f"launch argument {found[1]} {words}")
        return element.error(f"{name} {words}")

    def _is_given(self, name: str) -> bool:
        return name in self._given and self.variables.get(name) == self._given[name]

    def _truth(self, element: Element, name: str, default: str) -> bool:
        text = self._expand(element, name, default)
        try:
            return truth(text)
        except SubstitutionError:
            raise self._mistake(element, name, f"{name}: condition", f"is {text!r}, allowed are true, 1, false, 0") from None

    def _applies(self, element: Element) -> bool:
        return self._truth(element, "if", "true") and not self._truth(element, "unless", "false")

    def _do_arg(self, element: Element) -> None:
        name = attribute(element, "name")
        if name not in self.variables:
            if "default" not in element.attributes:
                words = f"must be given: {name}:=...  ({element.attributes.get('description', 'no description')})"
                words = f"launch argument '{name}' {words}"
                raise LaunchError(words) if element.path == self._path else element.error(words)
            self.variables[name] = self._expand(element, "default")
        choices = [attribute(choice, "value") for choice in element.children]
        if choices and self.variables[name] not in choices:
            words = f"is '{self.variables[name]}', allowed are: {', '.join(map(repr, choices))}"
            raise LaunchError(f"launch argument {name} {words}") if self._is_given(name) else element.error(f"{name} {words}")

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

    def _do_set_remap(self, element: Element) -> None:
        self._remaps.append((self._expand(element, "from"), self._expand(element, "to")))

    def _do_group(self, element: Element) -> None:
        kept = dict(self.variables), dict(self._environment), dict(self._added), self._namespace, list(self._remaps)
        self.run(element)
        if self._truth(element, "scoped", "true"):
            self.variables, self._environment, self._added, self._namespace, self._remaps = kept

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
        namespace = self._joined(self._expand(element, "namespace", ""))
        command = node_command(element, self._expand, self._mistake, namespace, self._remaps)
        self._add(element, self._expand(element, "name", self._expand(element, "exec")), command)

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
