"""The arms and grippers of any card without physics: each joint is where its controller commands it. No ROS here."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vla_contract.card import ArmCard, CameraCard, GripperCard, InterfaceCard
from vla_contract.node_settings import check_away
from vla_motion.trajectory import JointTrajectory
from vla_sim.jtc import RULES, JointTrajectoryEndpoint
from vla_sim.jtc_message import SubmitResult, TrajectoryMessage
from vla_sim.pacing import Pacer

_GRIPPER_TRAVEL = 0.5  # [s] from open to closed, where no trajectory says how fast
_FIELD_OF_VIEW = math.radians(60)  # horizontal


class _Joints:
    """Joints that follow one trajectory topic.

    q, v (J,): where they are [rad] or [m], and how fast.
    """

    def __init__(self, names: Sequence[str], q: np.ndarray, period_ns: int, rule: str) -> None:
        self.names = tuple(names)
        self.q, self.v = np.array(q, dtype=np.float64), np.zeros(len(names))
        self.endpoint = JointTrajectoryEndpoint(names, period_ns, rule)
        self.active = True

    def step(self, now_ns: int, period_ns: int, follow: float) -> None:
        if not self.active:  # the drives hold what they were commanded last
            self.v = np.zeros(len(self.q))
            return
        command = self.endpoint.update(now_ns, period_ns, self.q, self.v)[0]
        before = self.q
        self.q = command.copy() if follow == 1.0 else before + follow * (command - before)
        self.v = (self.q - before) / (period_ns * 1e-9)


class _Fingers:
    """A gripper joint that is commanded a position and goes there at its own speed."""

    def __init__(self, card: GripperCard) -> None:
        self.names = (card.joint,)
        self.q, self.v = np.array([card.open_position]), np.zeros(1)
        self.target = card.open_position
        self._range = sorted((card.open_position, card.closed_position))
        self._speed = (self._range[1] - self._range[0]) / _GRIPPER_TRAVEL

    def go_to(self, position: float) -> None:
        if not math.isfinite(position):
            raise ValueError(f"position is {position}, a finite number is needed")
        self.target = min(max(position, self._range[0]), self._range[1])

    def step(self, now_ns: int, period_ns: int, follow: float) -> None:
        seconds = period_ns * 1e-9
        step = np.clip(self.target - self.q, -self._speed * seconds, self._speed * seconds)
        self.q, self.v = self.q + step, step / seconds


class MockCell:
    """Joint trajectory controllers and grippers of a card.

    rule: replacement rule of every controller, None for the one that the card names. lag: time constant with which the
    joints follow their commands [s], 0 for none. period_ns: of one step. Arms begin at the card's home, away: turned from it
    about their first joint [rad]; grippers open. now_ns: time of the last step. Raises ValueError.
    """

    def __init__(
        self, card: InterfaceCard, *, period_ns: int = 4_000_000, rule: str | None = None, lag: float = 0.0, away: float = 0.0
    ) -> None:
        check_away(card, away)
        if rule is not None and rule not in RULES:
            raise ValueError(f"rule is {rule!r}, allowed are {', '.join(RULES)}")
        if not 0.0 <= lag <= 1.0:
            raise ValueError(f"lag is {lag:g} s, allowed are 0 to 1")
        if not 500_000 <= period_ns <= 20_000_000:
            raise ValueError(f"period is {period_ns} ns, allowed are 500000 to 20000000 (2000 to 50 Hz)")
        self.card = card
        self.now_ns = 0
        self.period_ns = period_ns
        self._follow = 1.0 if lag == 0.0 else 1.0 - math.exp(-period_ns * 1e-9 / lag)
        self._trajectories: dict[str, _Joints] = {}
        self._fingers: dict[str, _Fingers] = {}
        for arm in card.arms:
            self._add(arm, rule or arm.replacement_rule, away)
        self._parts = [*self._trajectories.values(), *self._fingers.values()]
        self.joint_names = tuple(name for part in self._parts for name in part.names)

    def _add(self, arm: ArmCard, rule: str, away: float) -> None:
        start = np.array(arm.home)
        start[0] += away
        self._trajectories[arm.trajectory_topic] = _Joints(arm.joints, start, self.period_ns, rule)
        gripper = arm.gripper
        if gripper is None:
            return
        if gripper.interface == "jtc":
            opened = np.array([gripper.open_position])
            self._trajectories[gripper.topic] = _Joints([gripper.joint], opened, self.period_ns, rule)
        else:
            self._fingers[gripper.topic] = _Fingers(gripper)

    @property
    def trajectory_topics(self) -> tuple[str, ...]:
        """Topics that take a JointTrajectory."""
        return tuple(self._trajectories)

    def submit(self, topic: str, trajectory: JointTrajectory | TrajectoryMessage) -> SubmitResult:
        """A trajectory arrives; refused with the reason where the real controller would refuse it. KeyError: no such topic.

        One that is not active drops it without a word, as the real one does.
        """
        joints = self._trajectories[topic]
        return joints.endpoint.submit(trajectory, self.now_ns) if joints.active else SubmitResult(True, "")

    def set_active(self, active: bool) -> None:
        """Activates or deactivates all joint trajectory controllers, as a controller manager does.

        While they are not active they hear nothing and say nothing; once active again they hold the position measured then.
        """
        for joints in self._trajectories.values():
            if active and not joints.active:
                joints.endpoint.reset()
            joints.active = active

    def controllers(self) -> Iterator[tuple[str, JointTrajectoryEndpoint, np.ndarray, np.ndarray]]:
        """Of each active joint trajectory controller: its topic, itself, and measured position and velocity (J,)."""
        for topic, joints in self._trajectories.items():
            if joints.active:
                yield topic, joints.endpoint, joints.q, joints.v

    def move_gripper(self, topic: str, position: float) -> None:
        """A command for a gripper without trajectories; it goes no further than its range.

        KeyError: no such topic. ValueError: not a finite position.
        """
        self._fingers[topic].go_to(position)

    def step(self, now_ns: int) -> None:
        """One control cycle at this time, one period after the last."""
        self.now_ns = now_ns
        for part in self._parts:
            part.step(now_ns, self.period_ns, self._follow)

    def joint_state(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities in the order of ``joint_names``, each (J,)."""
        return np.concatenate([part.q for part in self._parts]), np.concatenate([part.v for part in self._parts])


