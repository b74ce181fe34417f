"""Which parts of a model are trained, and which a file has to hold: asked by optimiser, gradient workers and saver alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that take part in training, by name. Frozen parts are not among them, adapters beside them are."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def stored_names(model: nn.Module) -> list[str]:
    """Entries of ``model.state_dict()`` that a checkpoint has to hold: all but what came frozen with a pretrained encoder.

    Ask the model that is trained: of a copy that nothing is trained in (a running average) all would be frozen.
    """
    left_out = set(_frozen(model, "", False))
    return [name for name in model.state_dict() if name not in left_out]


def stored_weights(model: nn.Module, values: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """What a checkpoint has to hold of a model; ``values``: taken from there (of a running average) by the same names."""
    values = model.state_dict() if values is None else values
    return {name: values[name] for name in stored_names(model)}


def _frozen(module: nn.Module, prefix: str, pretrained: bool) -> Iterator[str]:
    pretrained = pretrained or getattr(module, "pretrained", False) is True
    if pretrained:
        own = dict(module.named_parameters(recurse=False))
        if not any(parameter.requires_grad for parameter in own.values()):
            own |= dict(module.named_buffers(recurse=False))  # such as the running means of a frozen normalisation
        yield from (prefix + name for name, value in own.items() if not value.requires_grad)
    for name, child in module.named_children():
        yield from _frozen(child, f"{prefix}{name}.", pretrained)
