"""The model: images, instruction and state in, a context vector out, from which the action head decides."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vla_policy_node.model.config import ModelConfig
from vla_policy_node.model.grounding import POINTS, grounding_loss
from vla_policy_node.model.heads import build_head
from vla_policy_node.model.pooling import SpatialPooling
from vla_policy_node.model.transformer import Transformer
from vla_policy_node.model.vision import VisionEncoder

READOUT_TOKENS = 2
GROUNDING_WEIGHT = 0.1
"""Of the loss that teaches where to look, next to that of the actions."""
GOAL_WEIGHT = 0.5
"""Of the auxiliary loss: where the joints will be when the gripper next opens or closes. It says where the named object is from
the first frame on, which the next few steps say but faintly."""


class VlaModel(nn.Module):
    """Vision encoder per camera, language-conditioned pooling, cross-modal transformer, action head.

    Takes preprocessed input (see preprocess.py) and the frozen sentence encoder's output (see language.py); speaks normalised
    actions.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.words = nn.Sequential(nn.Linear(config.language_dim, width), nn.LayerNorm(width))
        self.sentence = nn.Sequential(nn.Linear(config.language_dim, 128), nn.GELU())
        self.vision = nn.ModuleDict(
            {c: VisionEncoder(config.channels, config.bottleneck, config.blocks, 128) for c in config.cameras}
        )
        self.pooling = nn.ModuleDict(
            {c: SpatialPooling(config.queries, width, config.channels, config.grid) for c in config.cameras}
        )
        self.state = nn.Sequential(nn.Linear(config.state_dim, width), nn.GELU(), nn.Linear(width, width))
        self.readout = nn.Parameter(0.02 * torch.randn(READOUT_TOKENS, width))
        self.goal = nn.Linear(READOUT_TOKENS * width, config.state_dim)
        self.transformer = Transformer(width, config.layers, config.attention_heads, config.mlp_ratio)
        self.head = build_head(
            config.head, READOUT_TOKENS * width, config.horizon, config.action_dim, config.head_options
        )
        self.to(memory_format=torch.channels_last)

    @staticmethod
    def scale_images(images: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 to (B, 3, H, W) float32 in [-1, 1], channels last in memory."""
        return images.float().mul_(1 / 127.5).sub_(1.0).permute(0, 3, 1, 2)

    def context(self, images: dict[str, Tensor], state: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """What the head decides from. Arguments as for ``encode``. Shape (B, 2 * width)."""
        return self.encode(images, state, words, mask)[0]

    def encode(self, images: dict[str, Tensor], state: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """images: camera -> (B, 112, 112, 3) uint8, or float in [-1, 1]; state: (B, S); words: (B, L, 384); mask: (B, L).

        Returns the context, (B, 2 * width), and where each camera's queries look, (B, cameras, K, 784).
        """
        batch = state.shape[0]
        count = mask.sum(dim=1, keepdim=True)
        sentence = self.sentence(
            (words * mask[:, :, None]).sum(dim=1) / count * 16.0
        )  # brings MiniLM's mean to unit size
        tokens = self.words(words)
        looks = []
        parts = [self.readout.expand(batch, -1, -1), self.state(state)[:, None]]
        for name in self.config.cameras:
            image = images[name]
            image = self.scale_images(image) if image.dtype == torch.uint8 else image.permute(0, 3, 1, 2)
            features = self.vision[name](image, sentence)
            pooled, look = self.pooling[name](features, tokens, mask)
            parts.append(pooled)
            looks.append(look)
        always = mask.new_ones(batch, sum(p.shape[1] for p in parts))
        sequence = torch.cat([*parts, tokens], dim=1)
        read = self.transformer(sequence, torch.cat([always, mask], dim=1), READOUT_TOKENS)
        return read.flatten(1), torch.stack(looks, dim=1)

    def forward(
        self,
        images: dict[str, Tensor],
        state: Tensor,
        words: Tensor,
        mask: Tensor,
        goal: Tensor,
        points: Tensor,
        actions: Tensor,
        step_mask: Tensor,
    ) -> Tensor:
        """Training loss.

        goal: (B, S) normalised state; points: (B, cameras, 2, 2), see grounding.py; actions: (B, H, D) normalised;
        step_mask: (B, H).
        """
        context, looks = self.encode(images, state, words, mask)
        aside = nn.functional.smooth_l1_loss(self.goal(context), goal, beta=0.1)
        grounding = grounding_loss(looks[:, :, :POINTS], points)
        return self.head.loss(context, actions, step_mask) + GOAL_WEIGHT * aside + GROUNDING_WEIGHT * grounding

    @torch.inference_mode()
    def act(
        self,
        images: dict[str, Tensor],
        state: Tensor,
        words: Tensor,
        mask: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Normalised chunks. Shape (B, H, D)."""
        return self.head.sample(self.context(images, state, words, mask), generator)

    def parameter_count(self) -> int:
        """Trained parameters; the sentence encoder is not among them."""
        return sum(p.numel() for p in self.parameters())
