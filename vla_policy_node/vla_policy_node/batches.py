"""From frames in memory to the model's arguments."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from vla_policy_node.augment import Augmentation, jitter_light, random_shift
from vla_policy_node.codec import ActionCodec
from vla_policy_node.data import Frames
from vla_policy_node.model.language import SentenceEncoder
from vla_policy_node.preprocess import Preprocessor


class Batches:
    """Preprocessed frames as tensors; draws batches and augments them."""

    def __init__(self, frames: Frames, preprocess: Preprocessor, codec: ActionCodec, encoder: SentenceEncoder) -> None:
        self.images = {name: torch.from_numpy(frames.images[name]) for name in preprocess.cameras}
        self.state = torch.from_numpy(preprocess.state(frames.state))
        self.points = torch.from_numpy(frames.points)
        self.goal = torch.from_numpy(preprocess.state(frames.goal))
        self.actions = torch.from_numpy(codec.encode(frames.actions))
        self.instruction = torch.from_numpy(frames.instruction)
        self.words, self.word_mask = encoder.batch(frames.instructions)

    def take(self, rows: Tensor) -> dict:
        """The model's arguments, images as uint8."""
        text = self.instruction[rows]
        mask = self.word_mask[text]
        length = int(mask.sum(dim=1).max())
        return {
            "images": {name: images[rows] for name, images in self.images.items()},
            "state": self.state[rows],
            "words": self.words[text, :length],
            "mask": mask[:, :length],
            "goal": self.goal[rows],
            "points": self.points[rows],
            "actions": self.actions[rows],
            "step_mask": torch.ones(len(rows), self.actions.shape[1], dtype=torch.bool),
        }

    def augmented(self, rows: Tensor, how: Augmentation, generator: torch.Generator) -> dict:
        """As ``take``, each camera shifted and lit on its own, noise on the state."""
        batch = self.take(rows)
        for i, (name, images) in enumerate(batch["images"].items()):
            moved, move = random_shift(images, how.shift[min(i, len(how.shift) - 1)], generator)
            batch["points"][:, i] += move[:, None]
            batch["images"][name] = jitter_light(moved, how.light, generator)
        noise = torch.randn(batch["state"].shape, generator=generator)
        batch["state"] = batch["state"] + how.state_noise * noise
        return batch


def draw_rows(rows: np.ndarray, weight: np.ndarray, batch: int, seed: int, start: int) -> Iterator[Tensor]:
    """Endless batches of frame indices from step ``start`` on. Each epoch takes every frame about ``weight`` times, shuffled."""
    expected = weight[rows] / weight[rows].max()
    epoch, skip = 0, start
    while True:
        random = np.random.default_rng((seed, epoch))
        chosen = random.permutation(rows[random.random(len(rows)) < expected])
        for i in range(len(chosen) // batch):
            if skip > 0:
                skip -= 1
                continue
            yield torch.from_numpy(chosen[i * batch : (i + 1) * batch])
        epoch += 1
        if len(chosen) < batch:
            rows, expected = np.tile(rows, 2), np.tile(expected, 2)
