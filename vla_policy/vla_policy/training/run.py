"""A training under way: what changes from step to step, kept on disk so that one that was interrupted goes on."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vla_contract.files import fresh
from vla_contract.files.tensors import check_tensors
from vla_policy.native.trainable import stored_weights, trainable
from vla_policy.training.config import TrainConfig


@dataclass
class Run:
    """Model, running average, optimiser; steps taken, seconds spent, and the rows of the log."""

    model: nn.Module
    config: TrainConfig
    step: int = 0
    spent: float = 0.0
    history: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        everything = dict(self.model.named_parameters())
        self.parameters = trainable(self.model)
        frozen = {id(p): p for name, p in everything.items() if name not in self.parameters}
        self.averaged = copy.deepcopy(self.model, frozen).requires_grad_(False)  # frozen ones are there once
        own = dict(self.averaged.named_parameters())
        self._averages = [own[name] for name in self.parameters]
        decayed = [p for p in self.parameters.values() if p.ndim >= 2]
        others = [p for p in self.parameters.values() if p.ndim < 2]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": self.config.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=self.config.learning_rate, betas=(0.9, 0.98), fused=True,
        )  # fmt: skip

    @property
    def used(self) -> float:
        """Share of the budget."""
        return self.config.share_used(self.step, self.spent)

    def advance(self) -> None:
        """One step of the optimiser along the gradients of the parameters, and of the average."""
        rate = self.config.rate(self.step, self.used)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.config.clip)
        self.optimiser.step()
        self.step += 1
        decay = min(self.config.average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self._averages, [p.detach() for p in self.parameters.values()], 1 - decay)

    @property
    def rate(self) -> float:
        """Of the last step."""
        return self.optimiser.param_groups[0]["lr"]

    def weights(self) -> dict[str, Tensor]:
        """What a checkpoint has to hold: the average, without what came frozen with a pretrained encoder."""
        self._copy_buffers()
        return {name: value.cpu() for name, value in stored_weights(self.model, self.averaged.state_dict()).items()}

    def _copy_buffers(self) -> None:
        for average, buffer in zip(self.averaged.buffers(), self.model.buffers(), strict=True):
            average.copy_(buffer)

    def keep(self, path: Path) -> None:
        """Writes everything that ``restore`` needs, whole or not at all. Tensors and JSON, nothing that is executed."""
        self._copy_buffers()
        tensors = {f"model.{k}": v for k, v in stored_weights(self.model).items()}
        tensors |= {f"averaged.{k}": v for k, v in stored_weights(self.model, self.averaged.state_dict()).items()}
        for name, parameter in self.parameters.items():
            for part, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"{part}.{name}"] = value
        with fresh(path) as draft:
            save_file(
                {k: v.cpu().contiguous().clone() for k, v in tensors.items()},
                draft,
                {"step": str(self.step), "spent": str(self.spent), "history": json.dumps(self.history)},
            )

    def restore(self, path: Path) -> None:
        """Goes on where ``keep`` was called. Parts of the model that are new since then start fresh. Raises FileError."""
        check_tensors(path)
        tensors = load_file(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        for prefix, target in (("model.", self.model), ("averaged.", self.averaged)):
            kept = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
            target.load_state_dict(target.state_dict() | kept)
        self.step, self.spent = int(metadata["step"]), float(metadata["spent"])
        self.history = json.loads(metadata["history"])
        for name, parameter in self.parameters.items():
            if f"exp_avg.{name}" in tensors:
                moments = {part: tensors[f"{part}.{name}"].to(parameter.device) for part in ("exp_avg", "exp_avg_sq")}
                taken = tensors.get(f"step.{name}", torch.tensor(float(self.step)))  # older files: one for all
                self.optimiser.state[parameter] = {"step": taken.to(parameter.device), **moments}
