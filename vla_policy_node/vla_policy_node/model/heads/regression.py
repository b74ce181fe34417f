"""Direct regression of the chunk (as in ACT and OpenVLA-OFT): the fastest, and exact where demonstrations agree."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vla_policy_node.model.heads.base import ActionHead, ResidualMlp


class RegressionHead(ActionHead):
    """Smooth L1: absolute error beyond ``beta`` (in normalised units), squared below."""

    def __init__(
        self, context_dim: int, horizon: int, action_dim: int, hidden: int = 384, layers: int = 2, beta: float = 0.1
    ) -> None:
        super().__init__(context_dim, horizon, action_dim)
        self.beta = beta
        self.into = nn.Linear(context_dim, hidden)
        self.layers = nn.ModuleList(ResidualMlp(hidden, 2 * hidden) for _ in range(layers))
        self.out = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, horizon * action_dim))

    def sample(self, context: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See ActionHead. Draws nothing."""
        x = self.into(context)
        for layer in self.layers:
            x = layer(x)
        return self.out(x).unflatten(-1, (self.horizon, self.action_dim))

    def loss(self, context: Tensor, actions: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See ActionHead."""
        error = nn.functional.smooth_l1_loss(self.sample(context), actions, beta=self.beta, reduction="none")
        return self._mean(error, mask)
