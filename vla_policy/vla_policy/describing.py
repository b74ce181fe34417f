"""Describes a policy of another package, which may say nothing of itself but what it decides."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from vla_contract.camera_view import CameraView
from vla_contract.card import InterfaceCard
from vla_contract.image_encodings import ImageError
from vla_contract.observation import VLAObservation
from vla_contract.policy_info import PolicyInfo
from vla_policy.errors import PolicyError, PreprocessError, in_words
from vla_policy.policy import NOTHING_ASKED, Ask, Decision, DescribedPolicy, Policy

_WARM_UP_RUNS = 3
_OURS = "vla_policy."


def info_of_card(card: InterfaceCard, *, policy: str, head: str = "", checkpoint: str = "", **more: object) -> PolicyInfo:
    """What follows from the card alone, with the policy's own words."""
    return PolicyInfo(
        policy=policy, head=head, checkpoint=checkpoint, checkpoint_hash=str(more.pop("checkpoint_hash", "")),
        card_name=card.name, policy_hash=card.policy_hash, card_hash=card.card_hash, camera_names=tuple(card.camera_names),
        state_names=tuple(card.state.fields), action_space=card.action_space, action_names=tuple(card.action.names),
        step_period_ns=card.step_period_ns, horizon=card.action.horizon, **more,
    )  # fmt: skip


def empty_observation(card: InterfaceCard) -> VLAObservation:
    """Black images and zeros for a state, with the first sentence of the card's first task: to warm up on."""
    return VLAObservation(
        stamp_ns=0,
        images={c.name: np.zeros((c.height, c.width, 3), np.uint8) for c in card.cameras},
        image_stamps_ns=dict.fromkeys(card.camera_names, 0),
        state=np.zeros(card.state_dim),
        state_names=tuple(card.state.fields),
        state_stamp_ns=0,
        instruction=card.tasks[0].instructions()[0],
    )


def as_seen(card: InterfaceCard, observation: VLAObservation) -> VLAObservation:
    """The observation with images as the card lets a policy see them: cropped and resized. PreprocessError for another size."""
    views = [view for view in map(CameraView.of, card.cameras) if not view.whole and view.camera in observation.images]
    if not views:
        return observation
    try:
        images = {view.camera: view(observation.images[view.camera]) for view in views}
    except ImageError as error:
        raise PreprocessError(str(error)) from None
    return replace(observation, images={**observation.images, **images})


def described(policy: Policy, card: InterfaceCard, *, name: str, spec: str) -> DescribedPolicy:
    """A policy of this package as it is. Any other with `info` and `warm_up`, its own where it has them, and errors in words."""
    if type(policy).__module__.startswith(_OURS):
        return policy
    return _Described(policy, card, name, spec)


@contextmanager
def _told(name: str, doing: str) -> Iterator[None]:
    """What another package's code raises, as a PolicyError; what is one already, or a PreprocessError, as it is."""
    try:
        yield
    except (PolicyError, PreprocessError):
        raise
    except Exception as error:
        raise PolicyError(f"policy '{name}' failed in {doing}: {in_words(error)}") from error


class _Described:
    """A policy of another package. Adds what it lacks of `info` and `warm_up`, and tells its errors in words."""

    def __init__(self, policy: Policy, card: InterfaceCard, name: str, spec: str) -> None:
        self._policy, self._card, self._name = policy, card, name
        self._info = info_of_card(card, policy=name, head=type(policy).__name__, checkpoint=spec)

    @property
    def info(self) -> PolicyInfo:
        """The policy's own, else what follows from the card."""
        with _told(self._name, "info"):
            own = getattr(self._policy, "info", None)
        if own is not None and not isinstance(own, PolicyInfo):
            raise PolicyError(f"policy '{self._name}': its info is a {type(own).__name__}, allowed is a PolicyInfo")
        return own or self._info

    def reset(self) -> None:
        """See ``Policy``."""
        with _told(self._name, "reset"):
            self._policy.reset()

    def check_instruction(self, text: str) -> None:
        """The policy's own, where it has one: raises PreprocessError for words that it cannot take."""
        own = getattr(self._policy, "check_instruction", None)
        if callable(own):
            try:
                own(text)
            except PreprocessError:
                raise
            except Exception as error:
                raise PreprocessError(f"policy '{self._name}' does not take these words: {in_words(error)}") from error

    def infer(self, observation: VLAObservation, ask: Ask) -> Decision:
        """See ``Policy``."""
        seen = as_seen(self._card, observation)
        with _told(self._name, "infer"):
            decision = self._policy.infer(seen, ask)
        if not hasattr(decision, "actions"):
            raise PolicyError(f"policy '{self._name}': infer gave a {type(decision).__name__}, allowed is a Decision")
        return decision

    def warm_up(self) -> int:
        """The policy's own, else the median of a few inferences [ns]."""
        own = getattr(self._policy, "warm_up", None)
        if callable(own):
            with _told(self._name, "warm_up"):
                return int(own())
        observation, durations = empty_observation(self._card), []
        for _ in range(_WARM_UP_RUNS):
            start = time.perf_counter_ns()
            self.infer(observation, NOTHING_ASKED)
            durations.append(time.perf_counter_ns() - start)
        self.reset()
        return int(np.median(durations))
