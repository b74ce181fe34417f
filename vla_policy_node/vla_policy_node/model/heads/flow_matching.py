"""Rectified flow (as in pi-zero): noise is carried to a chunk along straight lines. Represents several ways to act.

The network predicts the clean chunk and the velocity follows from it, (clean - x_t) / (1 - t): for chunks that are nearly
determined by the observation this is as exact as regression. Several noises are drawn per observation in training, because the
context is what costs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vla_policy_node.model.heads.base import ActionHead, ResidualMlp


class FlowMatchingHead(ActionHead):
    """t runs from 0 (noise) to 1 (action), in ``steps`` Euler steps."""

    def __init__(
        self,
        context_dim: int,
        horizon: int,
        action_dim: int,
        hidden: int = 384,
        layers: int = 3,
        steps: int = 8,
        draws: int = 8,
        time_dim: int = 64,
    ) -> None:
        super().__init__(context_dim, horizon, action_dim)
        self.steps, self.draws = steps, draws
        self.into = nn.Linear(horizon * action_dim, hidden)
        condition_dim = 256
        self.context = nn.Linear(context_dim, condition_dim)
        self.time = nn.Linear(time_dim, condition_dim)
        self.layers = nn.ModuleList(ResidualMlp(hidden, 2 * hidden, condition_dim) for _ in range(layers))
        self.skip = nn.Linear(condition_dim, hidden)
        self.out = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, horizon * action_dim))
        rates = torch.exp(torch.linspace(0.0, math.log(1000.0), time_dim // 2))
        self.register_buffer("rates", rates, persistent=False)

    def _clean(self, noisy: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """noisy: (..., H, D); time: (...); context: (..., condition_dim) already projected. Returns (..., H, D)."""
        phase = time[..., None] * self.rates
        embedded = self.time(torch.cat([phase.sin(), phase.cos()], dim=-1))
        condition = nn.functional.silu(context + embedded)
        x = self.into(noisy.flatten(-2)) + self.skip(condition)
        for layer in self.layers:
            x = layer(x, condition)
        return self.out(x).unflatten(-1, (self.horizon, self.action_dim))

    def loss(self, context: Tensor, actions: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See ActionHead. Squared velocity error, its weight bounded near t = 1."""
        batch, draws = context.shape[0], self.draws
        clean = actions.repeat_interleave(draws, dim=0)
        noise = torch.randn(clean.shape, generator=generator)
        # Stratified, and more of the early times, where the decision between ways to act is taken.
        time = (torch.arange(draws).repeat(batch) + torch.rand(batch * draws, generator=generator)) / draws
        time = time.pow(1.3)
        mixed = torch.lerp(noise, clean, time[:, None, None])
        projected = self.context(context).repeat_interleave(draws, dim=0)
        error = (self._clean(mixed, time, projected) - clean).square()
        weight = 1.0 / (1.0 - time).clamp(min=0.2).square()
        return self._mean(error * weight[:, None, None], mask.repeat_interleave(draws, dim=0)) * 0.2

    def sample(self, context: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """See ActionHead. The last step lands on the predicted chunk itself."""
        x = torch.randn(context.shape[0], self.horizon, self.action_dim, generator=generator)
        projected = self.context(context)
        for i in range(self.steps):
            time = torch.full((context.shape[0],), i / self.steps)
            x = torch.lerp(x, self._clean(x, time, projected), 1.0 / (self.steps - i))
        return x
