"""What pydantic found, in the words of a card: the field, what was seen, what is allowed."""

from __future__ import annotations

from difflib import get_close_matches
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from vla_contract.card_error import CardProblems, Problem

_NEEDED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "finite_number": "a finite number",
}


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Problems that the validation of ``model`` came upon, in the order of the card."""
    problems: list[Problem] = []
    for item in error.errors(include_url=False):
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, CardProblems):
            problems += cause.problems
        else:
            problems.append(Problem(item["loc"], _message(item, model)))
    return problems


def _message(item: dict, model: type[BaseModel]) -> str:
    kind, seen, path = item["type"], item["input"], item["loc"]
    if kind == "missing":
        return f"missing; it is needed: {_description(model, path)}"
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), _model_at(model, path[:-1]))
    if kind == "literal_error":
        return f"{_shown(seen)}, allowed: {item['ctx']['expected'].replace(' or ', ', ')}"
    if kind in ("too_short", "too_long"):
        limit = item["ctx"].get("min_length", item["ctx"].get("max_length"))
        bound = "at least" if kind == "too_short" else "at most"
        return f"{item['ctx']['actual_length']} values given, {bound} {limit} needed: {_description(model, path)}"
    if kind == "string_too_short":
        return f"empty text, something is needed: {_description(model, path)}"
    if kind in _NEEDED:
        hint = ""
        if kind in ("float_type", "int_type") and isinstance(seen, str) and _is_number(seen):
            hint = " (without quotes; an exponent needs a point and a sign: 1.0e+3)"
        return f"{_shown(seen)}, must be {_NEEDED[kind]}{hint}"
    return f"{_shown(seen)}: {item['msg']}"


def _unknown_key(key: str, model: type[BaseModel] | None) -> str:
    allowed = list(model.model_fields) if model else []
    close = get_close_matches(key.lower(), allowed, n=1, cutoff=0.6)
    guess = f" (did you mean {close[0]}?)" if close else ""
    return f"unknown key{guess}; allowed: {', '.join(allowed)}"


def _field_at(model: type[BaseModel], path: tuple) -> Any:
    """The annotation that ``path`` leads to, and the description of the last named field on the way."""
    annotation: Any = model
    description = ""
    for key in path:
        annotation = _without_none(annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and key in annotation.model_fields:
            field = annotation.model_fields[key]
            annotation, description = field.annotation, field.description or ""
        else:
            arguments = get_args(annotation)
            annotation = arguments[-1] if arguments else None
    return _without_none(annotation), description


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _model_at(model: type[BaseModel], path: tuple) -> type[BaseModel] | None:
    annotation, _ = _field_at(model, path)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _description(model: type[BaseModel], path: tuple) -> str:
    return _field_at(model, path)[1]


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
