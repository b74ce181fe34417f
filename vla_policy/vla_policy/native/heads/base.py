"""What an action head is. Actions here are what the head's codec gives: normalised, with grippers in [-1, 1]; or tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vla_policy.native.config import ModelConfig
from vla_policy.native.memory import Memory

READOUT_TOKENS = 2


@dataclass(frozen=True)
class HeadSizes:
    """What a model tells its head of the memory and of the chunks; the rest of a head's arguments are its options."""

    readout: int
    """Tokens of ``Memory.readout``."""
    width: int
    """Of a token."""
    horizon: int
    """Steps of a chunk, H."""
    action_dim: int
    """Columns of an action, D."""
    tokens: int = 0
    """Tokens of a chunk, T, where the codec speaks in tokens."""
    vocabulary: int = 0
    """Number of different tokens; 0: the codec speaks in numbers."""

    @classmethod
    def of(cls, config: ModelConfig) -> HeadSizes:
        """Of a native model of these sizes."""
        return cls(READOUT_TOKENS, config.width, config.horizon, config.action_dim, config.tokens, config.vocabulary)

    @property
    def flat(self) -> int:
        """Length of ``Memory.flat()``."""
        return self.readout * self.width


@dataclass(frozen=True, eq=False)
class HeadBatch:
    """What a head learns from, one observation in each row."""

    actions: Tensor
    """Encoded by the head's codec: numbers (B, H, D), float32; or tokens (B, T), int64."""
    steps: Tensor
    """True for a step to learn. Shape (B, H)."""
    columns: Tensor | None = None
    """True for a column that the row's embodiment has. Shape (B, D); None: all of them."""

    def repeated(self, times: int) -> HeadBatch:
        """Each row so many times in succession."""
        columns = None if self.columns is None else self.columns.repeat_interleave(times, dim=0)
        return HeadBatch(*(t.repeat_interleave(times, dim=0) for t in (self.actions, self.steps)), columns)


@dataclass(frozen=True, eq=False)
class HeadAsk:
    """What a chunk has to reckon with beside the observation; see ``vla_policy.policy.Ask``."""

    committed: Tensor | None = None
    """First steps that will be executed whatever is decided, encoded. Shape (B, C, D); None: none, or a codec of tokens."""
    delay_steps: float = 0.0
    """Expected time until the chunk takes over [steps of the chunk]; 0: unknown."""


FREE = HeadAsk()
"""Nothing is committed."""


class ActionHead(nn.Module, ABC):
    """Turns the memory of an observation into a chunk. Registered as an entry point of `vla.heads`."""

    codec = "normalised"
    """Name of the codec that it learns in, as registered under `vla.codecs`."""
    step_decay = 0.95
    """A step counts this much less than the one before it: later ones are mostly replaced by the next chunk."""

    def __init__(self, sizes: HeadSizes) -> None:
        super().__init__()
        self.sizes = sizes
        weight = self.step_decay ** torch.arange(sizes.horizon, dtype=torch.float32)
        self.register_buffer("step_weight", (weight / weight.mean())[:, None], persistent=False)

    @abstractmethod
    def loss(self, memory: Memory, batch: HeadBatch) -> Tensor:
        """A scalar. Whatever it draws comes from torch's global generator, which the trainer seeds at every step."""

    @abstractmethod
    def sample(self, memory: Memory, ask: HeadAsk = FREE, generator: torch.Generator | None = None) -> Tensor:
        """Chunks as the codec encodes them, (B, H, D) or (B, T). The same state of the generator gives the same chunks.

        generator: On the CPU, whatever the device: see ``noise``.
        """

    def mean(self, error: Tensor, batch: HeadBatch) -> Tensor:
        """Mean of (B, H, D) over the steps and columns to learn, early steps weighing more."""
        weight = self.step_weight * batch.steps[:, :, None]
        if batch.columns is None:
            return (error * weight).sum() / (weight.sum() * self.sizes.action_dim).clamp(min=1e-6)
        weight = weight * batch.columns[:, None, :]
        return (error * weight).sum() / weight.sum().clamp(min=1e-6)

    def noise(self, shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Standard normal float32 on the device of ``like``, drawn on the CPU: every device gets the same."""
        return torch.randn(shape, generator=generator).to(like.device)
