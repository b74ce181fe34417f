"""All arms of a card, on one timeline, and the messages that carry it to their controllers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from vla_contract.turns import on_turn_of
from vla_controller.planning.arm import Arm
from vla_controller.planning.braking import Segment
from vla_controller.planning.homing import HomePath
from vla_controller.planning.sending import InFlight, Sending
from vla_controller.planning.timeline import CLOSEST_KNOTS_NS, Timeline
from vla_controller.planning.ways_to_rest import State, WaysToRest
from vla_motion.trajectory import JointTrajectory

_DISPLACED = 0.02  # [rad] more than an arm sags
_SETTLED_NS = 300_000_000
_BRAKE_ATTEMPTS = 5
_PATH_SAMPLES = 40
# Under the splice rule the last stretch of the old motion before a splice is one control period shorter than planned
_SPLICE_CLOSEST_NS = 40_000_000
_HISTORY_NS = 250_000_000
_HOLD_NS = 100_000_000  # so that the message is not over before it arrives
_HOME_TRIES = 3
_EARLIEST_NS = 1  # a stamp of zero would mean "on arrival"; older knots there are where a clock was set back to zero


class Measured(Protocol):
    """What the arms are measured to do: positions (J,) [rad] at stamp_ns, and whether they stand."""

    stamp_ns: int
    positions: np.ndarray
    at_rest: bool


class ArmGroup:
    """The commanded motion of all joints, arm after arm.

    timeline: None before the first command. splice_ns: when the newest part of it takes over. braking: that part is a stop.
    begun_ns: when the motion took over that did not continue the one before; until then trajectory controllers are elsewhere.
    continuous (J,): joints that turn for ever.
    ways: how it can come to rest.
    """

    def __init__(self, arms: Sequence[Arm], margin_ns: int, brake_margin_ns: int) -> None:
        self.arms = list(arms)
        self.joint_names = tuple(joint for arm in arms for joint in arm.card.joints)
        self.tolerance = np.concatenate(
            [np.full(len(arm.card.joints), arm.card.limits.tracking_tolerance) for arm in arms]
        )
        self.continuous = np.concatenate([arm.model.continuous for arm in arms])
        self.ways, self._home_path = WaysToRest(self.arms), HomePath(self.arms)
        self.timeline: Timeline | None = None
        self.splice_ns = self._from_ns = self.begun_ns = 0
        self._anew = False
        self.braking = False
        self._sag: np.ndarray | None = None
        self._anchor = np.zeros(len(self.joint_names))
        self._margin_ns = margin_ns
        self._brake_margin_ns = min(margin_ns, brake_margin_ns)
        splice = any(arm.card.replacement_rule == "splice" for arm in arms)
        self._in_flight = InFlight(self._brake_margin_ns if splice else 0)
        self._closest_ns = _SPLICE_CLOSEST_NS if splice else CLOSEST_KNOTS_NS

    def moving(self, now_ns: int) -> bool:
        """A commanded motion is under way, or about to be."""
        return self.timeline is not None and now_ns < self.timeline.end_ns

    def on_commanded_turns(self, t_ns: int, q: np.ndarray) -> np.ndarray:
        """Positions (J,) [rad] with continuous joints on the turns on which they are commanded at t_ns."""
        if not self.continuous.any():
            return q
        return np.where(self.continuous, on_turn_of(q, self.timeline.sample(t_ns)[0]), q)

    def outside(self, q: np.ndarray) -> str:
        """Which arms are outside of their limits at q (J,) [rad], in words; empty: none."""
        found = ", ".join(filter(None, (arm.outside(q[arm.joints]) for arm in self.arms)))
        return f"outside of the limits, from where only slow ways inward are taken: {found}" if found else ""

    def is_displaced(self, states: Measured) -> bool:
        """By the newest state, the motion has ended, and something else has moved the arm since."""
        settled = states.stamp_ns >= self.timeline.end_ns + _SETTLED_NS and states.at_rest
        return settled and self.is_away(states.stamp_ns, states)

    def is_away(self, now_ns: int, states: Measured) -> bool:
        """The arm is measured elsewhere than commanded, by more than it has sagged since it came to rest."""
        off = states.positions - self.timeline.sample(now_ns)[0]
        sag = np.zeros_like(off) if self._sag is None else self._sag
        return bool(np.max(np.minimum(np.abs(off), np.abs(off - sag))) > _DISPLACED)

    def watch_sag(self, now_ns: int, states: Measured) -> None:
        """Remembers how far below its command the arm stands, once it has settled, within the tracking tolerance."""
        if self._sag is None and now_ns >= self.timeline.end_ns + _SETTLED_NS and states.at_rest:
            off = states.positions - self.timeline.sample(now_ns)[0]
            self._sag = np.where(np.abs(off) <= self.tolerance, off, 0.0)

    def remaining_ns(self, now_ns: int) -> int:
        """Until the motion that was sent comes to rest [ns]; 0 where none is under way."""
        return max(0, self.timeline.end_ns - now_ns) if self.timeline is not None else 0

    def rest_at(self, now_ns: int, q: np.ndarray) -> None:
        """Commanded to stand at q (J,) [rad]."""
        self.timeline = Timeline.resting(now_ns, q)
        self._anchor = self.timeline.q[0]
        self._sag, self._anew = None, True

    def forget(self) -> None:
        """As before the first command."""
        self.timeline = None

    def shift(self, by_ns: int) -> None:
        """The clock was set; the motion that was sent goes on as it was, as trajectory controllers count their own time."""
        if self.timeline is not None:
            self.timeline = self.timeline.shifted(by_ns)
        self.splice_ns += by_ns
        self._from_ns += by_ns
        self.begun_ns += by_ns
        self._in_flight.forget()

    def save(self) -> tuple:
        """For ``restore``: the motion that is commanded."""
        return self.timeline, self.splice_ns, self._from_ns, self.braking, self._sag, self._anchor, self.begun_ns, self._anew

    def restore(self, saved: tuple) -> None:
        """What was planned since ``save``, and not sent, is not commanded."""
        (
            self.timeline, self.splice_ns, self._from_ns, self.braking, self._sag, self._anchor, self.begun_ns, self._anew,
        ) = saved  # fmt: skip

    def splice_instant(self, t_ns: int) -> int:
        """The first instant from t_ns on at which a new motion may take over."""
        return self.timeline.splice_instant(t_ns, self._closest_ns)

    def is_clear(self, t_ns: int) -> bool:
        """A new motion that takes over at t_ns has no knot of the old one so near that rounding would turn into jerk."""
        return self.timeline.splice_instant(t_ns) == t_ns

    def may_send(self, now_ns: int) -> bool:
        """Whether a message sent now is right whether or not the one before has arrived."""
        return self._in_flight.may_send(now_ns)

    def splice(
        self, now_ns: int, splice_ns: int, times_ns: np.ndarray, q: np.ndarray, v: np.ndarray, a: np.ndarray
    ) -> None:
        """From splice_ns on the motion goes through these knots, each array (M, ...), to rest."""
        before, from_ns = self.timeline, splice_ns
        if self._anew and self._in_flight.delays:  # what was sent before, and has not begun, must not begin in the meantime
            from_ns = now_ns + self._brake_margin_ns
            from_ns = from_ns if splice_ns - from_ns >= CLOSEST_KNOTS_NS else splice_ns
            before = Timeline.resting(from_ns, before.q[-1])
        self.timeline = before.spliced(now_ns, splice_ns, times_ns, q, v, a)
        self._sag = None
        self.splice_ns, self._from_ns = splice_ns, from_ns
        if self._anew:
            self.begun_ns, self._anew = splice_ns, False
        self.braking = False

    def tool_positions(self, times_ns: np.ndarray, arm: int) -> np.ndarray:
        """Where the tool of an arm is commanded to be, in its base frame. Shape (N, 3) [m]."""
        entry = self.arms[arm]
        return entry.model.forward_batch(self.timeline.sample(times_ns)[0][:, entry.joints])[:, :3, 3]

    def tool_path(self, now_ns: int, arm: int) -> np.ndarray:
        """The same from now to the end of the motion; one row where the arm stands, none before the first command."""
        if self.timeline is None:
            return np.zeros((0, 3))
        count = _PATH_SAMPLES if self.moving(now_ns) else 1
        return self.tool_positions(np.linspace(now_ns, self.timeline.end_ns, count).astype(np.int64), arm)

    def hold(self, now_ns: int, q: np.ndarray) -> None:
        """Commanded to stand at q (J,) [rad] from now on, whatever was commanded before."""
        begin_ns = now_ns + (self._brake_margin_ns if self._in_flight.delays else 0)
        q = np.stack([q, q])
        self._anchor = q[0]
        times = np.array([begin_ns, begin_ns + _HOLD_NS], dtype=np.int64)
        self.timeline = Timeline(times, q, np.zeros_like(q), np.zeros_like(q))
        self._sag, self._anew = None, False
        self.splice_ns = self._from_ns = self.begun_ns = begin_ns
        self.braking = True

    def brake_from(self, now_ns: int, begin_ns: int, motion: Callable[[int], State]) -> bool | None:
        """Takes the shortest way to rest from a motion that is not the commanded one: position [rad], velocity and
        acceleration, each (J,), by instant [ns]. It takes over at begin_ns, ahead of now_ns. None: there is no such way within
        the limits.
        """
        state = motion(begin_ns)
        stop = self.ways.stop(state, state[0])
        if stop is None:
            return None
        # From a little before, so that the trajectory controller samples between knots from its first cycle on, and at the
        # knots of the old motion, so that arms which follow it go on as they did.
        old = self.timeline.times_ns
        running = old[self.timeline.running_knot(now_ns) :]
        before = np.unique(np.append(running[running < begin_ns - CLOSEST_KNOTS_NS], now_ns - _HISTORY_NS))
        knots = [*(motion(int(t)) for t in before), state]
        end = stop.q_end, np.zeros_like(stop.q_end), np.zeros_like(stop.q_end)
        times = np.append(before, [begin_ns, begin_ns + stop.duration_ns]).astype(np.int64)
        self.timeline = Timeline(times, *(np.stack(column) for column in zip(*knots, end)))
        self._anchor, self._sag, self._anew, self.braking = state[0], None, False, True
        self.splice_ns = self._from_ns = self.begun_ns = begin_ns
        return True

    @property
    def brake_margin_ns(self) -> int:
        """From now to the instant at which a stop takes over [ns]."""
        return self._brake_margin_ns

    def brake(self, now_ns: int, sending: Sending) -> bool | None:
        """Takes the shortest way to rest within the limits.

        False: the arm stands, or comes to rest as soon anyway. None: there is no such way at this moment, or this computer
        is too busy to send it in time; the motion goes on to its own end, and asking again may help.
        """
        if not self.moving(now_ns):
            return False
        for attempt in range(_BRAKE_ATTEMPTS):
            from_ns = sending.now(now_ns) if attempt else now_ns
            splice_ns = self.timeline.splice_instant(from_ns + self._brake_margin_ns * 2 ** max(0, attempt - 1))
            stop = self._stop_from(splice_ns)
            if not sending.too_late(splice_ns):
                break
        else:
            return None
        if stop is None:
            return None
        if splice_ns + stop.duration_ns >= self.timeline.end_ns:
            return False
        rest = stop.q_end[None]
        times = np.array([splice_ns + stop.duration_ns], dtype=np.int64)
        self.splice(now_ns, splice_ns, times, rest, np.zeros_like(rest), np.zeros_like(rest))
        self.braking = True
        return True

    def _stop_from(self, splice_ns: int) -> Segment | None:
        return self.ways.stop(self.timeline.sample(splice_ns), self._anchor)

    def go_home(self, now_ns: int, share: float, sending: Sending) -> str | None:
        """Stops, then moves all joints together to the card's home. Returns why not, where that is not possible.

        share: of each limit on speed, acceleration and jerk. Looking for a way around what is in the way takes up to a
        second, and begins at rest only.
        """
        if not self.may_send(now_ns):
            return "the trajectory before it may still be on its way: ask again"
        at_rest, waypoints = not self.moving(now_ns), [self._home_path.home]
        for _ in range(_HOME_TRIES):
            splice_ns = self.timeline.splice_instant(now_ns + self._margin_ns)
            stops: list[Segment] = []
            start = self.timeline.sample(splice_ns)[0]
            if splice_ns < self.timeline.end_ns:
                stop = self._stop_from(splice_ns)
                if stop is None:
                    return "there is no stop within the limits before the motion under way ends"
                start = stop.q_end
                stops.append(stop)
            legs = self.ways.legs(start, waypoints, share)
            if isinstance(legs, str) and len(waypoints) == 1:
                if not at_rest:
                    return f"{legs}; a way around is looked for at rest: stop, then ask again"
                around = self._home_path.around(start)
                if around is None:
                    return f"{legs}, and no way around was found"
                waypoints = around
                legs = self.ways.legs(start, waypoints, share)
            if isinstance(legs, str):
                return legs
            if not sending.too_late(splice_ns):
                times = splice_ns + np.cumsum([part.duration_ns for part in stops + legs])
                q = np.stack([part.q_end for part in stops + legs])
                self.splice(now_ns, splice_ns, times.astype(np.int64), q, np.zeros_like(q), np.zeros_like(q))
                return None
            now_ns = sending.now(now_ns)
        return "this computer is too busy to plan the way home in time: ask again"

    def messages(self, now_ns: int) -> list[JointTrajectory]:
        """The motion from now on in the form that each arm's replacement rule needs.

        legacy: from the running knot at or before now, so that the joint trajectory controller samples between our
        knots from its first cycle on, whatever state it believes in. splice: from the splice, which lies ahead of now, or
        from an earlier one whose message may not have arrived yet; of a motion that does not continue the one before,
        from as soon as it can arrive.
        """
        begin_ns = self._in_flight.begin(now_ns, self._from_ns)
        messages = []
        for arm in self.arms:
            first_ns = now_ns if arm.card.replacement_rule == "legacy" else begin_ns
            times, q, v, a = self.timeline.knots_from(first_ns, _EARLIEST_NS)
            messages.append(
                JointTrajectory(
                    topic=arm.card.trajectory_topic,
                    stamp_ns=int(times[0]),
                    joint_names=tuple(arm.card.joints),
                    times_ns=times - times[0],
                    positions=q[:, arm.joints],
                    velocities=v[:, arm.joints],
                    accelerations=a[:, arm.joints],
                )
            )
        return messages
