"""Codecs by the names that packages register under `vla.codecs`."""

from __future__ import annotations

import numpy as np

from vla_contract import plugins
from vla_contract.card import InterfaceCard
from vla_policy.errors import CodecError
from vla_policy.native.codecs.base import Codec, CodecState


def find_codec(name: str) -> type[Codec]:
    """Raises CodecError naming the codecs there are."""
    known = plugins.registered(plugins.CODECS)
    if name not in known:
        raise CodecError(f"codec {name!r} is unknown, there are {', '.join(known) or 'none'}")
    try:
        return plugins.load(plugins.CODECS, name)
    except plugins.PluginError as error:
        raise CodecError(str(error)) from error


def fit_codec(name: str, card: InterfaceCard, actions: np.ndarray, *, seed: int = 0, **options: object) -> Codec:
    """See ``Codec.fit``. Raises CodecError also for an option that the codec does not have, or a value that it cannot use."""
    try:
        return find_codec(name).fit(card, actions, seed=seed, **options)
    except (TypeError, ValueError) as error:
        raise CodecError(f"codec {name!r}: {error}") from error


def restore_codec(name: str, state: CodecState) -> Codec:
    """Inverse of ``Codec.state``. Raises what ``find_codec`` and ``Codec.from_state`` raise."""
    return find_codec(name).from_state(state)
