"""The `$(name arguments)` of launch files: those that our launch files use, with the meaning that `ros2 launch` gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from vla_contract.shipped import NotShippedError, package_prefix


class SubstitutionError(ValueError):
    """A substitution that is unknown, malformed or has no value."""


def _var(variables: Mapping[str, str], name: str, default: str | None = None) -> str:
    if name in variables:
        return variables[name]
    if default is not None:
        return default
    raise SubstitutionError(f"$(var {name}): no such argument or variable; there are: {_listed(variables)}")


def _env(environment: Mapping[str, str], name: str, default: str | None = None) -> str:
    value = environment.get(name, default)
    if value is None:
        raise SubstitutionError(f"$(env {name}): not set in the environment, and no default is given")
    return value


def _not(text: str) -> str:
    return "false" if truth(text) else "true"


def _not_equals(left: str, right: str) -> str:
    for value in (truth, float):  # as `ros2 launch` does: booleans and numbers by value, all else by text
        try:
            return "true" if value(left) != value(right) else "false"
        except ValueError:
            continue
    return "true" if left != right else "false"


def prefix_of(package: str) -> Path:
    """Install prefix of a package. Raises SubstitutionError."""
    try:
        return package_prefix(package)
    except NotShippedError as error:
        raise SubstitutionError(str(error)) from None


def truth(text: str) -> bool:
    """The truth of a condition: true, 1, false or 0, in any case. Raises SubstitutionError."""
    value = text.strip().lower()
    if value in ("true", "1"):
        return True
    if value in ("false", "0"):
        return False
    raise SubstitutionError(f"condition is {text!r}, allowed are true, 1, false, 0")


class Substituter:
    """Expands text.

    Args:
        path: The launch file that the text stands in, for `$(dirname)`.
        variables: Launch arguments and variables, for `$(var NAME [DEFAULT])`.
        environment: For `$(env NAME [DEFAULT])`.
    """

    def __init__(self, path: Path, variables: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self._functions: dict[str, tuple[int, int, Callable[..., str]]] = {
            "var": (1, 2, lambda *a: _var(variables, *a)),
            "env": (1, 2, lambda *a: _env(environment, *a)),
            "find-pkg-prefix": (1, 1, lambda package: str(prefix_of(package))),
            "find-pkg-share": (1, 1, lambda package: str(prefix_of(package) / "share" / package)),
            "dirname": (0, 0, lambda: str(path.parent)),
            "not": (1, 1, _not),
            "not-equals": (2, 2, _not_equals),
        }

    def expand(self, text: str) -> str:
        """The text with every substitution replaced by its value. Raises SubstitutionError."""
        expanded, end = self._text(text, 0, stop="")
        assert end == len(text)
        return expanded

    def _text(self, text: str, at: int, stop: str) -> tuple[str, int]:
        """Expands from `at` to the first character in `stop` outside of a substitution."""
        parts = []
        while at < len(text) and text[at] not in stop:
            if text.startswith("$(", at):
                value, at = self._call(text, at)
                parts.append(value)
            elif text[at] == "\\" and at + 1 < len(text) and text[at + 1] in "$\\'\"()":
                parts.append(text[at + 1])
                at += 2
            else:
                parts.append(text[at])
                at += 1
        return "".join(parts), at

    def _call(self, text: str, start: int) -> tuple[str, int]:
        """Evaluates the `$(...)` at `start`. Returns its value and the place behind it."""
        at = start + 2
        words: list[str] = []
        while True:
            while at < len(text) and text[at] == " ":
                at += 1
            if at >= len(text):
                raise SubstitutionError(f"{text!r}: `$(` without its `)`")
            if text[at] == ")":
                break
            if text[at] in "'\"":
                word, end = self._text(text, at + 1, stop=text[at])
                if end >= len(text):
                    raise SubstitutionError(f"{text!r}: quote without its end")
                at = end + 1
            else:
                word, at = self._text(text, at, stop=" )")
            words.append(word)
        name, arguments = (words[0] if words else ""), words[1:]
        if name not in self._functions:
            raise SubstitutionError(f"$({name} ...) is not supported here; allowed are: {_listed(self._functions)}")
        fewest, most, function = self._functions[name]
        if not fewest <= len(arguments) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise SubstitutionError(f"$({name} ...): {len(arguments)} arguments, {wanted} expected")
        return function(*arguments), at + 1


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(names)) or "none"
