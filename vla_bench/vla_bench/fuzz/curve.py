"""What a joint trajectory controller executes of the messages that reach it: a sampler of its own, in physical time.

Physical time [ns] never jumps; the nodes' clock may. A message's stamp is of that clock, so its place in physical time is
fixed when it is taken up, as the real controller does. A control cycle is 1 ms.

legacy: at the first cycle after its arrival the new message is all there is, sampled at the instant. splice: the old
motion runs until the new one's stamp, then the new one. The real controller with the splice rule also repeats one control
period of the old motion when a message arrives, and drops a message that another one overtakes within a cycle: both
happen below the messages, whatever they say, and are measured apart (see ``slip``), not counted against the planner. So
is its start from a hold, where it moves at once toward the first point: a way as short as the noise of the joint states.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

CYCLE_NS = 1_000_000
_END_VELOCITY = 1.19e-7  # the controller refuses a last point that moves faster


def hermite(h: np.ndarray, q: np.ndarray, v: np.ndarray | None, a: np.ndarray | None) -> np.ndarray:
    """Coefficients (6, K, J) in s = t / h of the K segments between K + 1 points, each array (K + 1, J); h (K,) [s].

    Quintic where points carry accelerations, cubic with velocities alone, a line with positions alone.
    """
    h = h[:, None]
    d = q[1:] - q[:-1]
    zero = np.zeros_like(d)
    if v is None:
        return np.stack([q[:-1], d, zero, zero, zero, zero])
    v0, v1 = v[:-1] * h, v[1:] * h
    if a is None:
        return np.stack([q[:-1], v0, 3.0 * d - 2.0 * v0 - v1, v0 + v1 - 2.0 * d, zero, zero])
    a0, a1 = a[:-1] * h * h, a[1:] * h * h
    return np.stack(
        [
            q[:-1],
            v0,
            a0 / 2.0,
            10.0 * d - 6.0 * v0 - 4.0 * v1 - 1.5 * a0 + 0.5 * a1,
            -15.0 * d + 8.0 * v0 + 7.0 * v1 + 1.5 * a0 - a1,
            6.0 * d - 3.0 * (v0 + v1) + 0.5 * (a1 - a0),
        ]
    )


def evaluate(c: np.ndarray, s: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Position, velocity, acceleration, jerk (4, ...) of polynomials c (6, ...) at s = t / h; s and h broadcast."""
    c0, c1, c2, c3, c4, c5 = c
    q = c0 + s * (c1 + s * (c2 + s * (c3 + s * (c4 + s * c5))))
    v = c1 + s * (2.0 * c2 + s * (3.0 * c3 + s * (4.0 * c4 + s * 5.0 * c5)))
    a = 2.0 * c2 + s * (6.0 * c3 + s * (12.0 * c4 + s * 20.0 * c5))
    j = 6.0 * c3 + s * (24.0 * c4 + s * 60.0 * c5)
    return np.stack([q, v / h, a / h**2, j / h**3])


@dataclass
class Path:
    """A message in physical time: knots t_ns (K + 1,) and the coefficients (6, K, J) between them, held after the end.

    end (3, J): the state from the last knot on. chunk: index of the chunk or event that made it.
    """

    t_ns: np.ndarray
    c: np.ndarray
    end: np.ndarray
    chunk: int

    @property
    def end_ns(self) -> int:
        return int(self.t_ns[-1])

    def at(self, t_ns: int) -> np.ndarray:
        """Position, velocity, acceleration (3, J) at an instant not before the first knot."""
        if t_ns >= self.t_ns[-1]:
            return self.end
        k = max(0, int(np.searchsorted(self.t_ns, t_ns, side="right")) - 1)
        h = float(self.t_ns[k + 1] - self.t_ns[k])
        s, h = (t_ns - int(self.t_ns[k])) / h, h * 1e-9
        s2, s3, s4 = s * s, s**3, s**4
        powers = np.array(
            [
                [1.0, s, s2, s3, s4, s2 * s3],
                [0.0, 1.0 / h, 2.0 * s / h, 3.0 * s2 / h, 4.0 * s3 / h, 5.0 * s4 / h],
                [0.0, 0.0, 2.0 / h**2, 6.0 * s / h**2, 12.0 * s2 / h**2, 20.0 * s3 / h**2],
            ]
        )
        return powers @ self.c[:, k]


def path_of(message, base_ns: int, chunk: int, before: tuple[int, np.ndarray] | None = None) -> Path:
    """The path of a message whose times count from base_ns. before: an instant and state (3, J) to come from."""
    t = base_ns + message.times_ns
    q, v, a = message.positions, message.velocities, message.accelerations
    if before is not None:
        t = np.concatenate([[before[0]], t])
        q = np.vstack([before[1][:1], q])
        v = None if v is None else np.vstack([before[1][1:2], v])
        a = None if a is None else np.vstack([before[1][2:3], a])
    end = np.zeros((3, q.shape[1]))
    end[0] = q[-1]
    if v is not None:
        end[1] = v[-1]
    if a is not None:
        end[2] = a[-1]
    return Path(t, hermite(np.diff(t) * 1e-9, q, v, a), end, chunk)


