"""JSON of others: nested no deeper than anything of ours, so that nothing that walks through it runs out of stack."""

from __future__ import annotations

import json

from vla_contract.files.errors import FileError

DEPTH = 64
"""Lists and mappings inside each other; figures have up to 8."""


class JsonError(FileError):
    """Text that is no JSON, or nested too deeply. The message says what is wrong, and not where: whoever reads adds that."""


def parse_json(text: str | bytes) -> object:
    """The value. Raises JsonError."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise JsonError(_deep()) from None
    except ValueError as error:  # UnicodeDecodeError, and integers of thousands of digits, are among them
        raise JsonError(f"not JSON ({error})") from None
    signs = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(text.count(sign) for sign in signs) > DEPTH and _is_deep(value):
        raise JsonError(_deep())
    return value


def _deep() -> str:
    return f"nested more than {DEPTH} deep"


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [child for items in inner for child in items if isinstance(child, dict | list)]
        if not level:
            return False
    return True
