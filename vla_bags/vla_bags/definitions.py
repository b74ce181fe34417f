"""Message definitions of installed packages, complete with all that they contain, as MCAP and other readers want them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from vla_bags.entries import BagError

SEPARATOR = "=" * 80
_PRIMITIVES = frozenset(
    "bool byte char float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 string wstring".split()
)
_NAME = re.compile(r"(?P<package>[a-zA-Z][a-zA-Z0-9_]*)/msg/(?P<name>[a-zA-Z][a-zA-Z0-9_]*)\Z")


class DefinitionError(BagError):
    """A message type whose definition is not installed."""


def prefixes(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Installation prefixes, in the order in which packages are looked for."""
    return [Path(part) for part in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if part]


def field_types(text: str) -> list[str]:
    """Types of the fields of one definition, bounds and array marks taken off, in order."""
    types = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2 or _is_constant(words):
            continue
        types.append(re.sub(r"(\[.*\])|(<=\d+)", "", words[0]))
    return types


def _is_constant(words: list[str]) -> bool:
    rest = " ".join(words[1:])
    return re.match(r"^\w+\s*=", rest) is not None


def layout(text: str) -> dict[str, list[tuple[str, str]]]:
    """What decides the bytes of a message, and no more: (type, name) of the fields of each type in a complete definition.

    The message itself is under "". Comments, constants and defaults are left out, and packages of field types, which some
    recorders write and some do not.
    """
    found: dict[str, list[tuple[str, str]]] = {"": []}
    section = found[""]
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if line.startswith("MSG:"):
            section = found.setdefault(line[4:].strip().replace("/msg/", "/"), [])
        elif len(words) >= 2 and not _is_constant(words):
            kind = words[0].rpartition("/")[2]
            for name, same in (("char", "uint8"), ("byte", "octet")):
                kind = re.sub(rf"^{name}\b", same, kind)
            section.append((kind, words[1]))
    return found


def difference(recorded: str, installed: str) -> str | None:
    """Where the bytes of a recorded message cannot be read by the installed definition, in words; None where they can.

    One that has more fields at its end than the recorded one reads it, see `added_fields`. Definitions in IDL are not compared.
    """
    if not _comparable(recorded):
        return None
    old, new = layout(recorded), layout(installed)
    for section in old.keys() & new.keys():
        if old[section] != new[section] and not (section == "" and _is_longer(new[""], old[""])):
            pairs = zip([*old[section], None], [*new[section], None], strict=False)
            was, now = next((was, now) for was, now in pairs if was != now)
            words = [" ".join(field) if field else "nothing more" for field in (was, now)]
            return f"{section or 'it'} has '{words[0]}' in the bag and '{words[1]}' here"
    return None


def added_fields(recorded: str, installed: str) -> tuple[str, ...]:
    """Names of the fields that a message has been given at its end since it was recorded."""
    if not _comparable(recorded):
        return ()
    old, new = layout(recorded)[""], layout(installed)[""]
    return tuple(name for _, name in new[len(old) :]) if _is_longer(new, old) else ()


def _comparable(recorded: str) -> bool:
    return bool(recorded.strip()) and not recorded.startswith(f"{SEPARATOR}\nIDL:")


def _is_longer(new: list[tuple[str, str]], old: list[tuple[str, str]]) -> bool:
    return len(new) > len(old) > 0 and new[: len(old)] == old


class Definitions:
    """Finds and joins the .msg files of installed packages.

    Args:
        where: Installation prefixes; by default those of AMENT_PREFIX_PATH.
    """

    def __init__(self, where: Iterable[Path] | None = None) -> None:
        self._where = list(where) if where is not None else prefixes()
        self._texts: dict[str, str] = {}

    def complete(self, type_name: str) -> str:
        """The definition of "package/msg/Name", then those of all types in it, separated as MCAP's `ros2msg` wants it.

        Raises:
            DefinitionError: Not the name of a message, or one of them is not installed.
        """
        parts = [self._text(type_name)]
        pending, seen = self._inside(type_name, parts[0]), {type_name}
        while pending:
            name = pending.pop(0)
            if name in seen:
                continue
            seen.add(name)
            text = self._text(name)
            parts.append(f"{SEPARATOR}\nMSG: {name.replace('/msg/', '/')}\n{text}")
            pending += self._inside(name, text)
        return "\n".join(part.rstrip("\n") for part in parts) + "\n"

    def is_installed(self, type_name: str) -> bool:
        """Whether a package that is installed has this message, in whichever of the two languages. Imports nothing."""
        match = _NAME.match(type_name)
        if match is None:
            return False
        stem = Path("share") / match["package"] / "msg" / match["name"]
        return any((prefix / f"{stem}{suffix}").is_file() for prefix in self._where for suffix in (".msg", ".idl"))

    def _inside(self, type_name: str, text: str) -> list[str]:
        package = type_name.partition("/")[0]
        found = []
        for kind in field_types(text):
            if kind in _PRIMITIVES:
                continue
            words = kind.split("/")
            found.append(f"{words[0] if len(words) > 1 else package}/msg/{words[-1]}")
        return found

    def _text(self, type_name: str) -> str:
        if type_name not in self._texts:
            match = _NAME.match(type_name)
            if match is None:
                raise DefinitionError(f"{type_name!r} is no message type; one is written package/msg/Name")
            tail = Path("share") / match["package"] / "msg" / f"{match['name']}.msg"
            for prefix in self._where:
                try:
                    self._texts[type_name] = (prefix / tail).read_text(encoding="utf-8")
                    break
                except OSError:
                    continue
            else:
                raise DefinitionError(
                    f"no definition of {type_name}: no {tail} in {', '.join(map(str, self._where)) or 'AMENT_PREFIX_PATH'}"
                )
        return self._texts[type_name]
