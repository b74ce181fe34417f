"""Rows as JSON Lines and Parquet, operator outcomes, the score, and the verb `vla label`."""

import json
import re
from dataclasses import fields, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vla_bringup import cli
from vla_contract.evidence import EvidenceError
from vla_evidence.rows.outcomes import OperatorOutcome, OutcomeError, append_outcome, load_episodes, read_outcomes
from vla_evidence.rows.parquet import read_parquet, schema_of, write_parquet
from vla_evidence.rows.row_files import read_episodes, read_inferences, write_rows
from vla_evidence.rows.rows import EpisodeRow, InferenceRow, RowError
from vla_evidence.rows.scoring import score
from vla_evidence.statistics.intervals import wilson_interval

EPISODES = [
    EpisodeRow(
        run_id="ab" * 16, episode=1, task="pick", seed=7, instruction="pick up the red block", cameras=("front", "wrist"),
        start_ns=1_795_287_780_160_000_001, end_ns=1_795_287_783_000_000_000, seconds=2.84, inferences=8,
        steps_executed=30, steps_clamped=3, clamped_share=0.1, refused={"STALE": 2, "LOST": 1}, outcome="FAILURE",
        outcome_source="SIM", first_bad_sequence=3, first_bad_stamp_ns=1_795_287_781_000_000_000, label="DROPPED",
        latency_p50_ms=51.5, latency_p99_ms=150.25,
    ),
    EpisodeRow(run_id="cd" * 16, episode=2, task="", seed=None, instruction="nimm den Würfel", outcome="UNKNOWN"),
]  # fmt: skip
INFERENCES = [
    InferenceRow(
        run_id="ab" * 16, episode=1, sequence=0, stamp_ns=1_795_287_780_160_000_001, image_stamps_ns=(1, 2),
        cameras=("front", "wrist"), instruction="x", state=(0.1, float("nan"), -0.25), action_space="EE_DELTA",
        names=("arm.x", "arm.gripper"), horizon=16, latency_ms=45.5, inference_ms=16.0, verdict="ACCEPTED",
        steps_executed=4, steps_clamped=2, clamped_share=0.5, bad=True, label="DROPPED",
        clamps=({"step": 0, "limit": "velocity panda_joint3", "amount": 0.5},),
    ),
    InferenceRow(run_id="ab" * 16, episode=1, sequence=1, stamp_ns=0, verdict="LOST"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    write_rows(tmp_path / "episodes.jsonl", EPISODES)
    return tmp_path


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_come_back_as_they_were_written(tmp_path, suffix):
    def write(kind, name, rows):
        path = tmp_path / f"{name}.{suffix}"
        write_rows(path, rows) if suffix == "jsonl" else write_parquet(path, kind, rows)
        return path

    assert read_episodes(write(EpisodeRow, "episodes", EPISODES)) == EPISODES
    back = read_inferences(write(InferenceRow, "inferences", INFERENCES))
    assert repr(back) == repr(INFERENCES)  # a NaN stays one, and is not equal to itself
    assert read_episodes(write(EpisodeRow, "none", [])) == []


def test_parquet_has_a_typed_column_for_each_field_even_without_rows(tmp_path):
    for kind in (EpisodeRow, InferenceRow):
        path = tmp_path / f"{kind.__name__}.parquet"
        write_parquet(path, kind, [])
        schema = pq.read_schema(path)
        assert schema.names == [f.name for f in fields(kind)] and schema.equals(schema_of(kind))
    schema = schema_of(InferenceRow)
    assert schema.field("state").type == pa.list_(pa.float64()) and schema.field("stamp_ns").type == pa.int64()
    assert pa.types.is_map(schema_of(EpisodeRow).field("refused").type)
    nullable = {f.name for f in schema_of(EpisodeRow) if f.nullable}
    assert nullable == {"seed", "first_bad_sequence", "first_bad_stamp_ns", "latency_p50_ms", "latency_p99_ms"}


def test_json_lines_hold_what_json_has(tmp_path):
    write_rows(tmp_path / "i.jsonl", INFERENCES)
    rows = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "i.jsonl").read_text().splitlines()]
    assert rows[0]["state"] == [0.1, "NaN", -0.25] and rows[0]["clamps"][0]["limit"] == "velocity panda_joint3"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": "PROBABLY"}, "outcome: 'PROBABLY', allowed are 'UNKNOWN', 'SUCCESS', 'FAILURE'"),
        ({"label": "BAD_LUCK"}, "label: 'BAD_LUCK', allowed are 'VIEWPOINT'"),
        ({"steps_executed": 3.5}, "steps_executed: 3.5, allowed is a whole number"),
        ({"steps_executed": True}, "steps_executed: True, allowed is a whole number"),
        ({"cameras": "front"}, "cameras: 'front', allowed is a list"),
        ({"cameras": ["front", 3]}, r"cameras\[1\]: 3, allowed is text"),
        ({"refused": {"STALE": "two"}}, "refused.STALE: 'two', allowed is a whole number"),
        ({"latency_p50_ms": "fast"}, "latency_p50_ms: 'fast', allowed is a number or null"),
        ({"colour": "red"}, "colour: no field of EpisodeRow"),
        ({"run_id": None}, "run_id: None, allowed is text"),
    ],
)
def test_a_wrong_field_is_named_with_file_and_line(tmp_path, change, words):
    path = tmp_path / "episodes.jsonl"
    good = EPISODES[0].as_row()
    path.write_text(f"{json.dumps(good)}\n{json.dumps({**good, **change})}\n")
    with pytest.raises(RowError, match=rf"episodes.jsonl: line 2: {words}"):
        read_episodes(path)


