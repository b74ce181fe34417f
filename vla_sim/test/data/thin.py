"""Thins the full set of reference vectors: thin.py FULL_FOLDER TARGET_FOLDER [--all]; with --all nothing
is left out.
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np


class Table:
    """Rows of numbers put one behind the other; each block is found again by its offset and shape."""

    def __init__(self):
        self.blocks, self.length = [], 0

    def add(self, columns):
        block = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])
        self.blocks.append(block.ravel())
        self.length += block.size
        return [self.length - block.size, *block.shape]

    def array(self):
        return np.concatenate(self.blocks)


def spread(count, kept, always=()):
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, kept))} | {i for i in always if i < count})


def thin_class(full, kept, table):
    text = json.loads((full / "trajectory_class.json").read_text())
    arrays = np.load(full / "trajectory_class.npz")
    for vector in text["vectors"]:
        query = vector["query_ns"]
        if isinstance(query, dict):
            query = list(range(query["first"], query["last"] + 1, query["step"]))
        rows = spread(len(query), kept if len(query) > 90 else len(query))
        vector["query_ns"] = [query[i] for i in rows]
        vector.pop("points_after_sampling", None)
        blocks = {}
        for label in ("master", "jazzy"):
            same = label == "master" or vector["jazzy_kilted_identical_to_master"]
            stem = vector["arrays"] if same else vector["arrays"] + ".jazzy"
            blocks[label] = (
                blocks["master"]
                if same and blocks
                else table.add(
                    arrays[f"{stem}.{field}"][rows] for field in ("position", "velocity", "acceleration", "segment")
                )
            )
        vector["blocks"] = blocks
    return text


def thin_controller(full, kept, table):
    text = json.loads((full / "controller.json").read_text())
    arrays = np.load(full / "controller.npz")
    for scenario in text["scenarios"]:
        times = scenario["cycle_times_ns"]
        count = times["count"] if isinstance(times, dict) else len(times)
        around = [event["cycle"] + shift for event in scenario["events"] for shift in (0, 1)]
        rows = scenario["checked_cycles"] = spread(count, kept, around)
        blocks = {}
        for run in scenario["runs"]:
            stem = run["arrays"]
            if stem not in blocks:
                absent = np.full_like(arrays[f"{stem}.des_p"], np.nan)
                fields = [
                    arrays[f"{stem}.{field}"] if f"{stem}.{field}" in arrays.files else absent
                    for field in ("des_p", "des_v", "des_a", "cmd_p", "clock")
                ]
                blocks[stem] = table.add(field[rows] for field in fields)
            run["block"] = blocks[stem]
            scenario["first_position"] = arrays[f"{stem}.state_p"][0].tolist()
            run["marks"] = [
                {
                    "cycle": mark["cycle"],
                    "accepted": mark["accepted"],
                    "times_ns": [
                        point["time_from_start_ns"] for point in mark["active_message_after_update"]["points"]
                    ],
                }
                for mark in run["marks"]
                if "accepted" in mark
            ]
    return text


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    everything = "--all" in sys.argv
    numbers = Table()
    content = {
        "class": thin_class(source, 10**9 if everything else 12, numbers),
        "controller": thin_controller(source, 10**9 if everything else 10, numbers),
        "validation": json.loads((source / "validation.json").read_text()),
    }
    encoded = json.dumps(content, separators=(",", ":")).encode()
    (target / "jtc_reference.json.gz").write_bytes(gzip.compress(encoded, mtime=0))
    np.savez_compressed(target / "jtc_reference.npz", values=numbers.array())
