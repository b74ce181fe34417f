"""Action heads. A new one is one file and one line in ``HEADS``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence

from vla_policy_node.model.heads.base import ActionHead
from vla_policy_node.model.heads.flow_matching import FlowMatchingHead
from vla_policy_node.model.heads.regression import RegressionHead

HEADS: dict[str, type[ActionHead]] = {
    "flow_matching": FlowMatchingHead,
    "regression": RegressionHead,
}
_GIVEN = ("self", "context_dim", "horizon", "action_dim")
"""What the model gives to every head; the rest of its arguments are its options."""


class HeadError(ValueError):
    """No such head, or one that cannot be built with these options. The message says what there is."""


def build_head(name: str, context_dim: int, horizon: int, action_dim: int, options: dict) -> ActionHead:
    """Raises HeadError naming the heads there are, an option that the head does not have, or a value that it cannot use."""
    head = _find(name)
    try:
        return head(context_dim, horizon, action_dim, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise HeadError(f"action head {name!r}: {str(error).splitlines()[0]}") from None


def parse_options(name: str, words: Sequence[str]) -> dict:
    """Options of a head from words of the form KEY=VALUE, each of the kind that its default is of.

    Raises HeadError naming an unknown head or option, or a word or value of another form, and what is allowed.
    """
    parameters = inspect.signature(_find(name).__init__).parameters.values()
    known = {p.name: p.default for p in parameters if p.name not in _GIVEN and p.kind is not p.VAR_KEYWORD}
    listed = ", ".join(f"{key}={default}" for key, default in known.items() if default is not inspect.Parameter.empty)
    options = {}
    for word in words:
        key, separator, text = word.partition("=")
        if not separator:
            raise HeadError(f"head option {word!r} is not of the form KEY=VALUE")
        if key not in known:
            raise HeadError(f"action head {name!r} has no option {key!r}; it has, with defaults: {listed or 'none'}")
        options[key] = _value(key, text, known[key])
    return options


def _find(name: str) -> type[ActionHead]:
    if name not in HEADS:
        raise HeadError(f"action head {name!r} is unknown, there are {', '.join(sorted(HEADS))}")
    return HEADS[name]


def _value(key: str, text: str, default: object) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    kind = type(default)
    if kind is float and type(value) is int:
        return float(value)
    if kind is str:
        return text
    if kind in (bool, int, float) and type(value) is not kind:
        raise HeadError(f"head option {key} is {text!r}, which is no {kind.__name__}; its default is {json.dumps(default)}")
    return value
