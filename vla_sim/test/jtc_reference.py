"""The reference vectors of the joint trajectory controller, read for the tests."""

import gzip
import json
import os
from pathlib import Path

import numpy as np

from vla_sim.jtc_message import TrajectoryMessage, TrajectoryPoint

TOLERANCE = 1e-9  # relative to 1 + |value|
RULES = {"master": "splice", "master_hard": "newest_without_splice", "jazzy": "legacy"}
_FIELDS = ("positions", "velocities", "accelerations", "effort")

_folder = Path(os.environ.get("JTC_REFERENCE") or Path(__file__).parent / "data")
CONTENT = json.loads(gzip.decompress((_folder / "jtc_reference.json.gz").read_bytes()))
_VALUES = np.load(_folder / "jtc_reference.npz")["values"]


def block(where):
    offset, rows, columns = where
    return _VALUES[offset : offset + rows * columns].reshape(rows, columns)


def point(row):
    fields = (np.array([float(x) for x in row[name]]) if row.get(name) else None for name in _FIELDS)
    return TrajectoryPoint(row.get("time_from_start_ns", 0), *fields)


def message(row):
    return TrajectoryMessage(row["stamp_ns"], tuple(row["joint_names"]), [point(p) for p in row["points"]])


def difference(value, expected):
    """Largest difference relative to 1 + |expected|; infinite where only one of both has a number."""
    value, expected = np.asarray(value, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if (np.isnan(value) != np.isnan(expected)).any():
        return np.inf
    return float(np.nanmax(np.abs(value - expected) / (1.0 + np.abs(expected)), initial=0.0))


def cycle_times(scenario):
    times = scenario["cycle_times_ns"]
    if isinstance(times, dict):
        return [times["first"] + i * times["step"] for i in range(times["count"])]
    return times
