"""What a sample is judged by, besides the card: the checkpoint's statistics and a reference of images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from vla_contract.card import InterfaceCard
from vla_contract.files import FileError
from vla_contract.files.json_text import JsonError, parse_json
from vla_contract.files.tensors import check_tensors
from vla_contract.normalisation import NormalisationError, Normaliser, Statistics
from vla_contract.printing import kind_of
from vla_policy.checkpoint_layout import CODEC_1, IMAGES, LayoutError, one_embodiment, place_of
from vla_policy.training.reference_images import SIDE
from vla_replay.preflight.finding import Finding, PreflightError, error

MOST_IMAGES = 4096
"""Small images of each camera that a checkpoint may keep."""
_TODO = "train again with `vla train`, or take a checkpoint that is whole"


@dataclass
class Known:
    """What is known beyond the card.

    Attributes:
        state: Training statistics of the state, None without a usable checkpoint.
        contract: What the checkpoint was trained for; None without one.
        findings: What is wrong with the checkpoint itself.
        images: Reference of each camera, (k, 32, 32, 3) [grey levels]; empty without ``--reference`` and where the checkpoint
            keeps none.
        reference: Where the images come from, in words.
    """

    state: Statistics | None = None
    contract: dict | None = None
    policy_hash: str = ""
    horizon: int | None = None
    checkpoint: str = ""
    findings: list[Finding] = field(default_factory=list)
    images: dict[str, np.ndarray] = field(default_factory=dict)
    reference: str = ""


def read_metadata(path: str | Path, policy_hash: str | None = None) -> dict[str, str]:
    """Metadata of a checkpoint, without its weights, as ``one_embodiment`` gives them.

    policy_hash: of the card; a checkpoint of several cards is read as the one of this card.
    Raises PreflightError for a file that is no checkpoint.
    """
    with _opened(path) as file:
        return one_embodiment(file.metadata() or {}, policy_hash)


def read_images(path: str | Path, policy_hash: str = "") -> dict[str, np.ndarray]:
    """Camera -> (k, 32, 32, 3) uint8 of the training with this card; empty where the checkpoint keeps none.

    Raises PreflightError.
    """
    with _opened(path) as file:
        places = {name: place_of(name, policy_hash) for name in file.keys()}
        images = {}
        for tensor, place in places.items():
            if place and place[:2] == (IMAGES, policy_hash):
                part = file.get_slice(tensor)
                shape = tuple(part.get_shape())
                if len(shape) != 4 or shape[1:] != (SIDE, SIDE, 3) or not 0 < shape[0] <= MOST_IMAGES or part.get_dtype() != "U8":
                    raise PreflightError(
                        f"{path}: images of {place[2]} are {shape} {part.get_dtype()}, allowed is (1 to {MOST_IMAGES}, {SIDE}, "
                        f"{SIDE}, 3) U8"
                    )
                images[place[2]] = file.get_tensor(tensor)
    return images


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """A checkpoint's file, as safetensors opens it. Raises PreflightError, also for what goes wrong while it is read."""
    try:
        check_tensors(path)
        with safe_open(str(path), framework="numpy") as file:
            yield file
    except PreflightError:
        raise
    except (SafetensorError, OSError, LayoutError, FileError) as problem:
        words = str(problem).removeprefix(f"{path}: ")
        raise PreflightError(f"{path}: not a checkpoint ({words}); `vla train` writes one") from None


def known_of_checkpoint(metadata: dict[str, str], path: str, card: InterfaceCard) -> Known:
    """What the metadata of a checkpoint says. Parts that are missing or unusable become findings, not exceptions."""
    return _known(metadata, path, card.state.fields, card.action.names)


def known_of_contract(metadata: dict[str, str], path: str) -> Known:
    """The same without a card: the contract alone says which columns there must be."""
    return _known(metadata, path, [], [])


def _known(metadata: dict[str, str], path: str, fields: list[str], names: list[str]) -> Known:
    known = Known(checkpoint=path, policy_hash=metadata.get("policy_hash", ""))
    known.contract = _mapping(metadata, "contract", known)
    model = _mapping(metadata, "model", known)
    if model is not None:
        known.horizon = model.get("horizon")
    # Columns are those of the contract; where that differs from the card, it is told once, as such.
    fields, names = _columns("state", "fields", fields, known), _columns("action", "names", names, known)
    state = _normaliser(_part(metadata, "state_normaliser", known), "state_normaliser", fields, known)
    known.state = state.stats if state else None
    codec = _part(metadata, "action_codec", known)
    if isinstance(codec, dict) and metadata.get("codec_name", CODEC_1) == CODEC_1:
        _normaliser(codec.get("normaliser"), "action_codec.normaliser", names, known)
    return known


def _mapping(metadata: dict[str, str], key: str, known: Known) -> dict | None:
    """A part that is one. Another one is a finding: `null` says as little as no part at all."""
    found = len(known.findings)
    part = _part(metadata, key, known)
    if not isinstance(part, dict) and len(known.findings) == found:
        known.findings.append(error(f"checkpoint.{key}", "statistics", kind_of(part), "a mapping", _TODO))
    return part if isinstance(part, dict) else None


def _columns(section: str, key: str, default: list[str], known: Known) -> list[str]:
    part = (known.contract or {}).get(section)
    names = part.get(key) if isinstance(part, dict) else None
    return names if isinstance(names, list) and names else default


def _part(metadata: dict[str, str], key: str, known: Known) -> dict | None:
    if key not in metadata:
        present = ", ".join(sorted(metadata)) or "nothing"
        known.findings.append(error(f"checkpoint.{key}", "statistics", f"missing; the file has {present}", key, _TODO))
        return None
    try:
        return parse_json(metadata[key])
    except JsonError as problem:
        known.findings.append(error(f"checkpoint.{key}", "statistics", str(problem), "JSON", _TODO))
        return None


def _normaliser(data: object, where: str, names: list[str], known: Known) -> Normaliser | None:
    if not isinstance(data, dict):
        if where not in metadata_keys(known.findings):
            known.findings.append(error(f"checkpoint.{where}", "statistics", "missing", "a normaliser", _TODO))
        return None
    try:
        normaliser = Normaliser.from_dict(data)
    except (NormalisationError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as problem:
        known.findings.append(
            error(f"checkpoint.{where}.statistics", "statistics", str(problem),
                  "mean, std, min, max, q01 and q99 of every column", _TODO)
        )  # fmt: skip
        return None
    missing = [name for name in names if name not in normaliser.names]
    extra = [name for name in normaliser.names if name not in names]
    if missing or extra:
        parts = [f"{len(normaliser.names)} columns"]
        parts += [f"none for {', '.join(missing)}"] * bool(missing) + [f"unexpected {', '.join(extra)}"] * bool(extra)
        known.findings.append(
            error(f"checkpoint.{where}.statistics", "statistics", "; ".join(parts),
                  f"{len(names)}: {', '.join(names)}",
                  "take the card that the checkpoint was trained with, or train again")
        )  # fmt: skip
        return None
    return normaliser


def metadata_keys(findings: list[Finding]) -> set[str]:
    """Parts of the checkpoint that a finding names already."""
    return {finding.field.removeprefix("checkpoint.") for finding in findings}
