"""A training run on disk, to go on with later. Tensors and JSON, nothing that is executed."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vla_policy_node.model.vla import VlaModel


def keep_state(
    path: Path, model: VlaModel, averaged: VlaModel, optimiser, step: int, spent: float, history: list
) -> None:
    """Writes everything that ``restore_state`` needs, whole or not at all."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"averaged.{k}": v for k, v in averaged.state_dict().items()}
    for name, parameter in model.named_parameters():
        for part in ("exp_avg", "exp_avg_sq"):
            if parameter in optimiser.state:
                tensors[f"{part}.{name}"] = optimiser.state[parameter][part]
    partial = path.with_suffix(".partial")
    save_file(
        {k: v.contiguous().clone() for k, v in tensors.items()},
        partial,
        {"step": str(step), "spent": str(spent), "history": json.dumps(history)},
    )
    partial.replace(path)


def restore_state(path: Path, model: VlaModel, averaged: VlaModel, optimiser) -> tuple[int, float, list]:
    """Fills model, average and optimiser. Returns the step, the seconds spent, and the rows of the log."""
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    for prefix, target in (("model.", model), ("averaged.", averaged)):
        kept = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
        target.load_state_dict(target.state_dict() | kept)  # parts that are new since then start fresh
    step = int(metadata["step"])
    for name, parameter in model.named_parameters():
        if f"exp_avg.{name}" in tensors:
            optimiser.state[parameter] = {
                "step": torch.tensor(float(step)),
                "exp_avg": tensors[f"exp_avg.{name}"].clone(memory_format=torch.preserve_format),
                "exp_avg_sq": tensors[f"exp_avg_sq.{name}"].clone(memory_format=torch.preserve_format),
            }
    return step, float(metadata["spent"]), json.loads(metadata["history"])
