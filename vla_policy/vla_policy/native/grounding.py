"""Teaches the pooling where to look, from demonstrations that know where the named objects are in the images.

The first query of each camera learns to point at what is to be grasped, the second at where it goes. Without it the model must
find out from actions alone which word means which pixels, which takes many times the data.
"""

from __future__ import annotations

import torch
from torch import Tensor

POINTS = 2
"""Queries that are taught."""
SPREAD = 0.07
"""Standard deviation of the taught attention, in image half-widths: one cell of 28."""


def grounding_loss(attention: Tensor, points: Tensor) -> Tensor:
    """Divergence of the attention from a Gaussian around the known point; a mean over the points that are known.

    attention: (B, C, POINTS, h * w), of a square map; points: (B, C, POINTS, 2), x and y from -1 to 1 edge to edge, NaN: unknown.
    """
    side = round(attention.shape[-1] ** 0.5)
    centres = (torch.arange(side, device=attention.device) + 0.5) / side * 2 - 1
    known = points.isfinite().all(dim=-1)
    points = points.nan_to_num(0.0)
    x, y = (torch.exp(-0.5 * ((centres - points[..., k : k + 1]) / SPREAD).square()) for k in (0, 1))
    wanted = (y[..., :, None] * x[..., None, :]).flatten(-2)
    wanted = wanted / wanted.sum(dim=-1, keepdim=True).clamp(min=1e-6)
    divergence = (torch.xlogy(wanted, wanted) - wanted * attention.clamp(min=1e-8).log()).sum(dim=-1)
    return (divergence * known).sum() / known.sum().clamp(min=1)
