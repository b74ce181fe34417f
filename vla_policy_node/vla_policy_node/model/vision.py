"""Vision encoder: one for each camera, with its own weights. Small enough for two CPU cores, independent of the batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4
"""Input pixels per cell of the feature map: 112 becomes 28."""


def coordinates(height: int, width: int) -> Tensor:
    """x to the right and y down, each -1 to 1 at the centres of the outer cells. Shape (2, height, width)."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return torch.stack([x, y])


class ModulatedBlock(nn.Module):
    """Residual block whose hidden channels are scaled and shifted by the instruction (FiLM)."""

    def __init__(self, channels: int, bottleneck: int, language_dim: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, bottleneck, 3, padding=1)
        self.mix = nn.Conv2d(bottleneck, channels, 1)
        self.film = nn.Linear(language_dim, 2 * bottleneck)
        nn.init.normal_(self.film.weight, std=0.1 / language_dim**0.5)
        nn.init.zeros_(self.film.bias)
        nn.init.normal_(self.mix.weight, std=0.5 / bottleneck**0.5)
        nn.init.zeros_(self.mix.bias)

    def forward(self, features: Tensor, sentence: Tensor) -> Tensor:
        """features: (B, C, h, w); sentence: (B, L). Returns (B, C, h, w)."""
        scale, shift = self.film(sentence)[:, :, None, None].chunk(2, dim=1)
        hidden = torch.addcmul(shift, self.spatial(features), 1.0 + scale)
        return features + self.mix(F.relu(hidden, inplace=True))


class VisionEncoder(nn.Module):
    """(B, 3, 112, 112) in [-1, 1] to features (B, 28, 28, C). No normalisation here: memory traffic is what costs on a CPU,
    and the pooling normalises the few features that it keeps."""

    def __init__(self, channels: int, bottleneck: int, blocks: int, language_dim: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 2 * STRIDE, stride=STRIDE, padding=STRIDE // 2)
        self.blocks = nn.ModuleList(ModulatedBlock(channels, bottleneck, language_dim) for _ in range(blocks))

    def forward(self, image: Tensor, sentence: Tensor) -> Tensor:
        """image: (B, 3, 112, 112); sentence: (B, L) pooled instruction. Returns (B, 28, 28, C)."""
        features = F.relu(self.stem(image), inplace=True)
        for block in self.blocks:
            features = block(features, sentence)
        return features.permute(0, 2, 3, 1)
