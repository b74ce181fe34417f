"""One arm: its columns of a chunk become joint positions to pass through."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.report import Clamp
from vla_contract.turns import on_turn_of
from vla_controller.planning.anchor import Schedule
from vla_controller.planning.effort import Effort
from vla_controller.planning.kernels import follow
from vla_controller.planning.limits import Limits
from vla_motion import rotation
from vla_motion.action_conversion import (
    Anchors,
    Targets,
    actions_from_targets,
    ee_delta_targets,
    joints_to_joint_delta,
    targets_from_actions,
)
from vla_motion.collision import CollisionModel
from vla_motion.model import ModelError, RobotModel

_AXES = "xyz"
_LARGEST = 1e6  # beyond any arm in any unit, and far from where squares overflow
_MOST_CLAMPS = 16  # a step
_DELTAS = (ActionSpace.EE_DELTA, ActionSpace.JOINT_DELTA)


@dataclass(frozen=True)
class Request:
    """What a chunk asks of one arm, before any limit.

    actions (H, n): its columns. targets: what they mean, absolute, for all steps. by_steps: steps go on from the one
    before (delta spaces, unless targets were blended). anchors: what the actions count from. limits: of this
    motion. q_before (J,): commanded one period before the first planned step is due; q_running (K, J): by the motion under
    way when the planned steps are due. From there inverse kinematics has the shortest way, as chunks mostly repeat each other.
    turns (H, J) [rad]: whole turns of continuous joints from the columns to the targets; None: none.
    """

    space: ActionSpace
    actions: np.ndarray
    targets: Targets
    by_steps: bool
    anchors: Anchors
    schedule: Schedule
    limits: Limits
    q_before: np.ndarray
    q_running: np.ndarray
    turns: np.ndarray | None = None

    def joint_origin(self) -> np.ndarray:
        """Where the first planned step of JOINT_DELTA counts from (J,): the anchor and the skipped steps; else q_before."""
        if not self.by_steps or self.space is not ActionSpace.JOINT_DELTA:
            return self.q_before
        first = self.schedule.first
        return self.targets.q[first - 1].copy() if first else self.anchors.q_commanded

    @property
    def anchor(self) -> tuple[float, ...]:
        """As in ChunkReport: what the chunk counts from, or where the arm was commanded to be at the observation."""
        relative = self.space in (ActionSpace.JOINT_RELATIVE, ActionSpace.EE_RELATIVE)
        if not self.space.is_cartesian:
            return tuple(map(float, self.anchors.q_observed if relative else self.anchors.q_commanded))
        T = self.anchors.T_observed if relative else self.anchors.T_commanded
        return tuple(map(float, (*T[:3, 3], *rotation.quaternion_from_rotation(T[:3, :3]))))


@dataclass(frozen=True)
class Wanted:
    """What one arm is to do for one chunk, after clamping.

    q (K, J) [rad]: positions for the planned steps. by_joints: they were asked for as such, not as poses.
    """

    q: np.ndarray
    clamps: list[Clamp]
    by_joints: bool


class Arm:
    """Card entry, model, limits and place of one arm: ``joints`` in the vector of all joints, ``columns`` in chunks.

    collision: None where the card asks for none. Raises ValueError where model and card do not fit together.
    """

    def __init__(self, card: InterfaceCard, index: int, model: RobotModel) -> None:
        self.card = card.arms[index]
        if tuple(model.joints) != tuple(self.card.joints):
            raise ValueError(
                f"arm {self.card.name}: the model's joints are {', '.join(model.joints)}, "
                f"the card's are {', '.join(self.card.joints)}"
            )
        self.model = model
        self.limits = Limits.from_card(self.card.limits, model)
        self._slow = self.limits.slowed()
        self.collision = _collision_model(card, index, model)
        self.home = np.array(self.card.home, dtype=np.float64)
        start = sum(len(arm.joints) for arm in card.arms[:index])
        self.joints = slice(start, start + len(self.card.joints))
        self.columns = card.arm_columns(self.card.name)
        self.gripper_column = card.gripper_column(self.card.name)

    def limits_from(self, q: np.ndarray) -> Limits:
        """Those of a plan that begins at q (J,) [rad]: outside of range or workspace, those of slow motion."""
        return self._slow if self.limits.excludes(q, self.model.forward(q)[:3, 3]) else self.limits

    def outside(self, q: np.ndarray) -> str:
        """As Limits.outside, at q (J,) [rad]."""
        return self.limits.outside(self.model.joints, q, self.model.forward(q)[:3, 3])

    def request(
        self,
        space: ActionSpace,
        actions: np.ndarray,
        schedule: Schedule,
        q_start: np.ndarray,
        q_commanded: np.ndarray,
        q_observed: np.ndarray | None,
        q_before: np.ndarray,
        q_running: np.ndarray,
    ) -> Request:
        """actions (H, n): this arm's columns. q_start (J,): commanded at the splice. q_commanded, q_observed (J,): at the
        observation; the latter for relative actions only."""
        actions = np.clip(actions, -_LARGEST, _LARGEST)
        cartesian = space.is_cartesian
        if q_observed is not None and self.model.continuous.any():  # observed as reported, which may be a full turn off
            q_observed = np.where(self.model.continuous, on_turn_of(q_observed, q_commanded), q_observed)
        anchors = Anchors(
            T_commanded=self.model.forward(q_commanded).copy() if cartesian else None,
            q_commanded=q_commanded,
            T_observed=self.model.forward(q_observed).copy() if cartesian and q_observed is not None else None,
            q_observed=q_observed,
        )
        targets, turns = targets_from_actions(space, actions, anchors), None
        if space is ActionSpace.JOINT_POSITION and self.model.continuous.any():
            q = self._without_whole_turns(targets.q, q_commanded)
            targets, turns = replace(targets, q=q), q - targets.q
        limits = self.limits_from(q_start)
        return Request(space, actions, targets, space in _DELTAS, anchors, schedule, limits, q_before, q_running, turns)

    def _without_whole_turns(self, q: np.ndarray, q_commanded: np.ndarray) -> np.ndarray:
        """Targets (H, J); each of a continuous joint on the turn nearest to the one before, from q_commanded (J,) on."""
        steps = np.unwrap(np.vstack([q_commanded[None], q]), axis=0)[1:]
        return np.where(self.model.continuous, steps, q)

    def wanted(self, request: Request, effort: Effort) -> Wanted:
        """Joint positions for the steps planned, within the limits that a step by itself can break."""
        schedule, limits = request.schedule, request.limits
        planned = schedule.planned
        count = planned.stop - planned.start
        period = schedule.period_ns * 1e-9
        pace = effort.share * period * schedule.speed_scale  # a wish that leaps is slowed down by the speed scale, too
        step_limits = follow.StepLimits(
            pace * limits.tool_speed, pace * limits.tool_angular_speed,
            *limits.box_inside(effort.inset), *self.range_of(request.q_before, effort.joint_margin),
            pace * limits.velocity,
        )  # fmt: skip
        q = np.empty((count, len(limits.lower)))
        noted = np.empty((_MOST_CLAMPS * count + 16, 3))
        steps = follow.Steps(planned.start, schedule.partial if schedule.partial > 0.0 else 1.0, request.by_steps)
        if request.space.is_cartesian:
            before = self.model.forward(request.q_before).copy()
            if request.by_steps:
                before = request.anchors.T_commanded
                if planned.start:  # executed by earlier chunks, as far as limits let them
                    skipped = np.ascontiguousarray(request.actions[: planned.start])
                    anchor, before = before, np.empty((4, 4))
                    follow.skip_deltas(step_limits, anchor, skipped, before)
            T = np.empty((count, 4, 4))
            moves = joints_to_joint_delta(request.q_before, request.q_running)
            clamps = follow.follow_poses(
                self.model.chain, step_limits, steps, np.ascontiguousarray(before), request.q_before, moves, self.home,
                np.ascontiguousarray(request.targets.T[planned]), np.ascontiguousarray(request.actions[planned]),
                q, T, noted,
            )  # fmt: skip
            return Wanted(q, self._clamps(noted[:clamps], period), by_joints=False)
        values = request.actions if request.by_steps else request.targets.q
        origin = request.joint_origin()
        clamps = follow.follow_joints(
            self.model.chain, step_limits, steps, request.q_before, origin, np.ascontiguousarray(values[planned]), q, noted,
        )  # fmt: skip
        return Wanted(q, self._clamps(noted[:clamps], period), by_joints=True)

    def done(self, request: Request, q: np.ndarray) -> np.ndarray:
        """The chunk's columns (H, n) as they are done, at the planned steps at q (K, J) [rad].

        Skipped steps as asked, steps beyond the open-loop limit at rest. Added up from the anchor, deltas lead to where the
        motion is at each planned step.
        """
        planned = request.schedule.planned
        actions = np.array(request.actions)
        space, anchors, none = request.space, request.anchors, np.empty((len(q), 0))
        done = self.model.forward_batch(np.ascontiguousarray(q)) if space.is_cartesian else q
        if space is ActionSpace.EE_DELTA:
            before = request.anchors.T_commanded
            if planned.start:
                before = ee_delta_targets(before, request.actions[: planned.start])[-1]
            anchors = Anchors(T_commanded=before)
        elif space is ActionSpace.JOINT_DELTA:
            anchors = Anchors(q_commanded=request.joint_origin())
        targets = Targets(done, None, none) if space.is_cartesian else Targets(None, done, none)
        actions[planned] = actions_from_targets(space, targets, anchors)
        if space in (ActionSpace.EE_POSE, ActionSpace.EE_RELATIVE):
            actions[planned, 3:6] = rotation.near(actions[planned, 3:6], request.actions[planned, 3:6])
        if request.turns is not None:
            actions[planned] -= request.turns[planned]
        actions[planned.stop :] = 0.0 if space in _DELTAS else actions[planned.stop - 1]
        return actions

    def _clamps(self, noted: np.ndarray, period: float) -> list[Clamp]:
        clamps = []
        for step, code, amount in noted.tolist():
            code = int(code)
            if code < 3:
                name = f"workspace {_AXES[code]}"
            elif code == follow.TOOL_SPEED:
                name, amount = "tool_speed", amount / period
            elif code == follow.TOOL_ANGULAR_SPEED:
                name, amount = "tool_angular_speed", amount / period
            elif code == follow.REACH:
                name = "reach"
            elif code >= follow.VELOCITY:
                name, amount = f"velocity {self.model.joints[code - follow.VELOCITY]}", amount / period
            else:
                name = f"position {self.model.joints[code - follow.POSITION]}"
            clamps.append(Clamp(int(step), name, amount))
        return clamps

    def range_of(self, q_before: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
        """Joint range, ``margin`` [rad] inside the limits, but never excluding where the arm is."""
        margin = np.minimum(margin, 0.45 * (self.limits.upper - self.limits.lower))
        return np.minimum(self.limits.lower + margin, q_before), np.maximum(self.limits.upper - margin, q_before)


def _collision_model(card: InterfaceCard, index: int, model: RobotModel) -> CollisionModel | None:
    wish = card.arms[index].limits.collision
    if not wish.self_collision and wish.table_height is None:
        return None
    collision = CollisionModel.from_description(
        model.source, model, self_collision=wish.self_collision, table_height=wish.table_height
    )
    if not collision.body_pairs:
        raise ModelError(
            f"arm {card.arms[index].name}: the robot description has no collision shapes to check; give one that has "
            "(parameter 'model'), or set self_collision to false and table_height to null in the card"
        )
    return collision
