"""A parsed JSON file whose values are taken by path: what is absent is None, what is wrong is named."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

_NOT_FINITE = {"NaN", "Infinity", "-Infinity"}


class ReportError(ValueError):
    """A run folder that cannot be reported. The message names the file, the field, and what is allowed."""


class Content:
    """The content of a JSON file, a mapping at the top.

    Args:
        name: Of the file, for messages.
        data: Parsed.

    Raises:
        ReportError: It is no mapping.
    """

    def __init__(self, name: str, data: Any) -> None:
        self.name = name
        if not isinstance(data, dict):
            raise ReportError(f"{name}: {_short(data)}, allowed is a mapping")
        self._data = data

    @classmethod
    def read(cls, path: Path, name: str = "") -> Content:
        """name: For messages, instead of the file's. Raises ReportError where the file is no JSON."""
        try:
            return cls(name or path.name, json.loads(path.read_text(encoding="utf-8")))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ReportError(f"{path}: not JSON ({error})") from None

    def get(self, *path: str) -> Any:
        """Whatever is there; None where any part of the path is absent. ReportError where a part is no mapping."""
        value: Any = self._data
        for k, key in enumerate(path):
            if value is None:
                return None
            if not isinstance(value, dict):
                self._complain(path[:k], value, "a mapping")
            value = value.get(key)
        return value

    def mapping(self, *path: str) -> dict:
        """Empty where absent."""
        return self._taken(path, dict, "a mapping") or {}

    def rows(self, *path: str) -> list:
        """Empty where absent."""
        return self._taken(path, list, "a list") or []

    def text(self, *path: str) -> str:
        """Empty where absent."""
        return self._taken(path, str, "text") or ""

    def number(self, *path: str) -> float | None:
        """Also what JSON has no number for, as text: "NaN", "Infinity"."""
        value = self.get(*path)
        if isinstance(value, str) and value in _NOT_FINITE:
            return float(value)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            self._complain(path, value, "a number")
        return value

    def numbers(self, *path: str) -> dict[str, float]:
        """A mapping of names to numbers; entries of null are left out."""
        found = {str(key): self.number(*path, key) for key in self.mapping(*path)}
        return {key: value for key, value in found.items() if value is not None}

    def interval(self, *path: str) -> tuple[float, float] | None:
        """Two numbers; None where absent."""
        value = self.get(*path)
        if value is None:
            return None
        fits = isinstance(value, list) and len(value) == 2 and all(
            isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in value
        )  # fmt: skip
        if not fits:
            self._complain(path, value, "two numbers")
        return float(value[0]), float(value[1])

    def inner(self, *path: str) -> Content | None:
        """A mapping within, None where absent; messages name its path."""
        value = self.mapping(*path)
        return Content(f"{self.name}: {'.'.join(path)}", value) if value else None

    def _taken(self, path: tuple[str, ...], kind: type, words: str) -> Any:
        value = self.get(*path)
        if value is not None and not isinstance(value, kind):
            self._complain(path, value, words)
        return value

    def _complain(self, path: tuple[str, ...], value: Any, allowed: str) -> None:
        raise ReportError(f"{self.name}: {'.'.join(map(str, path))}: {_short(value)}, allowed is {allowed}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
