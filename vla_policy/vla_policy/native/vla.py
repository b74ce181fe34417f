"""The model: images, instruction and state in, a memory out, from which the action head decides."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vla_policy.native.config import ModelConfig
from vla_policy.native.encoders.registry import build_vision
from vla_policy.native.encoders.vision import SENTENCE
from vla_policy.native.grounding import POINTS, grounding_loss
from vla_policy.native.heads.base import FREE, READOUT_TOKENS, HeadAsk, HeadBatch, HeadSizes
from vla_policy.native.heads.registry import build_head
from vla_policy.native.memory import Memory
from vla_policy.native.pooling import SpatialPooling
from vla_policy.native.transformer import Transformer

ALL_CAMERAS = "all"
"""Stands for the cameras where they share one encoder."""
GROUNDING_WEIGHT = 0.1
"""Of the loss that teaches where to look, next to that of the actions."""
GOAL_WEIGHT = 0.5
"""Of the auxiliary loss: where the joints will be when the gripper next opens or closes. It says where the named object is from
the first frame on, which the next few steps say but faintly."""


class VlaModel(nn.Module):
    """Vision encoder, language-conditioned pooling for each camera, cross-modal transformer, action head.

    Takes preprocessed input (see preprocess.py) and the language encoder's output (see encoders/language.py); speaks what the
    head's codec speaks.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.words = nn.Sequential(nn.Linear(config.language_dim, width), nn.LayerNorm(width))
        self.sentence = nn.Sequential(nn.Linear(config.language_dim, SENTENCE), nn.GELU())
        first = build_vision(config)
        if first.shared:
            self.vision = nn.ModuleDict({ALL_CAMERAS: first})
        else:
            others = (build_vision(config) for _ in config.cameras[1:])
            self.vision = nn.ModuleDict(dict(zip(config.cameras, (first, *others))))
        self.pooling = nn.ModuleDict(
            {c: SpatialPooling(config.queries, width, first.width, config.grid, first.grid) for c in config.cameras}
        )
        self.state = nn.Sequential(nn.Linear(config.state_dim, width), nn.GELU(), nn.Linear(width, width))
        self.readout = nn.Parameter(0.02 * torch.randn(READOUT_TOKENS, width))
        self.goal = nn.Linear(READOUT_TOKENS * width, config.state_dim)
        self.transformer = Transformer(width, config.layers, config.attention_heads, config.mlp_ratio)
        self.head = build_head(config.head, HeadSizes.of(config), config.head_options)
        self.to(memory_format=torch.channels_last)

    @staticmethod
    def scale_images(images: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 to (B, 3, H, W) float32 in [-1, 1], channels last in memory."""
        return images.float().mul_(1 / 127.5).sub_(1.0).permute(0, 3, 1, 2)

    @property
    def dtype(self) -> torch.dtype:
        """What it computes in."""
        return self.readout.dtype

    def compute_in(self, dtype: torch.dtype) -> VlaModel:
        """Converts the parameters, for inference. Buffers are constants and stay in float32, where positions need it."""
        for parameter in self.parameters():
            parameter.data = parameter.data.to(dtype)
        return self

    def encode(self, images: dict[str, Tensor], state: Tensor, words: Tensor, mask: Tensor) -> tuple[Memory, Tensor]:
        """images: camera -> (B, 112, 112, 3) uint8, or float in [-1, 1]; state: (B, S); words: (B, L, 384); mask: (B, L).

        Cameras of the model that are not in ``images`` are not there for this batch: their embodiment does not have them.
        Returns the memory, and where each camera's queries look, (B, cameras, K, h * w), in the model's order of cameras.
        """
        batch = state.shape[0]
        count = mask.sum(dim=1, keepdim=True)
        pooled = (words * mask[:, :, None]).sum(dim=1) / count * 16.0  # brings MiniLM's mean to unit size
        sentence = self.sentence(pooled.to(self.dtype))
        tokens = self.words(words.to(self.dtype))
        looks = []
        parts = [self.readout.expand(batch, -1, -1), self.state(state.to(self.dtype))[:, None]]
        for name in self.config.cameras:
            if name not in images:
                continue
            image = images[name]
            image = self.scale_images(image) if image.dtype == torch.uint8 else image.permute(0, 3, 1, 2)
            eye = self.vision[name if name in self.vision else ALL_CAMERAS]
            features, grid = eye(image.to(self.dtype), sentence)
            points, look = self.pooling[name](features, grid, tokens, mask)
            parts.append(points)
            looks.append(look)
        always = mask.new_ones(batch, sum(p.shape[1] for p in parts))
        sequence, readable = torch.cat([*parts, tokens], dim=1), torch.cat([always, mask], dim=1)
        readout, read = self.transformer(sequence, readable, READOUT_TOKENS)
        return Memory(readout, read, readable), torch.stack(looks, dim=1)

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
        columns: Tensor | None = None,
    ) -> Tensor:
        """Training loss.

        goal: (B, S) normalised state; points: (B, cameras, 2, 2), see grounding.py; actions, step_mask, columns: see HeadBatch.
        """
        memory, looks = self.encode(images, state, words, mask)
        aside = nn.functional.smooth_l1_loss(self.goal(memory.flat()), goal, beta=0.1)
        grounding = grounding_loss(looks[:, :, :POINTS], points)
        acting = self.head.loss(memory, HeadBatch(actions, step_mask, columns))
        return acting + GOAL_WEIGHT * aside + GROUNDING_WEIGHT * grounding

    @torch.inference_mode()
    def act(
        self,
        images: dict[str, Tensor],
        state: Tensor,
        words: Tensor,
        mask: Tensor,
        generator: torch.Generator | None = None,
        ask: HeadAsk = FREE,
    ) -> Tensor:
        """Chunks as the head's codec encodes them: (B, H, D) float32, or tokens (B, T). generator: on the CPU."""
        memory, _ = self.encode(images, state, words, mask)
        chunks = self.head.sample(memory, ask, generator)
        return chunks.float() if chunks.is_floating_point() else chunks

    def parameter_count(self) -> int:
        """Of the model; the language encoder is no part of it."""
        return sum(p.numel() for p in self.parameters())
