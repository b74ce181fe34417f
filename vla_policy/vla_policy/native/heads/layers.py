"""Layers that heads are built of."""

from __future__ import annotations

from torch import Tensor, nn


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
