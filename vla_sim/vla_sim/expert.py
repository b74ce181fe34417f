"""Scripted expert: from ground truth to the plan that a demonstration records.

The expert has no clock and no memory. What it does next follows from what can be seen - tool pose, finger opening, object poses -
so its plan from any state, also one that noise or a policy led into, is a label that a policy can learn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from vla_motion import rotation as rot
from vla_sim.expert_motion import Funnel, Gap, follow
from vla_sim.scene import BLOCK_HALF, COASTER_HEIGHT, CUP_RADIUS, OBJECTS

HOVER = 0.11
"""Height above the grasp from which the hand descends [m]."""
CLEAR = 0.08
"""Height above the grasp below which the hand does not go before it is open [m]."""
CARRY = 0.17
"""Height of the tool while something is carried to its destination [m]."""
FINGER_SPEED = 0.06
"""Speed of each finger that the plan assumes [m/s]."""
FINGER_OPEN = 0.04


@dataclass(frozen=True)
class GraspSpec:
    """Where the tool takes an object.

    Attributes:
        height: Tool above the object's origin [m].
        half_width: Finger position when closed on it [m].
    """

    height: float
    half_width: float


def grasp_spec(name: str) -> GraspSpec:
    """The grasp of an object by body name."""
    if name == "cup":
        return GraspSpec(height=0.052, half_width=CUP_RADIUS)
    return GraspSpec(height=0.0, half_width=BLOCK_HALF)


def place_height(target: str, destination: str) -> float:
    """Tool height at which the object is let go, above the destination's origin [m]."""
    lift = grasp_spec(target).height
    if destination == "bowl":
        return 0.065 + lift
    if destination == "coaster":
        return COASTER_HEIGHT + 0.003 + lift
    return 2 * BLOCK_HALF + 0.004 + lift


@dataclass(frozen=True)
class ExpertState:
    """What the expert sees. Positions in the base frame [m].

    Attributes:
        tool: Commanded tool position. Shape (3,).
        rotation: Commanded tool orientation. Shape (3, 3).
        finger: Position of one finger [m], 0 closed, 0.04 open.
        target: Position of the object to grasp. Shape (3,).
        yaw: Its heading [rad].
        destination: Position of the object to bring it to, or None. Shape (3,).
        held: The fingers are closed on the target.
    """

    tool: np.ndarray
    rotation: np.ndarray
    finger: float
    target: np.ndarray
    yaw: float
    destination: np.ndarray | None
    held: bool


