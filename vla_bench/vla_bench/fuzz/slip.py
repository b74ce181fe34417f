"""An episode's messages through the full joint trajectory controller endpoint, cycle by cycle, beside the sampler.

Under the legacy rule the two agree. Under the splice rule the endpoint differs from the sampler by design of the real
controller: at each arrival it repeats one control period of the old motion (measured at 1 kHz: the period is 1 ms), and a
message that another one overtakes within a control cycle is never played. Neither is the planner's doing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vla_bench.fuzz.curve import CYCLE_NS, Executed
from vla_sim.jtc import JointTrajectoryEndpoint


def endpoint_curve(
    deliveries: Sequence[tuple],
    aheads: Sequence[tuple[int, int]],
    rule: str,
    joints: Sequence[str],
    rest: np.ndarray,
    begin_ns: int,
    end_ns: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Instants (N,) [ns of physical time] and commanded states (N, 3, J) of the endpoint at 1 kHz.

    deliveries: (message, arrival [ns], clock minus physical time [ns]) in order. aheads: (since, clock minus
    physical time), both [ns], in order. rest (J,) [rad]: measured at first.
    """
    endpoint = JointTrajectoryEndpoint(joints, CYCLE_NS, rule=rule)
    times = np.arange(-(-begin_ns // CYCLE_NS) * CYCLE_NS, end_ns, CYCLE_NS, dtype=np.int64)
    states = np.empty((len(times), 3, len(rest)))
    measured, place, era = np.array(rest, dtype=np.float64), 0, 0
    for i, now in enumerate(times.tolist()):
        while era + 1 < len(aheads) and aheads[era + 1][0] <= now:
            era += 1
        ahead = aheads[era][1]
        while place < len(deliveries) and deliveries[place][1] <= now:
            message, arrival, then = deliveries[place]
            endpoint.submit(message, arrival + then)
            place += 1
        states[i] = endpoint.update(now + ahead, CYCLE_NS, measured, None)
        measured = states[i, 0]
    return times + CYCLE_NS, states


def slip(
    executed: Executed, deliveries: Sequence[tuple], aheads: Sequence[tuple[int, int]], joints: Sequence[str]
) -> dict[str, float]:
    """Largest distance between endpoint and sampler at 1 kHz: position [rad] and velocity [rad/s].

    Left out: the cycle in which a motion begins anew where the arm stands. The endpoint commands it one cycle later, and
    only there, where the commanded position jumps, does that show.
    """
    if not deliveries:
        return {"position_rad": 0.0, "velocity_rad_s": 0.0}
    end_ns = executed.end_ns + 100 * CYCLE_NS
    begin_ns = deliveries[0][1]
    times, states = endpoint_curve(deliveries, aheads, executed.rule, joints, executed.rest, begin_ns, end_ns)
    anew = [part.start_ns for part in executed.parts if part.anchored]
    same = ~np.isin(times, anew)
    times, states = times[same], states[same]
    ideal = np.stack([executed.at(int(t)) for t in times])
    return {
        "position_rad": float(np.abs(states[:, 0] - ideal[:, 0]).max()),
        "velocity_rad_s": float(np.abs(np.nan_to_num(states[:, 1]) - ideal[:, 1]).max()),
    }
