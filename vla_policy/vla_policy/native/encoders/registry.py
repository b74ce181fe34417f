"""Encoders by the names that packages register under `vla.encoders`; vision and language share the group."""

from __future__ import annotations

from typing import Any

from vla_contract import plugins
from vla_policy.errors import EncoderError
from vla_policy.native.config import ModelConfig
from vla_policy.native.encoders.language import LanguageEncoder
from vla_policy.native.encoders.vision import VisionEncoder


def build_vision(config: ModelConfig) -> VisionEncoder:
    """The vision encoder that a configuration names. Raises EncoderError."""
    kind, argument = _find(config.vision, VisionEncoder, "vision")
    return kind.build(argument, config)


def build_language(config: ModelConfig) -> LanguageEncoder:
    """The language encoder that a configuration names. Raises EncoderError, or LanguageModelError where weights are missing."""
    kind, argument = _find(config.language, LanguageEncoder, "language")
    encoder = kind.build(argument)
    if encoder.width != config.language_dim:
        raise EncoderError(
            f"language encoder '{config.language}' gives tokens of width {encoder.width}, the model takes {config.language_dim}"
        )
    return encoder


def _find(spec: str, kind: type, word: str) -> tuple[Any, str]:
    name, _, argument = spec.partition(":")
    known = plugins.registered(plugins.ENCODERS)
    if name not in known:
        raise EncoderError(f"{word} encoder '{spec}': '{name}' is unknown, there are {', '.join(known) or 'none'}")
    try:
        found = plugins.load(plugins.ENCODERS, name)
    except plugins.PluginError as error:
        raise EncoderError(str(error)) from error
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise EncoderError(f"{word} encoder '{spec}': '{name}' is no {word} encoder")
    return found, argument
