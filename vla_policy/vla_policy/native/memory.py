"""What the backbone hands to an action head."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Memory:
    """One observation in each row."""

    readout: Tensor
    """The backbone's summary: R tokens after the last layer, normalised. Shape (B, R, width)."""
    tokens: Tensor
    """All tokens as they enter the last layer, the readout first, then state, images and words. Shape (B, N, width).

    They are not normalised. (The last layer computes only the readout; what enters it costs nothing more.)
    """
    mask: Tensor
    """True for a token that may be read: the words of a batch are padded to one length. Shape (B, N)."""

    def flat(self) -> Tensor:
        """The readout as one vector. Shape (B, R * width)."""
        return self.readout.flatten(1)
