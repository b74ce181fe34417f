"""Checkpoints: one safetensors file with weights, sizes, and what ties them to one or more cards. Nothing in it is executed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vla_contract.card import InterfaceCard
from vla_contract.card_hash import contract_differences
from vla_contract.files import FileError, fresh, sha256_of
from vla_contract.files.limits import CHECKPOINT
from vla_contract.files.tensors import check_tensors
from vla_contract.normalisation import NormalisationError, Normaliser
from vla_policy.checkpoint_layout import (
    CODECS,
    FORMAT,
    FORMAT_1,
    IMAGES,
    LANGUAGE_1,
    SIDE,
    LayoutError,
    embodiments_of,
    mapping,
    parsed,
    place_of,
    tensor_name,
)
from vla_policy.errors import CheckpointError
from vla_policy.native.codecs.base import CodecState
from vla_policy.native.codecs.registry import restore_codec
from vla_policy.native.config import ModelConfig, most_weights
from vla_policy.native.embodiment import Embodiment
from vla_policy.native.heads.base import HeadSizes
from vla_policy.native.heads.registry import check_size
from vla_policy.native.preprocess import MODEL_SIZE
from vla_policy.native.slots import Slots


@dataclass
class Checkpoint:
    """Everything of one file, checked for completeness and not yet against a card."""

    weights: dict[str, Tensor]
    """float32; see ``native.trainable.stored_weights``."""
    model: ModelConfig
    embodiments: list[Embodiment]
    """At least one, of different policy_hash."""
    training: dict
    """Command, data, steps, errors on held-out episodes."""
    path: str = ""
    sha256: str = ""


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Writes the file whole or not at all. Weights are stored as float16."""
    metadata = {
        "format": FORMAT,
        "image_size": str(MODEL_SIZE),
        "model": json.dumps(checkpoint.model.to_dict()),
        "embodiments": json.dumps([_described(one) for one in checkpoint.embodiments]),
        "training": json.dumps(checkpoint.training),
    }
    tensors = {name: _stored(value) for name, value in checkpoint.weights.items()}
    for one in checkpoint.embodiments:
        for kind, arrays in ((IMAGES, one.images), (CODECS, one.codec.state().arrays)):
            for name, array in arrays.items():
                tensors[tensor_name(kind, one.policy_hash, name)] = torch.from_numpy(np.ascontiguousarray(array))
    path.parent.mkdir(parents=True, exist_ok=True)
    with fresh(path) as draft:
        save_file(tensors, draft, metadata)
        draft.chmod(0o644)  # the writer makes it for its owner alone, who may not be the user of the robot's computer


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Raises CheckpointError where the file is missing, is something else, or lacks a part; the message names it."""
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"{path}: no such file; `vla train` writes one")
    try:
        check_tensors(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, FileError, OSError) as error:
        why = str(error).removeprefix(f"{path}: ").removeprefix("not a safetensors file")
        raise CheckpointError(f"{path}: not a safetensors file{f' ({why})' if why else ''}") from None
    try:
        parts = embodiments_of(metadata)
        fixed = [("image_size", str(MODEL_SIZE))]
        fixed += [("language_model", LANGUAGE_1)] if metadata["format"] == FORMAT_1 else []
        for what, known in fixed:
            if metadata.get(what) != known:
                raise LayoutError(f"{what} is {metadata.get(what)!r}, this version has {known!r}")
        weights, arrays = _sorted_out(tensors, str(parts[0].get("policy_hash")) if parts else "")
        model = ModelConfig.from_dict(mapping(metadata, "model"))
        stored = sum(value.numel() for value in weights.values())
        model.check_size(stored)
        check_size(model.head, HeadSizes.of(model), model.head_options, most_weights(stored))
        return Checkpoint(
            weights=weights,
            model=model,
            embodiments=[_embodiment(one, arrays) for one in parts],
            training=parsed(metadata, "training"),
            path=str(path),
            sha256=sha256_of(path, CHECKPOINT),
        )
    except KeyError as error:
        raise CheckpointError(f"{path}: {error.args[0]} is missing from the metadata") from None
    except (NormalisationError, ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def check_contract(checkpoint: Checkpoint, card: InterfaceCard) -> Embodiment:
    """The embodiment of this card. Raises CheckpointError naming each field in which card and closest embodiment disagree."""
    where = f"{checkpoint.path or 'checkpoint'} does not fit card {card.name}"
    if not checkpoint.embodiments:
        raise CheckpointError(f"{where}: it holds no embodiment")
    lines = {one.policy_hash: _differences(one, card) for one in checkpoint.embodiments}
    closest = min(checkpoint.embodiments, key=lambda one: (one.policy_hash != card.policy_hash, len(lines[one.policy_hash])))
    if lines[closest.policy_hash]:
        if len(checkpoint.embodiments) > 1:
            names = ", ".join(one.card_name for one in checkpoint.embodiments)
            where += f"; it is for {names}, of which {closest.card_name} is closest"
        raise CheckpointError(f"{where}: " + "; ".join(lines[closest.policy_hash]))
    return closest


def _differences(one: Embodiment, card: InterfaceCard) -> list[str]:
    lines = contract_differences(one.contract, card.policy_contract())
    if one.horizon != card.action.horizon:
        lines.append(f"action.horizon: {one.horizon}, the card has {card.action.horizon}")
    if not lines and one.policy_hash != card.policy_hash:
        lines.append(f"policy_hash: {one.policy_hash}, the card has {card.policy_hash}")
    return lines


def _stored(value: Tensor) -> Tensor:
    return (value.to(torch.float16) if value.is_floating_point() else value).contiguous()


def _described(one: Embodiment) -> dict:
    return {
        "card_name": one.card_name,
        "policy_hash": one.policy_hash,
        "contract": one.contract,
        "horizon": one.horizon,
        "state_normaliser": one.state_normaliser.to_dict(),
        "codec": {"name": one.codec_name, "values": one.codec.state().values},
        "state": one.state_slots.to_dict(),
        "action": one.action_slots.to_dict(),
    }


def _sorted_out(tensors: dict[str, Tensor], first: str) -> tuple[dict[str, Tensor], dict[tuple[str, str], dict]]:
    """Weights by name; and arrays of (kind, policy_hash), by name."""
    weights, arrays = {}, {}
    for name, value in tensors.items():
        place = place_of(name, first)
        if place is None:
            weights[name] = value.float() if value.is_floating_point() else value
        else:
            kind, owner, own = place
            if kind == IMAGES and (value.ndim != 4 or value.shape[1:] != (SIDE, SIDE, 3) or value.dtype != torch.uint8):
                shape = f"{tuple(value.shape)} {value.dtype}"
                raise LayoutError(f"images of {own} are {shape}, needed are (k, {SIDE}, {SIDE}, 3) uint8")
            arrays.setdefault((kind, owner), {})[own] = value.numpy()
    return weights, arrays


def _embodiment(one: dict, arrays: dict[tuple[str, str], dict]) -> Embodiment:
    contract, policy_hash, codec = one["contract"], one["policy_hash"], one["codec"]
    state, action = (len(contract[part][key]) for part, key in (("state", "fields"), ("action", "names")))
    return Embodiment(
        card_name=one["card_name"],
        policy_hash=policy_hash,
        contract=contract,
        horizon=one["horizon"],
        state_normaliser=Normaliser.from_dict(one["state_normaliser"]),
        codec_name=codec["name"],
        codec=restore_codec(codec["name"], CodecState(codec["values"], arrays.get((CODECS, policy_hash), {}))),
        state_slots=Slots(**one["state"]) if "state" in one else Slots.first(state),
        action_slots=Slots(**one["action"]) if "action" in one else Slots.first(action),
        images=arrays.get((IMAGES, policy_hash), {}),
    )
