"""What a vision encoder is."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from vla_policy.native.config import ModelConfig

SENTENCE = 128
"""Width of the pooled instruction that encoders may modulate their features by."""


class VisionEncoder(nn.Module, ABC):
    """Registered as an entry point of `vla.encoders`; named in a model's configuration as NAME or NAME:ARGUMENT."""

    width: int
    """Of a token."""
    grid: tuple[int, int]
    """Rows and columns that the tokens form in the image."""
    shared = False
    """One encoder sees all cameras; else each has its own weights."""
    pretrained = False
    """Its frozen weights come from where ``build`` found them: a checkpoint holds only what has been trained since."""

    @classmethod
    @abstractmethod
    def build(cls, argument: str, config: ModelConfig) -> VisionEncoder:
        """From what follows the colon of the specification, empty where there is none. Raises EncoderError."""

    @abstractmethod
    def forward(self, image: Tensor, sentence: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """image: (B, 3, MODEL_SIZE, MODEL_SIZE) in [-1, 1], channels last in memory; sentence: (B, SENTENCE).

        Returns tokens (B, rows * columns, width), row by row, and their ``grid``.
        """
