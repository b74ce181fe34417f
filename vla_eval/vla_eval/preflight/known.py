"""What a sample is judged by, besides the card: the checkpoint's statistics and a reference of pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from vla_contract.card import InterfaceCard
from vla_contract.normalisation import NormalisationError, Normaliser, Statistics
from vla_eval.preflight.finding import Finding, PreflightError, error
from vla_policy_node.pictures import PREFIX, SIDE

_TODO = "train again with `vla train`, or take a checkpoint that is whole"


@dataclass
class Known:
    """What is known beyond the card.

    Attributes:
        state: Training statistics of the state, None without a usable checkpoint.
        contract: What the checkpoint was trained for; None without one.
        findings: What is wrong with the checkpoint itself.
        pictures: Reference of each camera, (k, 32, 32, 3) [grey levels]; empty without ``--reference`` and where the checkpoint
            keeps none.
        reference: Where the pictures come from, in words.
    """

    state: Statistics | None = None
    contract: dict | None = None
    policy_hash: str = ""
    horizon: int | None = None
    checkpoint: str = ""
    findings: list[Finding] = field(default_factory=list)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    reference: str = ""


def read_metadata(path: str | Path) -> dict[str, str]:
    """Metadata of a checkpoint, without its weights. Raises PreflightError for a file that is no checkpoint."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as problem:
        raise PreflightError(f"{path}: not a checkpoint ({problem}); `vla train` writes one") from None


def read_pictures(path: str | Path) -> dict[str, np.ndarray]:
    """Camera -> (k, 32, 32, 3) uint8 of the training; empty for a checkpoint that keeps none. Raises PreflightError."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            pictures = {name[len(PREFIX) :]: file.get_tensor(name) for name in file.keys() if name.startswith(PREFIX)}
    except (SafetensorError, OSError) as problem:
        raise PreflightError(f"{path}: not a checkpoint ({problem}); `vla train` writes one") from None
    for name, kept in pictures.items():
        if kept.ndim != 4 or kept.shape[1:] != (SIDE, SIDE, 3) or not len(kept):
            raise PreflightError(f"{path}: {PREFIX}{name} is {kept.shape}, allowed is (pictures, {SIDE}, {SIDE}, 3)")
    return pictures


def known_of_checkpoint(metadata: dict[str, str], path: str, card: InterfaceCard) -> Known:
    """What the metadata of a checkpoint says. Parts that are missing or unusable become findings, not exceptions."""
    return _known(metadata, path, card.state.fields, card.action.names)


def known_of_contract(metadata: dict[str, str], path: str) -> Known:
    """The same without a card: the contract alone says which columns there must be."""
    return _known(metadata, path, [], [])


def _known(metadata: dict[str, str], path: str, fields: list[str], names: list[str]) -> Known:
    known = Known(checkpoint=path, policy_hash=metadata.get("policy_hash", ""))
    contract = _part(metadata, "contract", known)
    if isinstance(contract, dict):
        known.contract = contract
    model = _part(metadata, "model", known)
    if isinstance(model, dict):
        known.horizon = model.get("horizon")
    # Columns are those of the contract; where that differs from the card, it is told once, as such.
    fields, names = _columns("state", "fields", fields, known), _columns("action", "names", names, known)
    state = _normaliser(_part(metadata, "state_normaliser", known), "state_normaliser", fields, known)
    known.state = state.stats if state else None
    codec = _part(metadata, "action_codec", known)
    if isinstance(codec, dict):
        _normaliser(codec.get("normaliser"), "action_codec.normaliser", names, known)
    return known


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
        return json.loads(metadata[key])
    except ValueError as problem:
        known.findings.append(error(f"checkpoint.{key}", "statistics", f"not JSON ({problem})", "JSON", _TODO))
        return None


def _normaliser(data: object, where: str, names: list[str], known: Known) -> Normaliser | None:
    if not isinstance(data, dict):
        if where not in metadata_keys(known.findings):
            known.findings.append(error(f"checkpoint.{where}", "statistics", "missing", "a normaliser", _TODO))
        return None
    try:
        normaliser = Normaliser.from_dict(data)
    except (NormalisationError, ValueError, TypeError) as problem:
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