@pytest.mark.parametrize(
    ("read", "given", "unscored"),
    [
        (read_inferences, {"run_id": "ef" * 16, "episode": 3, "sequence": 5, "stamp_ns": 7}, {}),
        (read_episodes, {"run_id": "ef" * 16, "episode": 3, "task": "pick", "seed": 5, "instruction": "x"},
         {"outcome": "UNKNOWN"}),
    ],
)  # fmt: skip
def test_what_an_older_file_does_not_tell_is_nothing(tmp_path, read, given, unscored):
    (tmp_path / "rows.jsonl").write_text(json.dumps(given) + "\n")
    (row,) = read(tmp_path / "rows.jsonl")
    assert {name: value for name, value in row.as_row().items() if value} == given | unscored


def test_a_missing_field_broken_json_and_a_file_that_is_no_parquet_are_named(tmp_path):
    path = tmp_path / "episodes.jsonl"
    path.write_text('{"run_id": "ab"}\n')
    with pytest.raises(RowError, match="line 1: episode: missing"):
        read_episodes(path)
    path.write_text('{"run_id": "ab\n')
    with pytest.raises(EvidenceError, match="line 1: not JSON"):
        read_episodes(path)
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(RowError, match="x.parquet: no Parquet file"):
        read_parquet(tmp_path / "x.parquet")
    with pytest.raises(RowError, match="y.parquet"):
        write_parquet(tmp_path / "y.parquet", EpisodeRow, [replace(EPISODES[0], seed=2**64 - 1)])
    assert not (tmp_path / "y.parquet").exists()


# The score


def test_unknown_changes_neither_successes_nor_trials():
    success, failure = replace(EPISODES[0], outcome="SUCCESS", label=""), EPISODES[0]
    scored = [success, success, failure]
    plain = score(scored)
    assert (plain.successes, plain.trials, plain.unknown) == (2, 3, 0)
    assert plain.interval == wilson_interval(2, 3) and plain.clamped_share == pytest.approx(0.1)
    wild = replace(EPISODES[1], steps_executed=1000, steps_clamped=1000)
    mixed = score([wild, *scored, *[wild] * 50])
    assert replace(mixed, unknown=0) == plain and mixed.unknown == 51
    assert "51 unknown and not scored" in str(mixed) and "10.0% of steps clamped" in str(mixed)


def test_no_outcome_is_no_rate_rather_than_zero():
    result = score([EPISODES[1]])
    assert result.rate is None and result.interval is None and result.clamped_share is None
    assert str(result) == "no episode with an outcome, 1 unknown and not scored"


# The operator


