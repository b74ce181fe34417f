"""What a policy decided, as a chunk for the controller."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_policy.errors import PolicyError
from vla_policy.policy import NOTHING_ASKED, Ask, Policy


def decide(
    policy: Policy, card: InterfaceCard, observation: VLAObservation, run_id: str, sequence: int,
    clock_ns: Callable[[], int], image_receipt_steady_ns: int = 0, ask: Ask = NOTHING_ASKED,
) -> ActionChunk:  # fmt: skip
    """One inference, timed on both clocks. Raises PolicyError for a result of another shape than the card's.

    ask: its committed steps (C, D) begin the chunk, whatever the policy makes of them.
    """
    start, start_steady = clock_ns(), time.monotonic_ns()
    actions = policy.infer(observation, ask).actions
    end_steady, end = time.monotonic_ns(), clock_ns()
    wanted = (card.action.horizon, card.action_dim)
    if np.shape(actions) != wanted:
        raise PolicyError(f"the policy gave actions of shape {np.shape(actions)}, the card has {wanted}")
    committed = np.empty((0, card.action_dim)) if ask.committed is None else ask.committed
    if len(committed):
        actions = np.concatenate([committed, actions[len(committed) :]])
    return ActionChunk(
        stamp_ns=observation.stamp_ns,
        frame_id=card.arms[0].base_frame,
        image_stamps_ns=tuple(observation.image_stamps_ns[name] for name in card.camera_names),
        state_stamp_ns=observation.state_stamp_ns,
        run_id=run_id,
        sequence=sequence,
        card_hash=card.card_hash,
        action_space=card.action_space,
        names=tuple(card.action.names),
        actions=actions,
        step_period_ns=card.step_period_ns,
        valid_for_ns=card.max_open_loop_ns,
        committed_steps=len(committed),
        reference_positions=arm_positions(card, observation),
        inference_start_ns=start,
        inference_end_ns=end,
        inference_start_steady_ns=start_steady,
        inference_end_steady_ns=end_steady,
        image_receipt_steady_ns=image_receipt_steady_ns,
    )


def brake_chunk(card: InterfaceCard, run_id: str, sequence: int, now_ns: int) -> ActionChunk:
    """Horizon 0: come to rest now, without latching."""
    return ActionChunk(
        stamp_ns=now_ns,
        frame_id=card.arms[0].base_frame,
        image_stamps_ns=(),
        state_stamp_ns=now_ns,
        run_id=run_id,
        sequence=sequence,
        card_hash=card.card_hash,
        action_space=card.action_space,
        names=tuple(card.action.names),
        actions=np.empty((0, card.action_dim)),
        step_period_ns=card.step_period_ns,
        valid_for_ns=card.max_open_loop_ns,
    )


def arm_positions(card: InterfaceCard, observation: VLAObservation) -> np.ndarray:
    """Observed positions of the arm joints that the state has, in card order [rad]."""
    column = {name: i for i, name in enumerate(observation.state_names)}
    wanted = [f"{joint}.position" for arm in card.arms for joint in arm.joints]
    return observation.state[[column[name] for name in wanted if name in column]]