class MockServer:
    """Steps a cell on the steady clock, in a thread of its own.

    clock: time now [ns], for stamps, which follow it when it is set. on_state: called after steps, ``state_period_ns``
    apart or one step where that is longer, with the time [ns], positions and velocities. on_slip: called with the time
    skipped [ns]. on_clock_set: called with what the clock was set by [ns]. on_error: called with what ended the thread.
    """

    def __init__(
        self,
        cell: MockCell,
        clock: Callable[[], int],
        on_state: Callable[[int, np.ndarray, np.ndarray], None],
        *,
        state_period_ns: int = 10_000_000,
        on_slip: Callable[[int], None] = lambda _: None,
        on_clock_set: Callable[[int], None] = lambda _: None,
        on_error: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._cell, self._clock = cell, clock
        self._on_state, self._on_error = on_state, on_error
        self._on_slip, self._on_clock_set = on_slip, on_clock_set
        self._every = max(1, round(state_period_ns / cell.period_ns))
        self.lock = threading.Lock()
        """Held while the cell steps; hold it to touch the cell."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name="mock", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._cell.now_ns = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            if not self._stopping.is_set():
                self._on_error(error)

    def _run(self) -> None:
        cell, period = self._cell, self._cell.period_ns
        pacer = Pacer(cell.now_ns, period, clock=self._clock)
        count = 0
        while not self._stopping.is_set():
            turn = pacer.turn(cell.now_ns)
            if turn.wait_s:
                time.sleep(turn.wait_s)
                continue
            for skipped, report in ((turn.set_ns, self._on_clock_set), (turn.slipped_ns, self._on_slip)):
                if skipped:
                    with self.lock:
                        cell.now_ns += skipped
                    report(skipped)
            if turn.set_ns:
                continue
            with self.lock:
                now = cell.now_ns + period
                cell.step(now)
                state = cell.joint_state()
            count += 1
            if count % self._every == 0:
                self._on_state(now, *state)


def synthetic_image(camera: CameraCard, frame: int) -> np.ndarray:
    """An image that differs from frame to frame: shades, and a bright square that wanders. RGB, (H, W, 3) uint8."""
    height, width = camera.height, camera.width
    image = np.empty((height, width, 3), dtype=np.uint8)
    image[:, :, 0] = np.linspace(40, 120, width, dtype=np.uint8)
    image[:, :, 1] = np.linspace(40, 120, height, dtype=np.uint8)[:, None]
    image[:, :, 2] = 60  # no two channels alike: whoever exchanges them is seen
    side = max(2, min(height, width) // 8)
    x, y = frame * 5 % (width - side + 1), frame * 3 % (height - side + 1)
    image[y : y + side, x : x + side] = 230
    return image


def focal_length(camera: CameraCard) -> float:
    """Of the synthetic camera, 60 degrees wide [pixels]."""
    return camera.width / 2 / math.tan(_FIELD_OF_VIEW / 2)
