"""What is done to training images, and to no others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How much of it."""

    shift: tuple[int, ...] = (4, 2)
    """Largest random shift of each camera in card order [px of 112]; the last one holds for the rest."""
    light: float = 0.15
    """Brightness within this share."""
    state_noise: float = 0.02
    """Standard deviation, in normalised units."""


def random_shift(images: Tensor, largest: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Moves each image by up to ``largest`` pixels in x and y, repeating its border. Shape (B, H, W, 3), any type.

    Returns the images, and by how much their content moved in x and y, in half-widths of the image. Shape (B, 2).
    """
    height, width = images.shape[1:3]
    drawn = torch.randint(-largest, largest + 1, (len(images), 2), generator=generator)
    content = -2.0 * drawn.flip(1) / torch.tensor([width, height])
    if largest == 0:
        return images, content
    move = drawn.tolist()
    source, moved = images.numpy(), np.empty(images.shape, images.numpy().dtype)
    for image, target, (dy, dx) in zip(source, moved, move, strict=True):
        image = image[np.arange(dy, dy + height).clip(0, height - 1)]
        if dx >= 0:
            target[:, : width - dx], target[:, width - dx :] = image[:, dx:], image[:, -1:]
        else:
            target[:, -dx:], target[:, :-dx] = image[:, :dx], image[:, :1]
    return torch.from_numpy(moved), content


def jitter_light(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Brightness, offset and a slight gain of each channel, too small to change the name of a colour.

    images: (B, H, W, 3) uint8. Returns float32 around [-1, 1]. strength 0.2: brightness within 20 %.
    """
    batch = images.shape[0]

    def uniform(size: tuple[int, ...], reach: float) -> Tensor:
        return (2.0 * torch.rand(size, generator=generator) - 1.0) * reach

    gain = (1.0 + uniform((batch, 1, 1, 1), strength)) * (1.0 + uniform((batch, 1, 1, 3), strength / 4))
    offset = uniform((batch, 1, 1, 1), strength / 2)
    return torch.addcmul(offset - 1.0, images.float(), gain / 127.5)
