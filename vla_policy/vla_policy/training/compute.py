"""Where a training computes, and in which numbers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vla_policy.native.device import find_device, find_dtype, finish


@dataclass(frozen=True)
class Compute:
    """Weights, optimiser and losses stay in float32; with bfloat16 the model's products are taken in that."""

    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32
    compiled: bool = False
    """The model goes through torch.compile, which takes minutes at first."""

    @classmethod
    def of(cls, device: str = "cpu", dtype: str = "float32", compiled: bool = False) -> Compute:
        """By the names that users give. Raises DeviceError naming what this machine has."""
        return cls(find_device(device), find_dtype(dtype), compiled)

    def autocast(self) -> AbstractContextManager:
        """Around a forward pass."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def move(self, batch: dict) -> dict:
        """A batch to the device."""
        return {
            name: self.move(value) if isinstance(value, dict) else self._moved(value) for name, value in batch.items()
        }

    def _moved(self, value: Tensor) -> Tensor:
        return value if self.device.type == "cpu" else value.to(self.device, non_blocking=True)

    def compile(self, model: nn.Module) -> nn.Module:
        """What to call in place of the model."""
        return torch.compile(model) if self.compiled else model

    def finish(self) -> None:
        """Waits for the device: clocks may stop only then."""
        finish(self.device)
