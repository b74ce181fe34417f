"""What an action head is. Actions here are normalised, with grippers in [-1, 1]."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class ActionHead(nn.Module, ABC):
    """Turns the context vector of an observation into a chunk of actions (horizon, action_dim)."""

    step_decay = 0.95
    """A step counts this much less than the one before it: later ones are mostly replaced by the next chunk."""

    def __init__(self, context_dim: int, horizon: int, action_dim: int) -> None:
        super().__init__()
        self.context_dim, self.horizon, self.action_dim = context_dim, horizon, action_dim
        weight = self.step_decay ** torch.arange(horizon, dtype=torch.float32)
        self.register_buffer("step_weight", (weight / weight.mean())[:, None], persistent=False)

    @abstractmethod
    def loss(self, context: Tensor, actions: Tensor, mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """context: (B, context_dim); actions: (B, H, D); mask: (B, H), True for a step to learn. Returns a scalar."""

    @abstractmethod
    def sample(self, context: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """context: (B, context_dim). Returns (B, H, D); the same generator state gives the same chunk."""

    def _mean(self, error: Tensor, mask: Tensor) -> Tensor:
        """Mean of (B, H, D) over the steps in mask, early steps weighing more."""
        weight = self.step_weight * mask[:, :, None]
        return (error * weight).sum() / (weight.sum() * self.action_dim).clamp(min=1e-6)


class ResidualMlp(nn.Module):
    """Pre-norm residual layer, with scale and shift from a condition where there is one."""

    def __init__(self, width: int, hidden: int, condition_dim: int = 0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.condition = nn.Linear(condition_dim, 2 * width) if condition_dim else None
        if self.condition is not None:
            nn.init.zeros_(self.condition.weight)
            nn.init.zeros_(self.condition.bias)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """x: (..., width); condition: (..., condition_dim)."""
        normed = self.norm(x)
        if self.condition is not None:
            scale, shift = self.condition(condition).chunk(2, dim=-1)
            normed = normed * (1 + scale) + shift
        return x + self.down(nn.functional.gelu(self.up(normed)))
