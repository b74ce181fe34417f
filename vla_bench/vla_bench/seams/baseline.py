"""The baseline: what common ROS code does with the same points. Cubics, replaced on arrival."""

from __future__ import annotations

import numpy as np

from vla_bench.rig.run import MS, Executed, SeamRun
from vla_motion.kinematics import inverse
from vla_motion.spline import SplineTrajectory

CLEARANCE_NS = 50 * MS
"""Half a step: how far ahead of its arrival a considerate sender begins [ns]."""


def cubic_baseline(run: SeamRun, *, clearance_ns: int = CLEARANCE_NS) -> Executed:
    """A controller that sends every chunk's targets to the joint trajectory controller the moment they arrive.

    The targets are those of the run's chunks, with the same anchors and due times. What is past is left out, and so is
    what is due within clearance_ns, which spares it the leap to a point only just ahead. Inverse kinematics to 1 um, from
    where the run's own plan has the joints at that time, so that elbows agree. Velocities are central differences over
    neighbouring targets, zero at the last. The joint trajectory controller goes on from its own desired position and
    velocity, so neither jumps; between points that carry positions and velocities its segments are cubics.
    """
    ours = run.executed()
    begins: list[int] = []
    curves: list[SplineTrajectory] = []
    for change in run.changes:
        start = (curves[-1] if curves else change.curve).sample(change.now_ns)
        times, T = change.targets()
        before = (times < change.begins_ns)[:, None]
        seeds = np.where(before, ours.sample(times)[0], change.curve.sample(times)[0])
        q = np.array(
            [
                inverse(run.model, pose, seed, position_tolerance=1e-6, rotation_tolerance=1e-5).q
                for pose, seed in zip(T, seeds)
            ]
        )
        v = np.zeros_like(q)
        v[1:-1] = (q[2:] - q[:-2]) / ((times[2:] - times[:-2]) * 1e-9)[:, None]
        ahead = times > change.now_ns + clearance_ns
        if not ahead.any():
            continue
        begins.append(change.now_ns)
        curves.append(
            SplineTrajectory(
                np.concatenate([[change.now_ns], times[ahead]]),
                np.concatenate([start[0][None], q[ahead]]),
                np.concatenate([start[1][None], v[ahead]]),
            )
        )
    return Executed(begins, curves)