def refusal(message, joints: tuple[str, ...], clock_ns: int) -> str:
    """Why the controller would not take this message, or what is not finite in it; "" where all is well."""
    if tuple(message.joint_names) != tuple(joints):
        return "joint names"
    if not len(message.times_ns):
        return "no points"
    for values in (message.positions, message.velocities, message.accelerations):
        if values is not None and not np.isfinite(values).all():
            return "not finite"
    if message.velocities is not None and np.any(np.abs(message.velocities[-1]) > _END_VELOCITY):
        return "moves at its end"
    if np.any(np.diff(message.times_ns) <= 0):
        return "times do not increase"
    if message.stamp_ns and message.stamp_ns + int(message.times_ns[-1]) < clock_ns:
        return "already over"
    return ""


@dataclass
class Part:
    """The path that rules from start_ns on. before, after (3, J): the states of the old and this path at that instant.

    anchored: it begins anew where the arm stands, not where it was commanded. late_ns: how long after its stamp a
    message of the splice rule came, 0 where it was in time. instead: it takes the place of an anchored one that never began;
    one that begins at the very anchor is anchored, too. trouble: what made the motion leap there, where that is not the
    controller's doing; else "".
    """

    start_ns: int
    path: Path
    before: np.ndarray
    after: np.ndarray
    late_ns: int = 0
    anchored: bool = False
    instead: bool = False
    trouble: str = ""


@dataclass
class Executed:
    """The executed motion of one arm, message by message.

    rule: "legacy" or "splice". parts: in order; the first one is the rest before the first message. overtaken: messages
    of the splice rule that the real controller would have dropped, because a later-stamped one came within its cycle.
    """

    rule: str
    rest: np.ndarray
    overtaken: int = 0
    parts: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cycle_ns = -1
        state = np.zeros((3, len(self.rest)))
        state[0] = self.rest
        path = Path(np.array([0]), np.zeros((6, 0, len(self.rest))), state, -1)
        self.parts.append(Part(0, path, state, state))

    def at(self, t_ns: int) -> np.ndarray:
        """Position, velocity, acceleration (3, J) at a physical instant."""
        for part in reversed(self.parts):
            if part.start_ns <= t_ns:
                return part.path.at(t_ns)
        raise ValueError(f"{t_ns} lies before the first instant")

    @property
    def end_ns(self) -> int:
        """When all that has arrived so far comes to rest."""
        return self.parts[-1].path.end_ns

    def stand(self, now_ns: int, q: np.ndarray, trouble: str) -> Part:
        """Whatever was sent is dropped: from the next cycle on the arm is held at q (J,) [rad]."""
        start = -(-now_ns // CYCLE_NS) * CYCLE_NS
        before = self.at(start)
        while self.parts[-1].start_ns >= start and len(self.parts) > 1:
            self.parts.pop()
        rest = np.zeros_like(before)
        rest[0] = q
        path = Path(np.array([start]), np.zeros((6, 0, len(q))), rest, self.parts[-1].path.chunk)
        self.parts.append(Part(start, path, before, rest, trouble=trouble))
        return self.parts[-1]

    def take(self, message, arrival_ns: int, clock_ahead_ns: int, chunk: int) -> Part:
        """A message arrives; clock_ahead_ns: the node's clock minus physical time at that instant."""
        cycle = -(-arrival_ns // CYCLE_NS) * CYCLE_NS
        base = message.stamp_ns - clock_ahead_ns if message.stamp_ns else cycle
        start, late, come_from = cycle, 0, None
        if self.rule == "splice":
            if base <= arrival_ns:  # a stamp that is not ahead is ignored: every point is played from now
                late, base = arrival_ns - base, cycle
            start = max(base, cycle)
            before = self.at(start)
            if message.times_ns[0] > 0:
                come_from = (start, before)
        else:
            before = self.at(start)
            if base + int(message.times_ns[0]) > start:  # at once toward the first point, from the last command
                come_from = (start - CYCLE_NS, before)
        if self.rule == "splice" and cycle == self._cycle_ns and start > self.parts[-1].start_ns:
            self.overtaken += 1
        self._cycle_ns = cycle
        path = path_of(message, base, chunk, come_from)
        part = Part(start, path, before, path.at(start), late)
        while self.parts[-1].start_ns >= start and len(self.parts) > 1:
            gone = self.parts.pop()
            part.instead |= gone.anchored
            if gone.start_ns == start:  # it never began, so the step is of the same cause
                part.trouble = part.trouble or gone.trouble
            # replaced in the cycle in which it would have begun: the anchor is handed on with the position
            part.anchored |= gone.anchored and gone.start_ns == start and bool(np.array_equal(gone.after[0], part.after[0]))
        self.parts.append(part)
        return part
