"""The default card, and made-up streams for it."""

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
from policy_paths import CARD

from vla_contract.card import InterfaceCard, load_card


@pytest.fixture(scope="session")
def card() -> InterfaceCard:
    return load_card(CARD)


@pytest.fixture
def picture():
    """Makes (224, 224, 3) pictures with content, each different."""

    def make(seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (224, 224, 3), dtype=np.uint8)

    return make


@pytest.fixture(scope="session")
def tiny_checkpoint(card, tmp_path_factory) -> Path:
    """An untrained model for the card, with statistics of made-up data."""
    import torch

    from vla_policy_node.checkpoint import Checkpoint, save_checkpoint
    from vla_policy_node.codec import ActionCodec, fit_state
    from vla_policy_node.model.config import ModelConfig
    from vla_policy_node.model.vla import VlaModel

    random = np.random.default_rng(0)
    actions = random.normal(0, 0.01, (50, card.action.horizon, card.action_dim))
    actions[..., 6] = actions[..., 6] > 0
    config = ModelConfig(
        cameras=tuple(card.camera_names), state_dim=card.state_dim, action_dim=card.action_dim,
        horizon=card.action.horizon, width=32, attention_heads=2, layers=1, channels=8, bottleneck=4, queries=2,
    )  # fmt: skip
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(
        Checkpoint(
            VlaModel(config).state_dict(), config, card.policy_contract(), card.policy_hash, card.name,
            fit_state(card, random.normal(0, 1, (50, card.state_dim))), ActionCodec.fit(card, actions), {"command": "none"},
        ),
        path,
    )  # fmt: skip
    return path
