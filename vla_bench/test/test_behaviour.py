"""The digests notice a bit, the comparison names what is otherwise, and the shipped recording still holds."""

import numpy as np
import pytest

from vla_bench.behaviour.digest import Digest
from vla_bench.behaviour.recorded import ROUNDS, SHIPPED, BehaviourError, Recorded
from vla_bench.behaviour.streams import stream_digest
from vla_bench.machine import describe_machine
from vla_contract.report import ChunkReport, Phase, Verdict


def digest(*values):
    made = Digest()
    for value in values:
        made.feed(value)
    return made.hexdigest()


def report(**changes):
    return ChunkReport(**{"stamp_ns": 1, "phase": Phase.CLOSED, "run_id": "5" * 32, "sequence": 3, "chunk_stamp_ns": 2,
                          "verdict": Verdict.ACCEPTED, "anchor": (0.1, 0.2), **changes})  # fmt: skip


@pytest.mark.parametrize("change", [
    {"stamp_ns": 2}, {"verdict": Verdict.BRAKE}, {"anchor": (0.1, np.nextafter(0.2, 1.0))}, {"message": "x"},
    {"step_stamps_ns": np.array([5])},
])  # fmt: skip
def test_one_bit_of_a_report_changes_the_digest(change):
    assert digest(report()) == digest(report()) != digest(report(**change))


def test_values_that_only_look_alike_differ():
    assert digest(np.zeros(4)) != digest(np.zeros(4, np.float32)) and digest(np.zeros((2, 2))) != digest(np.zeros(4))
    assert digest([1, [2]]) != digest([1, 2]) and digest(True) != digest(1.0)


def test_what_differs_is_named_and_what_is_not_in_both_is_not(tmp_path):
    old = Recorded({"processor": "p"}, {0: "a", 1: "b"}, {"pick": ["x", "y"]})
    old.save(tmp_path / "old.json")
    again = Recorded.load(tmp_path / "old.json")
    assert again.changed(Recorded({}, {0: "a", 1: "c", 2: "d"}, {"pick": ["x", "z"], "stack": ["w"]})) == ([1], [("pick", 1)])


def test_a_file_that_is_no_recording_is_named(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    for path in (tmp_path / "x.json", tmp_path / "none.json"):
        with pytest.raises(BehaviourError, match=path.name):
            Recorded.load(path)


def test_streams_are_still_those_that_were_recorded():
    """Where sums are rounded otherwise than in the recording: that a stream is the same twice."""
    known = Recorded.load(SHIPPED)
    here = describe_machine()
    same = all(known.machine.get(what) == here[what] for what in ROUNDS)
    for seed in (3, 400, 1201):
        assert stream_digest(seed)[1] == (known.streams[seed] if same else stream_digest(seed)[1])
