"""The model of a training, and what stands between it and each card: fitted to the data, or taken from a checkpoint."""

from __future__ import annotations

from vla_policy.checkpoint import Checkpoint, check_contract
from vla_policy.errors import CheckpointError, TrainingError
from vla_policy.native.config import ModelConfig
from vla_policy.native.embodiment import Embodiment
from vla_policy.native.heads.registry import find_head
from vla_policy.native.trainable import trainable
from vla_policy.native.vla import VlaModel
from vla_policy.training.config import TrainConfig
from vla_policy.training.mixture import Mixture, Part


def build_embodiments(mixture: Mixture, config: TrainConfig, start: Checkpoint | None) -> list[Embodiment]:
    """One for each part, as wide as the model. Statistics of a card that ``start`` knows are kept, all others are fitted.

    Raises CheckpointError where ``start`` knows none of the cards; CodecError, HeadError.
    """
    codec = find_head(config.head).codec
    known = [_known(start, part) for part in mixture.parts]
    if start and not any(known):
        check_contract(start, mixture.parts[0].frames.card)
    found = []
    for part, one in zip(mixture.parts, known, strict=True):
        if one is None or one.codec_name != codec:
            state, actions = part.frames.sample(part.learn)
            one = Embodiment.fit(part.frames.card, state, actions, codec=codec, seed=config.seed, **config.codec_options)
        found.append(one)
    state_dim = max(len(one.state_names) for one in found)
    action_dim = max(len(one.action_names) for one in found)
    if start:
        state_dim, action_dim = max(state_dim, start.model.state_dim), max(action_dim, start.model.action_dim)
    return [one if _as_wide(one, state_dim, action_dim) else one.widened(state_dim, action_dim) for one in found]


def build_model(embodiments: list[Embodiment], mixture: Mixture, config: TrainConfig, start: Checkpoint | None) -> VlaModel:
    """Large enough for all embodiments, filled from ``start`` where shapes agree (another head starts fresh), partly frozen."""
    sizes = start.model.to_dict() if start else {}
    cards = [part.frames.card for part in mixture.parts]
    cameras = [*sizes.get("cameras", ()), *(name for card in cards for name in card.camera_names)]
    sizes |= {
        "cameras": tuple(dict.fromkeys(cameras)),
        "state_dim": embodiments[0].state_slots.size,
        "action_dim": embodiments[0].action_slots.size,
        "horizon": max([sizes.get("horizon", 0), *(one.horizon for one in embodiments)]),
        "gripper_columns": tuple(cards[0].gripper_columns),
        "head": config.head,
        "head_options": sizes.get("head_options", {}) if sizes.get("head") == config.head else {},
        "tokens": max(one.codec.tokens for one in embodiments),
        "vocabulary": max(one.codec.vocabulary for one in embodiments),
    } | config.model
    model = VlaModel(ModelConfig.from_dict(sizes))
    if start:
        own = model.state_dict()
        kept = {name: value for name, value in start.weights.items() if name in own and value.shape == own[name].shape}
        model.load_state_dict(own | kept)
    for beginning in config.freeze:
        _freeze(model, beginning)
    if not trainable(model):
        raise TrainingError(f"--freeze {' '.join(config.freeze)}: nothing is left to train")
    return model


def _known(start: Checkpoint | None, part: Part) -> Embodiment | None:
    try:
        return check_contract(start, part.frames.card) if start else None
    except CheckpointError:
        return None


def _as_wide(one: Embodiment, state_dim: int, action_dim: int) -> bool:
    return one.state_slots.size == state_dim and one.action_slots.size == action_dim


def _freeze(model: VlaModel, beginning: str) -> None:
    chosen = [
        parameter for name, parameter in model.named_parameters() if name == beginning or name.startswith(f"{beginning}.")
    ]
    if not chosen:
        parts = dict.fromkeys(name.partition(".")[0] for name, _ in model.named_parameters())
        raise TrainingError(f"--freeze {beginning}: the model has no such part, it has {', '.join(parts)}")
    for parameter in chosen:
        parameter.requires_grad_(False)
