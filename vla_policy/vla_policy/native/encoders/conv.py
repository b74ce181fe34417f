"""`conv`, our own vision encoder: small enough for two CPU cores, independent of the batch. One for each camera."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vla_policy.errors import EncoderError
from vla_policy.native.config import ModelConfig
from vla_policy.native.encoders.vision import SENTENCE, VisionEncoder
from vla_policy.native.preprocess import MODEL_SIZE

STRIDE = 4
"""Input pixels per cell of the feature map."""


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


class ConvEncoder(VisionEncoder):
    """28 x 28 tokens. No normalisation here: memory traffic is what costs on a CPU, and the pooling normalises the few features
    that it keeps."""

    def __init__(self, channels: int, bottleneck: int, blocks: int, language_dim: int) -> None:
        super().__init__()
        self.width, self.grid = channels, (MODEL_SIZE // STRIDE, MODEL_SIZE // STRIDE)
        self.stem = nn.Conv2d(3, channels, 2 * STRIDE, stride=STRIDE, padding=STRIDE // 2)
        self.blocks = nn.ModuleList(ModulatedBlock(channels, bottleneck, language_dim) for _ in range(blocks))

    @classmethod
    def build(cls, argument: str, config: ModelConfig) -> ConvEncoder:
        """See VisionEncoder. Its sizes are in the model's configuration; it has no argument."""
        if argument:
            raise EncoderError(f"vision encoder 'conv:{argument}': conv takes no argument")
        return cls(config.channels, config.bottleneck, config.blocks, SENTENCE)

    def forward(self, image: Tensor, sentence: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """See VisionEncoder."""
        features = F.relu(self.stem(image), inplace=True)
        for block in self.blocks:
            features = block(features, sentence)
        return features.permute(0, 2, 3, 1).flatten(1, 2), self.grid
