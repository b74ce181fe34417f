"""A row for each inference of `vla eval`: what it says, that engines agree on it, and that no kill doubles or loses one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from shipped_paths import CARD

from vla_contract.evidence import EvidenceWriter
from vla_evidence.rows.row_files import read_episodes, read_inferences
from vla_trials.trials import evaluate as evaluation
from vla_trials.trials import inference_file
from vla_trials.trials.evaluate import EXPERT, EvalRequest, Evaluator, evaluate
from vla_trials.trials.output import write_run
from vla_trials.trials.perturbations import parse
from vla_trials.trials.store import read_store

REQUEST = EvalRequest(
    str(CARD), EXPERT, ("pick", "stack"), (50_000, 50_001), perturbations=parse(["push=0.03"]), time_limit_s=1.2
)
FILES = ("inferences.jsonl", "inferences.parquet")


@pytest.fixture(scope="module")
def finished():
    """The request's trials in this process, in another order than engines run them; one of them with a long plan behind it."""
    evaluator = Evaluator(REQUEST)
    return [evaluator.trial(seed, task) for task, seed in reversed(REQUEST.trials)]


@pytest.fixture
def engine(monkeypatch, finished):
    """Gives these trials. What is in `fails` is raised in the place of the trial with this number."""
    fails = {}

    def run(request, trials, jobs, fewer):
        for number, one in enumerate(one for one in finished if one.result.key in trials):
            if number in fails:
                raise fails[number]
            yield one

    monkeypatch.setitem(evaluation.ENGINES, "process", run)
    return fails


