"""Checkpoints: one safetensors file with weights, contract, statistics and sizes. Nothing in it is executed."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vla_contract.card import InterfaceCard
from vla_contract.card_hash import contract_differences
from vla_contract.normalisation import NormalisationError, Normaliser
from vla_policy_node.codec import ActionCodec
from vla_policy_node.errors import CheckpointError
from vla_policy_node.model.config import ModelConfig
from vla_policy_node.model.language import NAME as LANGUAGE_MODEL
from vla_policy_node.pictures import PREFIX
from vla_policy_node.policy import Policy
from vla_policy_node.preprocess import MODEL_SIZE

FORMAT = "vla_policy_node checkpoint 1"


@dataclass
class Checkpoint:
    """Everything of one file, checked for completeness and not yet against a card."""

    weights: dict[str, Tensor]
    model: ModelConfig
    contract: dict
    """What the model depends on, as ``InterfaceCard.policy_contract`` says it."""
    policy_hash: str
    card_name: str
    state_normaliser: Normaliser
    codec: ActionCodec
    training: dict
    """Command, data, steps, errors on held-out episodes."""
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    """camera -> (k, 32, 32, 3) uint8: what it showed in the demonstrations. Empty in checkpoints of before there were any."""
    path: str = ""
    sha256: str = ""


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Writes the file whole or not at all. Weights are stored as float16."""
    metadata = {
        "format": FORMAT,
        "policy_hash": checkpoint.policy_hash,
        "card_name": checkpoint.card_name,
        "language_model": LANGUAGE_MODEL,
        "image_size": str(MODEL_SIZE),
        "model": json.dumps(checkpoint.model.to_dict()),
        "contract": json.dumps(checkpoint.contract),
        "state_normaliser": json.dumps(checkpoint.state_normaliser.to_dict()),
        "action_codec": json.dumps(checkpoint.codec.to_dict()),
        "training": json.dumps(checkpoint.training),
    }
    weights = {name: value.to(torch.float16).contiguous() for name, value in checkpoint.weights.items()}
    weights |= {PREFIX + name: torch.from_numpy(pictures) for name, pictures in checkpoint.pictures.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    save_file(weights, partial, metadata)
    partial.chmod(0o644)  # the writer makes it for its owner alone, who may not be the user of the robot's computer
    os.replace(partial, path)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Raises CheckpointError where the file is missing, is something else, or lacks a part; the message names it."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; `vla train` writes one")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error})") from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: format is {metadata.get('format', 'not given')!r}, this version reads {FORMAT!r}"
        )
    for what, known in (("language_model", LANGUAGE_MODEL), ("image_size", str(MODEL_SIZE))):
        if metadata.get(what) != known:
            raise CheckpointError(f"{path}: {what} is {metadata.get(what)!r}, this version has {known!r}")
    try:
        return Checkpoint(
            weights={name: value.float() for name, value in tensors.items() if not name.startswith(PREFIX)},
            model=ModelConfig.from_dict(json.loads(metadata["model"])),
            contract=json.loads(metadata["contract"]),
            policy_hash=metadata["policy_hash"],
            card_name=metadata["card_name"],
            state_normaliser=Normaliser.from_dict(json.loads(metadata["state_normaliser"])),
            codec=ActionCodec.from_dict(json.loads(metadata["action_codec"])),
            training=json.loads(metadata["training"]),
            pictures={name[len(PREFIX) :]: t.numpy() for name, t in tensors.items() if name.startswith(PREFIX)},
            path=str(path),
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
    except KeyError as error:
        raise CheckpointError(f"{path}: {error.args[0]} is missing from the metadata") from None
    except (NormalisationError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def check_contract(checkpoint: Checkpoint, card: InterfaceCard) -> None:
    """Raises CheckpointError naming each field in which checkpoint and card disagree."""
    where = f"{checkpoint.path or 'checkpoint'} does not fit card {card.name}"
    lines = contract_differences(checkpoint.contract, card.policy_contract())
    if checkpoint.model.horizon != card.action.horizon:
        lines.append(f"action.horizon: {checkpoint.model.horizon}, the card has {card.action.horizon}")
    if lines:
        raise CheckpointError(f"{where}: " + "; ".join(f"{line}" for line in lines))
    if checkpoint.policy_hash != card.policy_hash:
        raise CheckpointError(f"{where}: policy_hash: {checkpoint.policy_hash}, the card has {card.policy_hash}")


def load_checkpoint(path: str | Path, card: InterfaceCard, *, seed: int = 0, threads: int | None = None) -> Policy:
    """A policy for this card. ``threads``: of the CPU, for the whole process.

    Raises CheckpointError naming the field that disagrees, or LanguageModelError where the sentence encoder is not installed.
    """
    from vla_policy_node.backends.native import NativePolicy  # imports this module

    checkpoint = read_checkpoint(path)
    check_contract(checkpoint, card)
    if threads is not None:
        torch.set_num_threads(threads)
    return NativePolicy(checkpoint, card, seed=seed)
