"""Action heads by the names that packages register under `vla.heads`, and their options."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Sequence

import torch
from torch.nn.modules.module import register_module_parameter_registration_hook

from vla_contract import plugins
from vla_policy.errors import HeadError
from vla_policy.native.heads.base import ActionHead, HeadSizes

_MOST_TENSORS = 10_000
_GIVEN = ("self", "sizes")
"""What the model gives to every head; the rest of its arguments are its options."""


def head_names() -> list[str]:
    """All that are registered, sorted."""
    return list(plugins.registered(plugins.HEADS))


def find_head(name: str) -> type[ActionHead]:
    """Raises HeadError naming the heads there are."""
    if name not in head_names():
        raise HeadError(f"action head {name!r} is unknown, there are {', '.join(head_names())}")
    try:
        return plugins.load(plugins.HEADS, name)
    except plugins.PluginError as error:
        raise HeadError(str(error)) from error


def build_head(name: str, sizes: HeadSizes, options: dict) -> ActionHead:
    """Raises HeadError naming the heads there are, an option that the head does not have, or a value that it cannot use."""
    head = find_head(name)
    try:
        return head(sizes, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise HeadError(f"action head {name!r}: {str(error).splitlines()[0]}") from None


def check_size(name: str, sizes: HeadSizes, options: dict, most: int) -> None:
    """Raises HeadError where the head would have more weights than that, or more than ten thousand tensors of them, before they
    take any memory. A head that is not installed, or cannot be sized up, is told of when it is built."""
    left = [most, _MOST_TENSORS]

    def count(_, __, parameter) -> None:
        left[0] -= 0 if parameter is None else parameter.numel()
        left[1] -= 1
        if min(left) < 0:
            raise _TooLargeError

    hook = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"), contextlib.suppress(Exception):
            find_head(name)(sizes, **options)
    except _TooLargeError:
        raise HeadError(f"action head {name!r}: its options ask for more than {most} weights") from None
    finally:
        hook.remove()


class _TooLargeError(BaseException):
    """Passes by what a head makes of errors."""


def parse_options(name: str, words: Sequence[str]) -> dict:
    """Options of a head from words of the form KEY=VALUE, each of the kind that its default is of.

    Raises HeadError naming an unknown head or option, or a word or value of another form, and what is allowed.
    """
    parameters = inspect.signature(find_head(name).__init__).parameters.values()
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
