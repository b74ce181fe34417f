"""Sizes of the model: everything needed to build it again from a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

_LARGEST = 1_000_000
_BESIDE = 50_000_000
"""Weights that a model may have beside those stored: of pretrained encoders."""
_NUMBERS = {
    **dict.fromkeys((
        "state_dim", "action_dim", "horizon", "width", "layers", "attention_heads", "channels", "bottleneck", "blocks", "queries",
        "grid", "language_dim", "tokens", "vocabulary",
    ), int), "mlp_ratio": (int, float),
}  # fmt: skip


def most_weights(stored: int) -> int:
    """So many a model may have whose file holds this many."""
    return _BESIDE + 4 * stored


@dataclass(frozen=True)
class ModelConfig:
    """Stored in a checkpoint as JSON; what an older file lacks has its default.

    With several embodiments, cameras are those of all of them, and state, actions and horizon as large as the largest.
    """

    cameras: tuple[str, ...]
    state_dim: int
    action_dim: int
    horizon: int
    gripper_columns: tuple[int, ...] = ()
    head: str = "regression"
    head_options: dict = field(default_factory=dict)
    width: int = 160
    """Width of a token in the transformer."""
    layers: int = 3
    attention_heads: int = 5
    mlp_ratio: float = 2.0
    channels: int = 64
    """Channels of the vision encoder's feature map."""
    bottleneck: int = 32
    """Channels inside its residual blocks."""
    blocks: int = 2
    queries: int = 8
    """Points that the language-conditioned pooling looks at, for each camera."""
    grid: int = 2
    """Side of the coarse grid of average-pooled features, for each camera."""
    language_dim: int = 384
    """Width of the language encoder's tokens."""
    vision: str = "conv"
    """Vision encoder, NAME or NAME:ARGUMENT of `vla.encoders`."""
    language: str = "minilm"
    """Language encoder, NAME or NAME:ARGUMENT of `vla.encoders`."""
    tokens: int = 0
    """Tokens of a chunk, where the head's codec speaks in tokens."""
    vocabulary: int = 0
    """Number of different tokens; 0: the head's codec speaks in numbers."""

    def to_dict(self) -> dict:
        """JSON-able."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> ModelConfig:
        """Inverse of ``to_dict``. Raises ValueError naming a key that this version does not know."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise ValueError(f"model configuration has {unknown[0]!r}, known are {', '.join(sorted(known))}")
        values = dict(data)
        for name, kind in _NUMBERS.items():
            value = values.get(name, 0)
            if not isinstance(value, kind) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
                raise ValueError(f"model configuration: {name} is {str(value)[:40]!r}, allowed are numbers from 0 to {_LARGEST}")
        for name in ("cameras", "gripper_columns"):
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)

    def check_size(self, stored: int) -> None:
        """Raises ValueError where a model of these sizes would have many times the weights that are stored: nothing that a
        training wrote."""
        width = self.width
        transformer = self.layers * width**2 * (4 + 2 * self.mlp_ratio)
        vision = self.blocks * 10 * self.channels * self.bottleneck
        pooling = width * (3 * width + 3 * self.channels + 2 * self.queries + self.grid**2)
        numbers = 3 * self.state_dim + self.language_dim + self.horizon * self.action_dim
        tables = width * (numbers + self.horizon + self.tokens + self.vocabulary)
        needed = int(transformer + len(self.cameras) * (vision + pooling) + tables)
        if needed > most_weights(stored):
            raise ValueError(f"model configuration: about {needed} weights, and {stored} are stored")