def test_the_last_word_counts_and_nothing_is_rewritten(folder):
    append_outcome(folder, OperatorOutcome("cd" * 16, "FAILURE", "MISSED_GRASP", "closed on air", "eva"))
    first = (folder / "labels.jsonl").read_bytes()
    assert [(e.outcome, e.outcome_source, e.label) for e in load_episodes(folder)] == [
        ("FAILURE", "SIM", "DROPPED"), ("FAILURE", "OPERATOR", "MISSED_GRASP"),
    ]  # fmt: skip
    append_outcome(folder, OperatorOutcome("cd" * 16, "SUCCESS"))
    append_outcome(folder, OperatorOutcome("ab" * 16, "SUCCESS"))
    assert (folder / "labels.jsonl").read_bytes().startswith(first)
    changed = load_episodes(folder)
    assert [e.outcome for e in changed] == ["SUCCESS", "SUCCESS"] and score(changed).successes == 2
    assert changed[0].label == "" and changed[0].first_bad_sequence is None
    assert read_episodes(folder / "episodes.jsonl") == EPISODES
    append_outcome(folder, OperatorOutcome("ab" * 16, "UNKNOWN"))
    assert score(load_episodes(folder)).trials == 1


def test_words_without_end_are_not_taken_and_those_of_an_older_file_are_read(folder):
    append_outcome(folder, OperatorOutcome("ab" * 16, "FAILURE", note="n" * 2000, by="b" * 200))
    for name, most in (("note", 2000), ("by", 200)):
        with pytest.raises(OutcomeError, match=f"{name} has {most + 1} characters, allowed are up to {most}"):
            append_outcome(folder, OperatorOutcome("ab" * 16, "FAILURE", **{name: "x" * (most + 1)}))
    path = folder / "labels.jsonl"
    path.write_text(path.read_text().replace("n" * 2000, "n" * 5000))
    assert [len(said.note) for said in read_outcomes(folder)] == [5000]


def test_lines_of_the_label_file_that_are_no_outcome_are_named(folder):
    (folder / "labels.jsonl").write_text('{"run_id": "ab", "outcome": "MAYBE"}\n')
    with pytest.raises(OutcomeError, match="labels.jsonl: line 1: outcome 'MAYBE'"):
        read_outcomes(folder)


def test_vla_label_sets_and_lists(folder, capsys):
    assert cli.main(["label", str(folder), "2", "failure", "--label", "dropped", "--note", "slid [off]", "--by", "eva"]) == 0
    assert cli.main(["label", str(folder), "abab", "success"]) == 0
    assert cli.main(["label", str(folder), "--list"]) == 0
    shown = capsys.readouterr().out
    assert "FAILURE DROPPED 'slid [off]' by eva" in shown and "1/2 = 50%" in shown
    said = read_outcomes(folder)
    assert [(s.run_id[:2], s.outcome, s.label) for s in said] == [("cd", "FAILURE", "DROPPED"), ("ab", "SUCCESS", "")]
    assert said[0].stamp_ns > 10**18


def test_what_was_said_can_be_withdrawn_and_the_row_counts_again(folder, capsys):
    before = load_episodes(folder)
    assert cli.main(["label", str(folder), "1", "fail", "--note", "the wrong run"]) == 0
    assert cli.main(["label", str(folder), "2", "succeeded"]) == 0
    assert [e.outcome for e in load_episodes(folder)] == ["FAILURE", "SUCCESS"]
    capsys.readouterr()
    assert cli.main(["label", str(folder), "1", "withdraw"]) == 0
    assert f"{before[0].outcome} again, as it was recorded; before FAILURE" in capsys.readouterr().out
    assert load_episodes(folder)[0] == before[0] and load_episodes(folder)[1].outcome == "SUCCESS"
    lines = (folder / "labels.jsonl").read_bytes()
    capsys.readouterr()
    assert cli.main(["label", str(folder), "1", "withdrawn"]) == cli.USER_ERROR
    already = f"run '1': what was said of it is withdrawn already; it is {before[0].outcome} as recorded\n"
    assert capsys.readouterr().err == f"vla label: error: {already}"
    assert (folder / "labels.jsonl").read_bytes() == lines
    assert cli.main(["label", str(folder), "1", "failure", "--label", "dropped"]) == 0
    assert load_episodes(folder)[0].label == "DROPPED"
    assert cli.main(["label", str(folder), "1", "withdraw"]) == 0


