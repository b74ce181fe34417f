"""Page of the card's fields, from the classes that check a card."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal, get_args, get_origin

from markdown import code, page, table
from pydantic_core import PydanticUndefined

from vla_contract.card import InterfaceCard
from vla_contract.card_sections import Section

INTRO = """
One YAML file describes a robot cell to policy, controller and simulator. Unknown keys, text where a number belongs, and numbers
that are not finite are refused, and the message names the field. The example to copy:
[`panda_tabletop.yaml`](../../vla_bringup/cards/panda_tabletop.yaml). `vla card check FILE` checks a card and prints its two
hashes; `vla card init` drafts one.
"""


def render() -> str:
    sections: dict[str, type[Section]] = {}
    parts = [f"## The card\n\n{_fields(InterfaceCard, '', sections)}"]
    done: set[str] = set()
    while len(done) < len(sections):
        path, section = next((p, s) for p, s in sections.items() if p not in done)
        done.add(path)
        parts.append(f"## {path}\n\n{_fields(section, path, sections)}")
    return page("Fields of a card", INTRO, *parts)


def _fields(section: type[Section], path: str, sections: dict[str, type[Section]]) -> str:
    rows = []
    for name, field in section.model_fields.items():
        words, below = _kind(field.annotation)
        if below is not None:
            where = f"{path}.{name}" if path else name
            sections[where + ("[]" if words.startswith("list") else "")] = below
        needed = "required" if field.is_required() else code(_default(field))
        rows.append((code(name), words, needed, field.description or ""))
    return table(("field", "type", "default", "meaning"), rows)


def _default(field: Any) -> str:
    value = field.default if field.default is not PydanticUndefined else field.default_factory()
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _kind(annotation: Any) -> tuple[str, type[Section] | None]:
    """A type in words, and the section that it is, or is a list of."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return " or ".join(code(value) for value in inner), None
    if origin in (typing.Union, types.UnionType):
        words, below = _kind(next(a for a in inner if a is not type(None)))
        return f"{words}, or null", below
    if origin is list:
        words, below = _kind(inner[0])
        return f"list of {words}", below
    if origin is dict:
        return f"{_kind(inner[0])[0]} to {_kind(inner[1])[0]}", None
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "section", annotation
    return {float: "number", int: "whole number", str: "text", bool: "true or false"}[annotation], None