def content(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_row_says_what_was_seen_decided_and_done(finished):
    evaluator = Evaluator(EvalRequest(str(CARD), EXPERT, "pick", (50_000,), time_limit_s=6.0, rule="legacy"))
    long = evaluator.trial(50_000)
    assert len(long.inferences) > 5 and (long.result.success, long.result.label) == (True, "")
    assert [one.result.label for one in finished] == ["TOO_SLOW"] * 4, "their time is too short, and they were on their way"
    assert any(row.bad for one in finished for row in one.inferences)
    for one in (*finished, long):
        result, rows = one.result, one.inferences
        assert [row.sequence for row in rows] == list(range(result.chunks)) and rows
        for name in ("steps_executed", "steps_clamped"):
            assert sum(getattr(row, name) for row in rows) == getattr(result, name)
        latencies = [row.latency_ms for row in rows]
        assert np.percentile(latencies, 50) == pytest.approx(result.latency_p50_ms, abs=1e-3) and min(latencies) > 30.0
        assert [row.sequence for row in rows if row.bad] == [s for s in (result.first_bad_sequence,) if s is not None]
        assert [row.label for row in rows if row.bad] == [result.label] * (result.first_bad_sequence is not None)
        for row in rows:
            assert row.instruction == result.instruction and row.cameras == ("front", "wrist")
            assert len(row.state) == 8 and row.horizon == 16 and row.action_space == "EE_DELTA" and len(row.names) == 7
            assert row.image_stamps_ns == (row.stamp_ns,) * 2 and row.inference_ms is None, "no time of the wall"
            assert row.steps_clamped == len({clamp["step"] for clamp in row.clamps}) or not row.clamps
            assert row.steps_clamped == 0 or row.clamps
        stamps = [row.stamp_ns for row in rows]
        assert stamps == sorted(stamps) and result.start_ns <= stamps[0] and stamps[-1] <= result.end_ns
        assert {row.verdict for row in rows[:-1]} == {"ACCEPTED"}
    assert len({row.state for row in long.inferences}) == len(long.inferences), "the arm moves"
    assert any(row.clamps for one in (*finished, long) for row in one.inferences)


def test_rows_do_not_depend_on_what_ran_before(finished):
    again = Evaluator(REQUEST)
    for one in reversed(finished):
        assert again.trial(one.result.seed, one.result.task).inferences == one.inferences


def test_a_trial_run_again_with_the_camera_in_its_place_leaves_no_rows():
    request = EvalRequest(str(CARD), EXPERT, "pick", (50_000,), perturbations=parse(["viewpoint=0.1"]), time_limit_s=0.5)
    one = Evaluator(request).trial(50_000)
    assert not one.result.success and len(one.inferences) == one.result.chunks


def test_the_folder_has_them_in_the_order_of_its_episodes(engine, finished, tmp_path):
    figures = evaluate(REQUEST, jobs=1, out=tmp_path)
    write_run(tmp_path, REQUEST, figures)
    rows, episodes = read_inferences(tmp_path / FILES[0]), read_episodes(tmp_path / "episodes.jsonl")
    assert rows == read_inferences(tmp_path / FILES[1]) and figures["without_inferences"] == 0
    assert [(row.run_id, row.episode, row.card_hash, row.checkpoint_hash) for row in rows] == [
        (episode.run_id, episode.episode, episode.card_hash, "") for episode in episodes for _ in range(episode.inferences)
    ]
    assert [row.sequence for row in rows] == [number for episode in episodes for number in range(episode.inferences)]
    for episode in episodes:
        mine = [row for row in rows if row.run_id == episode.run_id]
        assert [row.sequence for row in mine if row.bad] == [
            s for s in (episode.first_bad_sequence,) if s is not None
        ] and sum(row.steps_executed for row in mine) == episode.steps_executed
    assert len(list(tmp_path.glob(".*"))) == 0, "nothing half made is left"


def test_a_run_broken_off_loses_and_doubles_no_row(engine, finished, tmp_path, monkeypatch):
    evaluate(REQUEST, jobs=1, out=tmp_path / "whole")
    wanted = content(tmp_path / "whole")
    for stop in range(1, 4):
        folder = tmp_path / str(stop)
        engine[stop] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            evaluate(REQUEST, jobs=1, out=folder)
        engine.clear()
        assert len(read_store(folder / "trials.jsonl").results) == stop
        # The kill comes while the rows of the next trial are written, which is not finished.
        torn = folder / FILES[0]
        kept = torn.read_bytes()
        run_id = json.loads(wanted[FILES[0]].splitlines()[0])["run_id"]
        unfinished = [line for line in wanted[FILES[0]].splitlines(keepends=True) if line not in kept.splitlines(keepends=True)]
        assert unfinished and run_id
        torn.write_bytes(kept + unfinished[0] + unfinished[1][:-30])
        evaluate(REQUEST, jobs=1, out=folder)
        assert content(folder) == wanted


def test_every_cut_of_the_file_of_a_finished_run_is_told_or_mended(engine, finished, tmp_path):
    evaluate(REQUEST, jobs=1, out=tmp_path)
    whole = content(tmp_path)
    (tmp_path / FILES[1]).unlink()
    evaluate(REQUEST, jobs=1, out=tmp_path)
    assert content(tmp_path) == whole, "made again from the rows"
    doubled = whole[FILES[0]] + whole[FILES[0]]
    (tmp_path / FILES[0]).write_bytes(doubled)
    assert evaluate(REQUEST, jobs=1, out=tmp_path)["without_inferences"] == 0
    assert content(tmp_path) == whole
    (tmp_path / FILES[0]).write_bytes(whole[FILES[0]][:-10])
    assert evaluate(REQUEST, jobs=1, out=tmp_path)["without_inferences"] == 1
    assert read_inferences(tmp_path / FILES[0]) == read_inferences(tmp_path / FILES[1])


def test_rows_that_cannot_be_written_keep_their_trial_from_being_finished(engine, finished, tmp_path, monkeypatch):
    write, count = EvidenceWriter.write, 0

    def full(self, row):
        nonlocal count
        count += self.path.name == FILES[0]
        if count == len(finished[0].inferences) + 2:
            raise OSError(28, "No space left on device", str(self.path))
        write(self, row)

    monkeypatch.setattr(EvidenceWriter, "write", full)
    with pytest.raises(OSError, match="No space left on device"):
        evaluate(REQUEST, jobs=1, out=tmp_path / "full")
    assert list(read_store(tmp_path / "full" / "trials.jsonl").results) == [finished[0].result.key]
    monkeypatch.undo()
    monkeypatch.setitem(evaluation.ENGINES, "process", lambda request, trials, jobs, fewer: (
        one for one in finished if one.result.key in trials
    ))  # fmt: skip
    evaluate(REQUEST, jobs=1, out=tmp_path / "full")
    evaluate(REQUEST, jobs=1, out=tmp_path / "whole")
    assert content(tmp_path / "full") == content(tmp_path / "whole")


def test_they_can_be_left_out_and_what_lacks_them_is_counted(engine, finished, tmp_path):
    figures = evaluate(REQUEST, jobs=1, out=tmp_path, inferences=False)
    assert figures["without_inferences"] == 4 and not any((tmp_path / name).exists() for name in FILES)
    assert evaluate(REQUEST, jobs=1)["without_inferences"] is None
    engine[1] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        evaluate(REQUEST, jobs=1, out=tmp_path / "half", inferences=False)
    engine.clear()
    figures = evaluate(REQUEST, jobs=1, out=tmp_path / "half")
    assert figures["without_inferences"] == 1
    assert len({row.run_id for row in read_inferences(tmp_path / "half" / FILES[1])}) == 3


def test_parquet_is_written_piece_by_piece(engine, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(inference_file, "BATCH", 2)
    evaluate(REQUEST, jobs=1, out=tmp_path)
    assert read_inferences(tmp_path / FILES[1]) == read_inferences(tmp_path / FILES[0])


def test_values_that_json_has_not_come_back(engine, finished, tmp_path, monkeypatch):
    state = (float("nan"), float("inf"))
    odd = [one._replace(inferences=tuple(replace(row, state=state) for row in one.inferences)) for one in finished]
    monkeypatch.setitem(evaluation.ENGINES, "process", lambda request, trials, jobs, fewer: iter(odd))
    evaluate(REQUEST, jobs=1, out=tmp_path)
    for name in FILES:
        assert all(str(row.state) == "(nan, inf)" for row in read_inferences(tmp_path / name))
