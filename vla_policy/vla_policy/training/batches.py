"""From frames on disk to the model's arguments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from vla_policy.native.config import ModelConfig
from vla_policy.native.embodiment import Embodiment
from vla_policy.native.encoders.language import LanguageEncoder
from vla_policy.training.augment import Augmentation, jitter_light, random_shift
from vla_policy.training.frames import Frames
from vla_policy.training.mixture import Draw


class Batches:
    """Reads what a draw names, and augments it. Holds the instructions' tokens and no frame; other processes get a copy."""

    def __init__(
        self, frames: Sequence[Frames], embodiments: Sequence[Embodiment], model: ModelConfig, language: LanguageEncoder
    ) -> None:
        """frames, embodiments: one of each for each part of the mixture, in its order."""
        self._frames, self._embodiments = tuple(frames), tuple(embodiments)
        self._horizon = model.horizon
        self._cameras = tuple(
            tuple(one.cameras.index(camera) for camera in model.cameras if camera in one.cameras) for one in embodiments
        )
        texts = [text for one in frames for text in one.instructions]
        self._first_text = np.cumsum([0, *(len(one.instructions) for one in frames)])
        self._words, self._word_mask = language(texts)

    def take(self, draw: Draw) -> dict:
        """The model's arguments, images as uint8; see ``VlaModel.forward``. An embodiment's columns and steps are its first."""
        frames, embodiment = self._frames[draw.part], self._embodiments[draw.part]
        columns = frames.columns(draw.rows)
        text = torch.from_numpy(self._first_text[draw.part] + frames.instruction[frames.episode_of(draw.rows)])
        mask = self._word_mask[text]
        length = int(mask.sum(dim=1).max())
        steps = torch.zeros(len(draw.rows), self._horizon, dtype=torch.bool)
        steps[:, : embodiment.horizon] = True
        batch = {
            "images": {name: torch.from_numpy(images) for name, images in frames.images(draw.rows).items()},
            "state": torch.from_numpy(embodiment.state(columns["state"])),
            "words": self._words[text, :length],
            "mask": mask[:, :length],
            "goal": torch.from_numpy(embodiment.state(columns["goal"])),
            "points": torch.from_numpy(columns["points"][:, list(self._cameras[draw.part])]),
            "actions": torch.from_numpy(self._all_steps(embodiment.encode(columns["actions"]), embodiment)),
            "step_mask": steps,
        }
        if not (embodiment.codec.vocabulary or embodiment.column_mask.all()):
            batch["columns"] = torch.from_numpy(embodiment.column_mask).expand(len(draw.rows), -1)
        return batch

    def _all_steps(self, encoded: np.ndarray, embodiment: Embodiment) -> np.ndarray:
        if embodiment.codec.vocabulary or encoded.shape[1] == self._horizon:
            return encoded
        return np.pad(encoded, ((0, 0), (0, self._horizon - encoded.shape[1]), (0, 0)))

    def augmented(self, draw: Draw, how: Augmentation, generator: torch.Generator) -> dict:
        """As ``take``, each camera shifted and lit on its own, noise on the state."""
        batch = self.take(draw)
        place = [self._embodiments[draw.part].cameras[i] for i in self._cameras[draw.part]]
        for i, (name, images) in enumerate(batch["images"].items()):
            moved, move = random_shift(images, how.shift[min(i, len(how.shift) - 1)], generator)
            batch["points"][:, place.index(name)] += move[:, None]
            batch["images"][name] = jitter_light(moved, how.light, generator)
        noise = torch.randn(batch["state"].shape, generator=generator)
        own = torch.from_numpy(self._embodiments[draw.part].state_slots.mask)
        batch["state"] = batch["state"] + how.state_noise * noise * own
        return batch
