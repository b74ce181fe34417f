"""What a joint trajectory controller executes of the messages it gets. Shares no code with the packages under test."""

from __future__ import annotations

import numpy as np


def quintic(duration, start, end, t):
    """q, v, a, jerk at t [s] of the quintic with these (q, v, a) at both ends, by solving its six conditions."""
    T = duration
    A = np.array(
        [
            [1, 0, 0, 0, 0, 0],
            [0, 1, 0, 0, 0, 0],
            [0, 0, 2, 0, 0, 0],
            [1, T, T**2, T**3, T**4, T**5],
            [0, 1, 2 * T, 3 * T**2, 4 * T**3, 5 * T**4],
            [0, 0, 2, 6 * T, 12 * T**2, 20 * T**3],
        ],
        dtype=float,
    )
    # rows and columns brought to one size, for segments of a few milliseconds
    scale = T ** np.arange(6.0)
    rows = np.tile(T ** np.arange(3.0), 2)
    c = np.linalg.solve(rows[:, None] * A / scale, rows[:, None] * np.vstack([*start, *end])) / scale[:, None]
    powers = np.array([t**k for k in range(6)])
    q = powers @ c
    v = np.array([k * t ** (k - 1) if k else 0.0 for k in range(6)]) @ c
    a = np.array([k * (k - 1) * t ** (k - 2) if k > 1 else 0.0 for k in range(6)]) @ c
    j = np.array([k * (k - 1) * (k - 2) * t ** (k - 3) if k > 2 else 0.0 for k in range(6)]) @ c
    return q, v, a, j


def sample(message, t_ns):
    """q, v, a, jerk of one trajectory message at an instant, before its first point and after its last one held."""
    times = [message.stamp_ns + int(t) for t in message.times_ns]
    zero = np.zeros(len(message.joint_names))
    if t_ns < times[0]:
        return message.positions[0], zero, zero, zero
    if t_ns >= times[-1]:
        return message.positions[-1], message.velocities[-1], message.accelerations[-1], zero
    k = max(i for i, t in enumerate(times) if t <= t_ns)
    ends = [(message.positions[i], message.velocities[i], message.accelerations[i]) for i in (k, k + 1)]
    return quintic((times[k + 1] - times[k]) * 1e-9, *ends, (t_ns - times[k]) * 1e-9)


def executed(messages, arrivals_ns, rule, t_ns):
    """State at t_ns when messages arrived at these instants: legacy replaces at once, splice at the stamp."""
    chosen = None
    for message, arrival in zip(messages, arrivals_ns):
        if t_ns >= (arrival if rule == "legacy" else max(arrival, message.stamp_ns)):
            chosen = message
    return sample(chosen, t_ns)


def executed_curve(messages, arrivals_ns, rule, start_ns, end_ns, step_ns=1_000_000):
    """Times (M,), then q, v, a, jerk (M, J) at each."""
    times = np.arange(start_ns, end_ns, step_ns)
    rows = [executed(messages, arrivals_ns, rule, int(t)) for t in times]
    return (times, *(np.array(column) for column in zip(*rows)))
