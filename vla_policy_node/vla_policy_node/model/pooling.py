"""From a feature map to a few tokens, without losing where things are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vla_policy_node.model.vision import coordinates


class LanguageQueries(nn.Module):
    """Learned queries read the instruction, and become the vectors that are looked for in the images."""

    def __init__(self, queries: int, width: int, channels: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(0.02 * torch.randn(queries, width))
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, channels))

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        """words: (B, L, width); mask: (B, L), True for a word. Returns (B, K, channels)."""
        batch = words.shape[0]
        query = self.queries.expand(batch, -1, -1)
        read = F.scaled_dot_product_attention(query, self.key(words), self.value(words), attn_mask=mask[:, None, :])
        return self.out(query + read)


class SpatialPooling(nn.Module):
    """For each query: the feature it attends to, where that is (expected x, y) and how spread out. Plus a coarse grid."""

    def __init__(self, queries: int, width: int, channels: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.queries = LanguageQueries(queries, width, channels + 4)
        self.point_norm = nn.LayerNorm(channels)
        self.point_token = nn.Linear(channels + 4, width)
        self.grid_token = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))
        self.point_position = nn.Parameter(0.02 * torch.randn(queries, width))
        self.grid_position = nn.Parameter(0.02 * torch.randn(grid * grid, width))
        xy = coordinates(28, 28).flatten(1)
        self.register_buffer("where", torch.cat([xy, xy.square()]), persistent=False)

    def forward(self, features: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, 28, 28, C); words: (B, L, width); mask: (B, L).

        Returns tokens (B, K + grid * grid, width) and attention (B, K, 784).
        """
        batch, height, width, channels = features.shape
        flat = features.reshape(batch, height * width, channels)
        look_for, look_at = self.queries(words, mask).split([channels, 4], dim=-1)
        attention = (look_for @ flat.transpose(1, 2) + look_at @ self.where).softmax(dim=-1)
        seen = self.point_norm(attention @ flat)
        where = attention @ self.where.T
        spread = (where[..., 2:] - where[..., :2].square()).clamp(min=1e-6).sqrt()
        points = self.point_token(torch.cat([seen, where[..., :2], spread], dim=-1)) + self.point_position
        side = height // self.grid
        coarse = features.reshape(batch, self.grid, side, self.grid, side, channels).mean(dim=(2, 4))
        cells = self.grid_token(coarse.reshape(batch, -1, channels)) + self.grid_position
        return torch.cat([points, cells], dim=1), attention
