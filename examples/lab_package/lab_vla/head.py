"""An action head: what becomes of the backbone's memory. Trained by `vla train --head mine --head-option power=1.5`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vla_policy.native.heads.base import FREE, ActionHead, HeadAsk, HeadBatch, HeadSizes
from vla_policy.native.memory import Memory


class LinearHead(ActionHead):
    """The whole chunk from the readout in one product. Attend to ``memory.tokens`` for more."""

    codec = "normalised"  # what it learns in: numbers around -1 to 1. A codec of your own is an entry point, too (vla.codecs).

    def __init__(self, sizes: HeadSizes, power: float = 1.0) -> None:
        """power: of the error. Arguments with a default are the options of the command line."""
        super().__init__(sizes)
        self.power = power
        self.out = nn.Linear(sizes.flat, sizes.horizon * sizes.action_dim)

    def loss(self, memory: Memory, batch: HeadBatch) -> Tensor:
        """``self.mean`` weighs the steps, and leaves out columns that a robot of the training does not have."""
        return self.mean((self.sample(memory) - batch.actions).abs() ** self.power, batch)

    def sample(self, memory: Memory, ask: HeadAsk = FREE, generator: torch.Generator | None = None) -> Tensor:
        """Chunks (B, H, D). A head that draws numbers takes them from ``generator``."""
        return self.out(memory.flat()).unflatten(-1, (self.sizes.horizon, self.sizes.action_dim))