class Expert:
    """Plans for one task.

    Args:
        target: Body name of the object to grasp.
        destination: Body name of where to bring it, None to lift it only.
        step_period: Time between two actions [s].
    """

    def __init__(self, target: str, destination: str | None, step_period: float = 0.1) -> None:
        self._target = target
        self._destination = destination
        self._dt = step_period
        self._grasp = grasp_spec(target)
        self._yaw_period = OBJECTS[target].yaw_period

    def plan(self, state: ExpertState, horizon: int = 16) -> np.ndarray:
        """Actions from this state on: EE_DELTA and gripper (1 open, 0 closed). Shape (horizon, 7), [m, rad]."""
        actions = np.empty((horizon, 7))
        for k in range(horizon):
            actions[k] = self.act(state)
            state = self._predict(state, actions[k])
        return actions

    def act(self, state: ExpertState) -> np.ndarray:
        """One action. Shape (7,)."""
        if state.held:
            return self._carry(state)
        if self._destination is not None and self._placed(state):
            return self._retreat(state)
        return self._approach(state)

    # The three things it can be doing.

    def _approach(self, s: ExpertState) -> np.ndarray:
        """A funnel over the target: the nearer to its axis, the lower the hand may be."""
        grasp = s.target + [0.0, 0.0, self._grasp.height]
        turn = self._turn(s, self._grasp_yaw(s))
        off_axis = float(np.linalg.norm(grasp[:2] - s.tool[:2]))
        at_grasp = off_axis < 0.008 and abs(s.tool[2] - grasp[2]) < 0.008 and float(np.linalg.norm(turn)) < 0.12
        if at_grasp:
            return self._action(s, grasp, turn, gripper=0.0)
        if s.finger < 0.85 * FINGER_OPEN:
            clear = grasp + [0.0, 0.0, CLEAR]
            if s.tool[2] < clear[2]:
                return self._action(s, np.array([*s.tool[:2], clear[2]]), turn, gripper=1.0)
            return self._action(s, clear, turn, gripper=1.0, funnel=Funnel(top=HOVER - CLEAR, radius=0.008))
        return self._action(s, grasp, turn, gripper=1.0, funnel=Funnel(top=HOVER, radius=0.008), starting=True)

    def _carry(self, s: ExpertState) -> np.ndarray:
        turn = self._turn(s, self._tool_yaw(s))
        lifted = s.tool[2] - OBJECTS[self._target].rest_height - self._grasp.height
        if self._destination is None:
            goal = np.array([*s.tool[:2], self._grasp.height + 0.20])
            return self._action(s, goal, turn, gripper=0.0, left=lifted)
        place = s.destination + [0.0, 0.0, place_height(self._target, self._destination)]
        # The object may sit off the tool: bring the object, not the tool, over the destination.
        place[:2] -= s.target[:2] - s.tool[:2]
        if float(np.linalg.norm(place[:2] - s.tool[:2])) < 0.010 and s.tool[2] < place[2] + 0.006:
            return self._action(s, place, turn, gripper=1.0)
        top = max(CARRY - place[2], 0.05) + self._grasp.height
        return self._action(s, place, turn, gripper=0.0, funnel=Funnel(top=top, radius=0.010), left=lifted)

    def _retreat(self, s: ExpertState) -> np.ndarray:
        turn = self._turn(s, self._tool_yaw(s))
        if s.finger < 0.94 * FINGER_OPEN:
            return self._action(s, s.tool, turn, gripper=1.0)
        place = s.destination[2] + place_height(self._target, self._destination)
        return self._action(s, np.array([*s.tool[:2], 0.24]), turn, gripper=1.0, left=s.tool[2] - place)

    # Geometry.

    def _placed(self, s: ExpertState) -> bool:
        offset = float(np.linalg.norm(s.target[:2] - s.destination[:2]))
        height = s.target[2] - s.destination[2]
        if self._destination == "bowl":
            return offset < 0.07 and height < 0.09
        if self._destination == "coaster":
            return offset < 0.028 and height < COASTER_HEIGHT + 0.02
        return offset < 0.022 and 0.03 < height < 0.06

    def _grasp_yaw(self, s: ExpertState) -> float:
        """Heading of the hand that grips the target, the nearest one of the equivalent ones [rad]."""
        current = self._tool_yaw(s)
        if self._yaw_period == 0.0:
            return current if abs(current) < 0.6 else 0.0
        error = (s.yaw - current + self._yaw_period / 2) % self._yaw_period - self._yaw_period / 2
        wanted = current + error
        # Away from the middle of the last joint's range, take the other face of the block.
        if wanted > math.radians(50):
            wanted -= self._yaw_period
        elif wanted < -math.radians(50):
            wanted += self._yaw_period
        return wanted

    @staticmethod
    def _tool_yaw(s: ExpertState) -> float:
        """Heading of the tool's x axis [rad]."""
        return math.atan2(s.rotation[1, 0], s.rotation[0, 0])

    @staticmethod
    def _turn(s: ExpertState, yaw: float) -> np.ndarray:
        """Rotation vector that points the tool down at this heading, in the base frame. Shape (3,)."""
        c, sn = math.cos(yaw), math.sin(yaw)
        wanted = np.array([[c, sn, 0.0], [sn, -c, 0.0], [0.0, 0.0, -1.0]])
        return rot.log(wanted @ s.rotation.T)

    def _action(
        self,
        s: ExpertState,
        goal: np.ndarray,
        turn: np.ndarray,
        *,
        gripper: float,
        funnel: Funnel | None = None,
        left: float | None = None,
        starting: bool = False,
    ) -> np.ndarray:
        """One step towards a goal: see `follow`."""
        way = goal[:2] - s.tool[:2]
        before = Gap(float(np.linalg.norm(way)), float(s.tool[2] - goal[2]), float(np.linalg.norm(turn)))
        after = follow(before, funnel, self._dt, left=left, end_height=float(goal[2]) if starting else None)
        sideways = way * (1.0 - after.off_axis / before.off_axis) if before.off_axis > 1e-9 else np.zeros(2)
        rotation = turn * (1.0 - after.angle / before.angle) if before.angle > 1e-9 else np.zeros(3)
        return np.array([*sideways, after.height - before.height, *rotation, gripper])

    def _predict(self, s: ExpertState, action: np.ndarray) -> ExpertState:
        """The state one step later, as far as kinematics tell."""
        tool = s.tool + action[:3]
        rotation = rot.exp(action[3:6]) @ s.rotation
        target, held = s.target, s.held
        if held:
            target = target + action[:3]
        near = float(np.linalg.norm(target + [0, 0, self._grasp.height] - tool)) < 0.02
        if action[6] > 0.5:
            # Fingers that hold something need a while to come loose.
            finger = s.finger if held else min(FINGER_OPEN, s.finger + FINGER_SPEED * self._dt)
            if held and self._destination is not None:
                drop = place_height(self._target, self._destination) - self._grasp.height
                target = np.array([*target[:2], s.destination[2] + min(drop, target[2] - s.destination[2])])
            held = False
        else:
            stop = self._grasp.half_width if near else 0.0
            finger = max(min(s.finger, stop) if held else stop, s.finger - FINGER_SPEED * self._dt)
            held = held or (near and finger <= stop + 1e-6)
        return replace(s, tool=tool, rotation=rotation, finger=finger, target=target, held=held)
