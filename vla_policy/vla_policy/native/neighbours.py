"""Which of the card's sentences comes nearest to another one, by the sentence encoder that the policy reads with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_policy.errors import InstructionTooLongError
from vla_policy.native.encoders.minilm import MiniLm


class SentenceNeighbours:
    """Cosine of the means of the tokens, as the encoder was trained to be compared (sentence-transformers, mean pooling)."""

    def __init__(self) -> None:
        """Raises LanguageModelError where the encoder is not installed."""
        self._encoder = MiniLm()
        self._known: dict[str, np.ndarray] = {}

    def prepare(self, sentences: Sequence[str]) -> None:
        """Encodes them now, so that the first question does not wait for it."""
        for sentence in sentences:
            self._vector(sentence)

    def __call__(self, text: str, sentences: Sequence[str]) -> tuple[int, float]:
        """Number of the nearest sentence, and its cosine, -1 to 1. A text that is too long to be read is near to none."""
        try:
            asked = self._encode(text)
        except InstructionTooLongError:
            return 0, -1.0
        cosines = np.array([self._vector(sentence) @ asked for sentence in sentences])
        index = int(cosines.argmax())
        return index, float(cosines[index])

    def _vector(self, sentence: str) -> np.ndarray:
        if sentence not in self._known:
            self._known[sentence] = self._encode(sentence)
        return self._known[sentence]

    def _encode(self, text: str) -> np.ndarray:
        mean = self._encoder.words(text).mean(dim=0).numpy().astype(np.float64)
        return mean / np.linalg.norm(mean)
