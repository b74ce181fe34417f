"""Sizes of the model: everything needed to build it again from a checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields


@dataclass(frozen=True)
class ModelConfig:
    """Stored in a checkpoint as JSON."""

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
        for name in ("cameras", "gripper_columns"):
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)
