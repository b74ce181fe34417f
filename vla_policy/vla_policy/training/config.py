"""What a training is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vla_policy.training.augment import Augmentation


@dataclass
class TrainConfig:
    """Budget, optimiser, augmentation. The learning rate follows the share of the budget that is used up."""

    head: str = "regression"
    minutes: float | None = None
    steps: int | None = None
    batch: int = 32
    learning_rate: float = 8e-4
    weight_decay: float = 0.02
    warm_up_steps: int = 300
    clip: float = 1.0
    average: float = 0.999
    """Decay of the running average of the weights, which is what gets saved."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    codec_options: dict = field(default_factory=dict)
    """Of the codec that the head needs."""
    validation_share: float = 0.04
    validations: int = 12
    seed: int = 0
    processes: int | None = None
    """Processes of one thread that share the work of a batch; None: two on the CPU, one elsewhere."""
    device: str = "cpu"
    dtype: str = "float32"
    compiled: bool = False
    """Through torch.compile."""
    freeze: tuple[str, ...] = ()
    """Parts of the model that stay as they are, by the beginnings of their parameters' names: ``vision``, ``vision.front``."""
    model: dict = field(default_factory=dict)
    """Sizes that differ from ModelConfig's."""

    def share_used(self, step: int, seconds: float) -> float:
        """Of the budget; the tighter of the two limits counts."""
        by_time = seconds / (60 * self.minutes) if self.minutes else 0.0
        by_steps = step / self.steps if self.steps else 0.0
        return max(by_time, by_steps)

    def rate(self, step: int, used: float) -> float:
        """Learning rate: up over the first steps, then down a cosine to a hundredth as the budget is used up."""
        rate = self.learning_rate * min(1.0, (step + 1) / self.warm_up_steps)
        return rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(used, 1.0))))

    def process_count(self) -> int:
        """Processes to use."""
        return self.processes or (2 if self.device == "cpu" and not self.compiled else 1)
