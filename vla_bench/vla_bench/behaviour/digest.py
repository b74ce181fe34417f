"""A digest over values: names of classes and fields may change, a bit of a number may not."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

DIGITS = 16


class Digest:
    """SHA-256 over values in the order in which they are fed."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def feed(self, value: Any) -> None:
        """Dataclasses field by field, arrays with type and shape, enumerations by value."""
        if is_dataclass(value):
            for field in fields(value):
                self.feed(getattr(value, field.name))
        elif isinstance(value, np.ndarray):
            self._sha.update(repr((value.dtype.str, value.shape)).encode() + np.ascontiguousarray(value).tobytes())
        elif isinstance(value, Enum):
            self._sha.update(repr(value.value).encode())
        elif isinstance(value, list | tuple):
            self._sha.update(b"(%d" % len(value))
            for item in value:
                self.feed(item)
        elif isinstance(value, np.generic):
            self.feed(value.item())
        else:
            self._sha.update(repr(value).encode() + b";")

    def hexdigest(self) -> str:
        """First 16 hex digits."""
        return self._sha.hexdigest()[:DIGITS]