def test_what_was_said_is_listed_in_a_line_whatever_it_holds(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    note = "slid\noff\x1b[31m and " + "on " * 30
    append_outcome(folder, OperatorOutcome("ab" * 16, "FAILURE", note=note, by="e\nva"))
    assert cli.main(["label", str(folder), "--list"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "slid" in line]
    assert line.startswith("episode 1 (abababab): FAILURE 'slid\\noff\\x1b[31m and on on") and line.endswith("on ' by e\\nva")


@pytest.mark.parametrize("instruction", ["pick the [red] block", "stop [/x]", "[bold]now[/bold]", "a [link=x] \\"])
def test_an_instruction_is_listed_as_it_was_said(tmp_path, capsys, monkeypatch, instruction):
    monkeypatch.setenv("COLUMNS", "200")
    write_rows(tmp_path / "episodes.jsonl", [replace(EPISODES[0], instruction=instruction)])
    assert cli.main(["label", str(tmp_path), "--list"]) == 0
    assert instruction in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["9", "success"], r"run '9': none by this name; there are: 1 \(abababab\), 2 \(cdcdcdcd\)"),
        (["ffff", "success"], "run 'ffff': none"),
        (["1", "won"], "outcome is 'won', allowed are success, failure, unknown, withdraw; see vla label --help"),
        (["1", "failure", "--label", "tired"], "label 'TIRED', allowed are VIEWPOINT"),
        (["1", "success", "--label", "dropped"], "says why a run failed"),
        (["1"], "an outcome is needed as well, allowed are success, failure, unknown, withdraw$"),
        (["x\ny", "success"], r"run 'x\\ny': none by this name"),
        (["1", "withdraw", "--note", "why"], "no label or note goes with that"),
        (["1", "failure", "--note", "why " * 25_000], "--note has 100000 characters, allowed are up to 2000"),
        (["1", "failure", "--by", "e" * 201], "--by has 201 characters, allowed are up to 200"),
        (["1", "withdraw"], "run '1': nothing was said of it that could be withdrawn; it is FAILURE as recorded"),
        ([], "name a run"),
    ],
)
def test_vla_label_tells_a_mistake_in_one_line_and_writes_nothing(folder, capsys, words, error):
    assert cli.main(["label", str(folder), *words]) == cli.USER_ERROR
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert re.search(error, told)
    assert not (folder / "labels.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"run_id": "ab", "outcome": "SUCCESS", "mood": "good"}', "field mood is unknown, there are run_id, outcome"),
        ('{"outcome": "SUCCESS"}', "no run_id in it"),
        ("null", 'the line holds null, it must hold a row: {"name": value, ...}'),
        ("[]", "the line holds a list, it must hold a row"),
        ("7", "the line holds a number, it must hold a row"),
        ('"a"', "the line holds text, it must hold a row"),
        ('{"run_id": "ab", "outcome": "SUCCESS", "a\\nb": 1}', "field a\\nb is unknown"),
        ('{"run_id": "ab", "outcome": "A\\nB"}', "outcome 'A\\nB', allowed are UNKNOWN"),
        ('{"run_id": "ab"}', "no outcome in it"),
        ('{"run_id": 7, "outcome": "SUCCESS"}', "run_id is 7, which is no text"),
        ('{"run_id": "ab", "outcome": "SUCCESS", "stamp_ns": true}', "stamp_ns is True, which is no number"),
    ],
)
def test_a_line_of_somebody_else_is_told_by_its_field(folder, capsys, line, words):
    (folder / "labels.jsonl").write_text('{"run_id": "ab", "outcome": "SUCCESS"}\n' + line + "\n")
    assert cli.main(["label", str(folder), "--list"]) == cli.USER_ERROR
    assert f"labels.jsonl: line 2: {words}" in capsys.readouterr().err.replace("\n", " ")


def test_vla_label_without_rows_says_how_to_get_them(tmp_path, capsys):
    assert cli.main(["label", str(tmp_path), "1", "success"]) == cli.USER_ERROR
    assert "vla evidence BAG --out" in capsys.readouterr().err
