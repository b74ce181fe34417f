"""Direct regression of the chunk (as in ACT and OpenVLA-OFT): the fastest, and exact where demonstrations agree."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vla_policy.native.heads.base import FREE, ActionHead, HeadAsk, HeadBatch, HeadSizes
from vla_policy.native.heads.layers import ResidualMlp
from vla_policy.native.memory import Memory


class RegressionHead(ActionHead):
    """Smooth L1: absolute error beyond ``beta`` (in normalised units), squared below."""

    def __init__(self, sizes: HeadSizes, hidden: int = 384, layers: int = 2, beta: float = 0.1) -> None:
        super().__init__(sizes)
        self.beta = beta
        self.into = nn.Linear(sizes.flat, hidden)
        self.layers = nn.ModuleList(ResidualMlp(hidden, 2 * hidden) for _ in range(layers))
        self.out = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, sizes.horizon * sizes.action_dim))

    def sample(self, memory: Memory, ask: HeadAsk = FREE, generator: torch.Generator | None = None) -> Tensor:
        """See ActionHead. Draws nothing, and takes no notice of what is committed."""
        x = self.into(memory.flat())
        for layer in self.layers:
            x = layer(x)
        return self.out(x).unflatten(-1, (self.sizes.horizon, self.sizes.action_dim))

    def loss(self, memory: Memory, batch: HeadBatch) -> Tensor:
        """See ActionHead."""
        error = nn.functional.smooth_l1_loss(self.sample(memory), batch.actions, beta=self.beta, reduction="none")
        return self.mean(error, batch)
