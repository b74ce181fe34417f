"""Rectified flow (as in pi-zero): noise is carried to a chunk along straight lines. Represents several ways to act.

The network predicts the clean chunk and the velocity follows from it, (clean - x_t) / (1 - t): for chunks that are nearly
determined by the observation this is as exact as regression. Several noises are drawn per observation in training, because the
context is what costs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vla_policy.native.heads.base import FREE, ActionHead, HeadAsk, HeadBatch, HeadSizes
from vla_policy.native.heads.layers import ResidualMlp
from vla_policy.native.memory import Memory


class FlowMatchingHead(ActionHead):
    """t runs from 0 (noise) to 1 (action), in ``steps`` Euler steps."""

    def __init__(
        self,
        sizes: HeadSizes,
        hidden: int = 384,
        layers: int = 3,
        steps: int = 8,
        draws: int = 8,
        time_dim: int = 64,
    ) -> None:
        super().__init__(sizes)
        horizon, action_dim = sizes.horizon, sizes.action_dim
        self.steps, self.draws = steps, draws
        self.into = nn.Linear(horizon * action_dim, hidden)
        condition_dim = 256
        self.context = nn.Linear(sizes.flat, condition_dim)
        self.time = nn.Linear(time_dim, condition_dim)
        self.layers = nn.ModuleList(ResidualMlp(hidden, 2 * hidden, condition_dim) for _ in range(layers))
        self.skip = nn.Linear(condition_dim, hidden)
        self.out = nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, horizon * action_dim))
        rates = torch.exp(torch.linspace(0.0, math.log(1000.0), time_dim // 2))
        self.register_buffer("rates", rates, persistent=False)

    def _clean(self, noisy: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """noisy: (..., H, D) float32; time: (...); context: (..., condition_dim) already projected. Returns (..., H, D)."""
        phase = time[..., None] * self.rates
        embedded = self.time(torch.cat([phase.sin(), phase.cos()], dim=-1).to(context.dtype))
        condition = nn.functional.silu(context + embedded)
        x = self.into(noisy.flatten(-2).to(context.dtype)) + self.skip(condition)
        for layer in self.layers:
            x = layer(x, condition)
        return self.out(x).unflatten(-1, (self.sizes.horizon, self.sizes.action_dim)).float()

    def loss(self, memory: Memory, batch: HeadBatch) -> Tensor:
        """See ActionHead. Squared velocity error, its weight bounded near t = 1."""
        rows, draws, device = len(batch.actions), self.draws, batch.actions.device
        clean = batch.actions.repeat_interleave(draws, dim=0)
        noise = self.noise(clean.shape, clean)
        # Stratified, and more of the early times, where the decision between ways to act is taken.
        time = (torch.arange(draws).repeat(rows) + torch.rand(rows * draws)) / draws
        time = time.pow(1.3).to(device)
        mixed = torch.lerp(noise, clean, time[:, None, None])
        projected = self.context(memory.flat()).repeat_interleave(draws, dim=0)
        error = (self._clean(mixed, time, projected) - clean).square()
        weight = 1.0 / (1.0 - time).clamp(min=0.2).square()
        return self.mean(error * weight[:, None, None], batch.repeated(draws)) * 0.2

    def sample(self, memory: Memory, ask: HeadAsk = FREE, generator: torch.Generator | None = None) -> Tensor:
        """See ActionHead. The last step lands on the predicted chunk itself. Takes no notice of what is committed."""
        rows = len(memory.readout)
        x = self.noise((rows, self.sizes.horizon, self.sizes.action_dim), memory.readout, generator)
        projected = self.context(memory.flat())
        for i in range(self.steps):
            time = torch.full((rows,), i / self.steps, device=x.device)
            x = torch.lerp(x, self._clean(x, time, projected), 1.0 / (self.steps - i))
        return x
