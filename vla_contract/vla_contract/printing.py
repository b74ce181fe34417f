"""Text of others on a terminal: what moves the cursor, sets colours or turns the direction of writing is shown, not obeyed."""

from __future__ import annotations

import contextlib
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

_JOINERS = "\u200c\u200d"
"""Part of how some scripts and emoji are written."""
_SHOWN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def write_in_any_encoding() -> None:
    """What a terminal's encoding lacks is written as an escape from now on; it ended the program before."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # none, or another program's stand-in
            stream.reconfigure(errors="backslashreplace")


def printable(text: str, *, lines: bool = False) -> str:
    """Text with control characters, directional marks, invisible ones and halves of surrogate pairs as escapes of Python.

    lines: Line ends and tabs stay, for text that is written as lines.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(sign, lines) for sign in text)


def listed(parts: Sequence[str], most: int = 20, by: str = ", ") -> str:
    """The first ones, and how many more there are: what a file of strangers names may be thousands."""
    more = f" and {len(parts) - most} more" if len(parts) > most else ""
    return by.join(parts[:most]) + more


def kind_of(value: object) -> str:
    """What a file holds where something else should be, in words of JSON and YAML: "null", "a list", "text"."""
    if value is None:
        return "null"
    for kind, told in ((bool, "true or false"), (int | float, "a number"), (str, "text"), (list, "a list"), (dict, "a mapping")):
        if isinstance(value, kind):
            return told
    return f"a {type(value).__name__}"


def tell(*words: object, file: TextIO | None = None, end: str = "\n", flush: bool = False) -> None:
    """As ``print``, for words of which some may be of others: the one way to the terminal. Lines stay lines."""
    print(*(printable(str(word), lines=True) for word in words), file=file, end=end, flush=flush)


def _shown(sign: str, lines: bool) -> str:
    if (lines and sign in "\n\t") or sign in _JOINERS or unicodedata.category(sign) not in _SHOWN:
        return sign
    code = ord(sign)
    if sign in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[sign]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
