"""What a language encoder is. It is frozen, and no part of the model: instructions are few, and encoded once."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class LanguageEncoder(ABC):
    """Registered as an entry point of `vla.encoders`; named in a model's configuration as NAME or NAME:ARGUMENT."""

    width: int
    """Of a token."""

    @classmethod
    @abstractmethod
    def build(cls, argument: str) -> LanguageEncoder:
        """From what follows the colon of the specification, empty where there is none.

        Raises EncoderError for an argument that it does not take, LanguageModelError where its weights are not installed.
        """

    @abstractmethod
    def words(self, text: str) -> Tensor:
        """Tokens of one text, at least one. Shape (L, width), float32, on the CPU. The same text is encoded once."""

    def __call__(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Tokens (B, L, width) padded with zeros, and mask (B, L), True for a token."""
        rows = [self.words(text) for text in texts]
        length = max(len(row) for row in rows)
        words = torch.zeros(len(rows), length, self.width)
        mask = torch.zeros(len(rows), length, dtype=torch.bool)
        for i, row in enumerate(rows):
            words[i, : len(row)] = row
            mask[i, : len(row)] = True
        return words, mask
