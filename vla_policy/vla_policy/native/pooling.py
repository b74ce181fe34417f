"""From a grid of visual tokens to a few tokens, without losing where things are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def coordinates(height: int, width: int) -> Tensor:
    """x to the right and y down, each -1 to 1 at the centres of the outer cells. Shape (2, height, width)."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return torch.stack([x, y])


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

    def __init__(self, queries: int, width: int, channels: int, grid: int, seen: tuple[int, int]) -> None:
        """seen: rows and columns of the tokens that are pooled; grid: side of the coarse grid."""
        super().__init__()
        self.grid = grid
        self.queries = LanguageQueries(queries, width, channels + 4)
        self.point_norm = nn.LayerNorm(channels)
        self.point_token = nn.Linear(channels + 4, width)
        self.grid_token = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))
        self.point_position = nn.Parameter(0.02 * torch.randn(queries, width))
        self.grid_position = nn.Parameter(0.02 * torch.randn(grid * grid, width))
        xy = coordinates(*seen).flatten(1)
        self.register_buffer("where", torch.cat([xy, xy.square()]), persistent=False)

    def forward(self, features: Tensor, seen: tuple[int, int], words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, h * w, C), of a grid ``seen``; words: (B, L, width); mask: (B, L).

        Returns tokens (B, K + grid * grid, width) and attention (B, K, h * w), float32. Positions are taken in float32, whatever
        the features are: a cell is more than bfloat16 can tell.
        """
        channels = features.shape[-1]
        look_for, look_at = self.queries(words, mask).split([channels, 4], dim=-1)
        flat = features.view_as(features)  # both gradients of it are added up before that of the coarse grid
        scores = (look_for @ flat.transpose(1, 2)).float() + look_at.float() @ self.where
        attention = scores.softmax(dim=-1)
        found = self.point_norm(attention.to(flat.dtype) @ flat)
        where = attention @ self.where.T
        spread = (where[..., 2:] - where[..., :2].square()).clamp(min=1e-6).sqrt()
        place = torch.cat([where[..., :2], spread], dim=-1).to(found.dtype)
        points = self.point_token(torch.cat([found, place], dim=-1)) + self.point_position
        cells = self.grid_token(self._coarse(features, seen)) + self.grid_position
        return torch.cat([points, cells], dim=1), attention

    def _coarse(self, features: Tensor, seen: tuple[int, int]) -> Tensor:
        """Means of the areas of the coarse grid. Shape (B, grid * grid, C)."""
        batch, _, channels = features.shape
        rows, columns = seen
        if rows % self.grid or columns % self.grid:
            image = features.transpose(1, 2).unflatten(2, seen)
            return F.adaptive_avg_pool2d(image, self.grid).flatten(2).transpose(1, 2)
        areas = features.reshape(batch, self.grid, rows // self.grid, self.grid, columns // self.grid, channels)
        return areas.mean(dim=(2, 4)).reshape(batch, -1, channels)
