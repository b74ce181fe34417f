"""How far a model is from demonstrations that it has not learned from."""

from __future__ import annotations

import math

import numpy as np
import torch

from vla_policy.native.embodiment import Embodiment
from vla_policy.native.vla import VlaModel
from vla_policy.training.batches import Batches
from vla_policy.training.compute import Compute
from vla_policy.training.mixture import Draw, Mixture

AT_ONCE = 128
"""Frames."""


@torch.inference_mode()
def validate(
    model: VlaModel, batches: Batches, mixture: Mixture, embodiments: list[Embodiment], compute: Compute
) -> dict:
    """Loss, and mean absolute error of each column in its own unit: of the first four steps, and of all.

    Of several embodiments each has its own columns in the result; a column's name comes after the card's then.
    """
    model.eval()
    loss, first, every = 0.0, {}, {}
    for number, (part, embodiment) in enumerate(zip(mixture.parts, embodiments, strict=True)):
        before = f"{embodiment.card_name}." if len(embodiments) > 1 else ""
        own_loss, error = _errors(model, batches, number, part.held, embodiment, compute)
        loss += own_loss
        names = [before + name for name in embodiment.action_names]
        first |= dict(zip(names, error[:, :4].mean(axis=(0, 1)).tolist()))
        every |= dict(zip(names, error.mean(axis=(0, 1)).tolist()))
    model.train()
    return {"loss": loss / sum(len(part.held) for part in mixture.parts), "first": first, "all": every}


def _errors(
    model: VlaModel, batches: Batches, number: int, rows: np.ndarray, embodiment: Embodiment, compute: Compute
) -> tuple[float, np.ndarray]:
    """Sum of the losses, and errors (N, H, D) in the card's units."""
    loss, errors = 0.0, []
    for i in range(0, len(rows), AT_ONCE):
        part = rows[i : i + AT_ONCE]
        batch = compute.move(batches.take(Draw(number, part)))
        torch.manual_seed(0)
        with compute.autocast():
            loss += float(model(**batch)) * len(part)
            generator = torch.Generator().manual_seed(0)
            given = model.act(batch["images"], batch["state"], batch["words"], batch["mask"], generator)
        wanted = batch["actions"]
        errors.append(np.abs(embodiment.decode(given.cpu().numpy()) - embodiment.decode(wanted.cpu().numpy())))
    return loss, np.concatenate(errors)


def describe(errors: dict[str, float]) -> str:
    """Mean errors in words: position [mm], angles [deg], grippers [%] wrong."""
    groups: dict[str, list[float]] = {}
    for name, value in errors.items():
        kind = name.rsplit(".", 1)[-1]
        if kind in ("x", "y", "z"):
            groups.setdefault("mm", []).append(1e3 * value)
        elif kind == "gripper":
            groups.setdefault("% gripper", []).append(1e2 * value)
        else:
            groups.setdefault("deg", []).append(math.degrees(value))
    return " ".join(f"{np.mean(values):.2f} {unit}" for unit, values in groups.items())
