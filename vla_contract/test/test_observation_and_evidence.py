"""Observations as rows, and rows as lines of a file."""

import hashlib
import json
import resource
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from test_chunk_and_report import make_chunk, make_report

from vla_contract.evidence import EvidenceError, EvidenceWriter, chunk_row, observation_row, read_rows, report_row
from vla_contract.observation import ObservationShapeError, VLAObservation


def make_observation(**changes) -> VLAObservation:
    fields = dict(
        stamp_ns=10, images={"front": np.full((4, 6, 3), 7, np.uint8), "wrist": np.zeros((2, 2, 3), np.uint8)},
        image_stamps_ns={"front": 10, "wrist": 12}, state=np.array([0.5, -1.0]), state_names=("j1.position", "j2.position"),
        state_stamp_ns=11, instruction="pick up the red block",
    )  # fmt: skip
    return VLAObservation(**{**fields, **changes})


def test_a_row_has_stamps_sizes_digests_and_named_state():
    row = json.loads(json.dumps(make_observation().as_row(), allow_nan=False))
    assert row["images"]["front"] == {
        "stamp_ns": 10, "height": 4, "width": 6, "sha256": hashlib.sha256(bytes([7]) * 72).hexdigest(),
    }  # fmt: skip
    assert row["state"] == {"j1.position": 0.5, "j2.position": -1.0}
    assert (row["stamp_ns"], row["state_stamp_ns"], row["instruction"]) == (10, 11, "pick up the red block")


def test_the_digest_is_of_the_image_not_of_its_place_in_memory():
    image = np.random.default_rng(0).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    stored_backwards = image[:, :, ::-1].copy()[:, :, ::-1]
    digests = {
        make_observation(images={"front": im, "wrist": im}).as_row()["images"]["front"]["sha256"]
        for im in (image, stored_backwards)
    }
    changed = image.copy()
    changed[3, 5, 2] ^= 1
    other = make_observation(images={"front": changed, "wrist": changed}).as_row()["images"]["front"]["sha256"]
    assert len(digests) == 1 and other not in digests


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(images={"front": np.zeros((4, 6), np.uint8)}), r"image front: .*\(4, 6\)"),
        (dict(images={"front": np.zeros((4, 6, 3))}), "image front: float64"),
        (dict(image_stamps_ns={"front": 1}), r"image_stamps_ns: stamps of \['front'\], images of \['front', 'wrist'\]"),
        (dict(state=np.zeros(3)), r"state: shape \(3,\), 2 names need \(2,\)"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ObservationShapeError, match=message):
        make_observation(**changes)


def test_an_observation_keeps_its_own_state_and_nobody_changes_it():
    given = np.array([0.75, -1.5])
    seen = make_observation(state=given)
    given[1] = 9.0
    with pytest.raises(ValueError, match="read-only"):
        seen.state[0] = 8.0
    assert seen.state.tolist() == [0.75, -1.5] and given.flags.writeable


def test_rows_come_back_from_the_file(tmp_path):
    chunk = make_chunk([[1, np.nan, np.inf]], sequence=3)
    report = make_report(
        phase=1, verdict=2, clamps=[(0, "velocity j1", 0.25)], planned_actions=[[1, 2, 3]], step_stamps_ns=[99]
    )
    with EvidenceWriter(tmp_path / "out" / "run" / "evidence.jsonl") as writer:
        writer.write(observation_row(make_observation(), chunk.run_id, 3))
        writer.write(chunk_row(chunk))
        writer.write(report_row(report))
    seen, decided, done = read_rows(tmp_path / "out" / "run" / "evidence.jsonl")
    assert (seen["kind"], decided["kind"], done["kind"]) == ("observation", "chunk", "report")
    assert seen["run_id"] == decided["run_id"] and seen["sequence"] == 3
    assert decided["action_space"] == "EE_DELTA" and decided["horizon"] == 1
    assert [str(float(v)) for v in decided["actions"][0]] == ["1.0", "nan", "inf"]
    assert (done["phase"], done["verdict"]) == ("CLOSED", "NOT_FINITE")
    assert done["clamps"] == [{"step": 0, "limit": "velocity j1", "amount": 0.25}]
    assert done["planned_actions"] == [[1, 2, 3]] and done["step_stamps_ns"] == [99]


def test_every_row_is_on_disk_before_the_file_is_closed(tmp_path):
    writer = EvidenceWriter(tmp_path / "a.jsonl")
    writer.write({"n": 1})
    assert (tmp_path / "a.jsonl").read_text() == '{"n":1}\n'
    writer.close()


def test_threads_do_not_split_each_others_lines(tmp_path):
    with EvidenceWriter(tmp_path / "a.jsonl") as writer:

        def write(number: int) -> None:
            for _ in range(50):
                writer.write({"i": number, "x": "y" * 500})

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rows = list(read_rows(tmp_path / "a.jsonl"))
    assert sorted(row["i"] for row in rows) == sorted([0, 1, 2, 3] * 50)


def test_a_line_cut_by_a_crash_does_not_swallow_the_next(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\n{"n": 2')
    with EvidenceWriter(path) as writer:
        writer.write({"n": 3})
    rows = read_rows(path)
    assert next(rows) == {"n": 1}
    with pytest.raises(EvidenceError, match=r"a\.jsonl: line 2: not JSON"):
        next(rows)
    assert path.read_text().endswith('\n{"n":3}\n')


@contextmanager
def room_for(size):
    """Files of this process cannot grow beyond this many bytes: a write across it is cut short, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_cut_short_is_an_error_that_names_the_file_and_leaves_whole_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    with EvidenceWriter(path) as writer:
        writer.write({"n": 1})
        with room_for(20), pytest.raises(OSError) as error:
            writer.write({"n": 2, "x": "y" * 100})
        assert error.value.filename == str(path) and error.value.strerror == "File too large"
        assert path.read_text() == '{"n":1}\n', "no fragment that the next row could be glued to"
        writer.write({"n": 3})
    assert list(read_rows(path)) == [{"n": 1}, {"n": 3}]


def test_a_device_without_space_is_named():
    with EvidenceWriter("/dev/full") as writer, pytest.raises(OSError, match="No space left.*/dev/full"):
        writer.write({"n": 1})


def test_a_write_in_two_pieces_is_one_line(tmp_path, monkeypatch):
    class Slow:
        """A file that takes at most ten bytes at a time."""

        def __init__(self, file):
            self._file = file

        def write(self, data):
            return self._file.write(bytes(data[:10]))

        def __getattr__(self, name):
            return getattr(self._file, name)

    writer = EvidenceWriter(tmp_path / "a.jsonl")
    writer._file = Slow(writer._file)
    writer.write({"text": "longer than ten bytes"})
    writer.close()
    assert list(read_rows(tmp_path / "a.jsonl")) == [{"text": "longer than ten bytes"}]


def test_a_row_that_is_no_json_is_refused_and_leaves_nothing(tmp_path):
    with EvidenceWriter(tmp_path / "a.jsonl") as writer, pytest.raises(TypeError):
        writer.write({"n": object()})
    assert (tmp_path / "a.jsonl").read_text() == ""
