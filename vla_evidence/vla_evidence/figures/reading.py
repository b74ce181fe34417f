"""Dataclasses from parsed JSON and back. A field that is absent or of another kind is named, with its file and path."""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any, Self

from vla_contract.command import Command, CommandError
from vla_contract.files import read_bytes
from vla_contract.files.json_text import JsonError, parse_json
from vla_contract.files.limits import FIGURES
from vla_contract.json_ready import json_ready

_NOT_FINITE = {"NaN", "Infinity", "-Infinity"}
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


class FiguresError(ValueError):
    """A file of figures that cannot be read. The message names the file, the path of the field, and what is allowed."""


class Figures:
    """Base of the content of a file. Subclasses are frozen dataclasses whose fields are the keys.

    Fields without a default are needed. One that has its default is left out of the JSON; keys that no field is of are passed
    over, so that newer files are read as far as they are known.
    """

    WRITTEN_BY: typing.ClassVar[str] = ""
    """Command that writes such a file."""

    @classmethod
    def from_json(cls, data: object, name: str) -> Self:
        """Of parsed JSON. name: of the file, for messages. Raises FiguresError."""
        try:
            return _dataclass(cls, data, ())
        except _Wrong as wrong:
            path = f"{name}: {_dotted(wrong.path)}" if wrong.path else name
            again = f"; `{cls.WRITTEN_BY}` writes the file anew" if wrong.is_absent and cls.WRITTEN_BY else ""
            raise FiguresError(f"{path}: {wrong.words}{again}") from None

    @classmethod
    def read(cls, path: Path, name: str = "") -> Self:
        """Of a file. name: for messages, instead of the file's own. Raises FiguresError."""
        try:
            data = parse_json(read_bytes(path, FIGURES))
        except JsonError as error:
            raise FiguresError(f"{name or path}: {error}") from None
        return cls.from_json(data, name or path.name)

    def to_json(self) -> dict:
        """Ready for JSON; `from_json` reads it back."""
        return plain(self)


class _Wrong(Exception):
    def __init__(self, path: tuple[str, ...], words: str, *, is_absent: bool = False) -> None:
        self.path, self.words, self.is_absent = path, words, is_absent


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(".[", "[")


@cache
def _fields(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    """Name, type and whether it is needed."""
    hints = typing.get_type_hints(kind)
    none = dataclasses.MISSING
    return tuple((f.name, hints[f.name], f.default is none and f.default_factory is none) for f in dataclasses.fields(kind))


def _dataclass(kind: type, data: object, path: tuple[str, ...]) -> Any:
    if not isinstance(data, dict):
        raise _Wrong(path, f"{_short(data)}, allowed is a mapping")
    made = {}
    for name, hint, needed in _fields(kind):
        if name in data:
            made[name] = _value(hint, data[name], (*path, name))
        elif needed:
            raise _Wrong((*path, name), "missing", is_absent=True)
    return kind(**made)


def _value(hint: Any, value: object, path: tuple[str, ...]) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        return _value(next(kind for kind in inner if kind is not types.NoneType), value, path)
    if hint is Command:
        try:
            return Command.from_json(value)
        except CommandError as error:
            raise _Wrong(path, str(error)) from None
    if origin is dict:
        if not isinstance(value, dict):
            raise _Wrong(path, f"{_short(value)}, allowed is a mapping")
        return {key: _value(inner[1], item, (*path, key)) for key, item in value.items()}
    if origin is tuple:
        count = None if inner[-1] is Ellipsis else len(inner)
        if not isinstance(value, list | tuple) or count not in (None, len(value)):
            raise _Wrong(path, f"{_short(value)}, allowed is a list{'' if count is None else f' of {count}'}")
        kinds = inner if count is not None else inner[:1] * len(value)
        return tuple(_value(kind, item, (*path, f"[{k}]")) for k, (kind, item) in enumerate(zip(kinds, value, strict=True)))
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, path)
    if hint is Any:
        return value
    return _scalar(hint, value, path)


def _scalar(kind: type, value: object, path: tuple[str, ...]) -> Any:
    if kind is float and isinstance(value, str) and value in _NOT_FINITE:
        return float(value)
    wanted = (int, float) if kind is float else kind
    if isinstance(value, wanted) and (kind is bool or not isinstance(value, bool)):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise _Wrong(path, f"a whole number of {value.bit_length()} bits, allowed are 64")
        return value
    raise _Wrong(path, f"{_short(value)}, allowed is {_WORDS[kind]}")


def plain(value: Any) -> Any:
    """A dataclass of figures, or what holds some, ready for JSON. Fields that have their default are left out."""
    if isinstance(value, Command):
        return value.to_json()
    if dataclasses.is_dataclass(value):
        return {f.name: plain(v) for f in dataclasses.fields(value) if not _is_default(f, v := getattr(value, f.name))}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return json_ready(value)


def _is_default(field: dataclasses.Field, value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return value == field.default_factory()
    return field.default is not dataclasses.MISSING and type(value) is type(field.default) and value == field.default


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
