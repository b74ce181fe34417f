"""A run folder is extended by seeds and tasks, or put together from shards: trials keep their ids, rows, images and labels."""

import json
from dataclasses import replace

import pytest
from shipped_paths import CARD

from vla_bringup import cli
from vla_evidence.rows.outcomes import OperatorOutcome, append_outcome, load_episodes
from vla_evidence.rows.row_files import read_episodes, read_inferences
from vla_trials.trials import evaluate as evaluation
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.evaluate import EXPERT, EvalRequest, Evaluator, evaluate
from vla_trials.trials.output import write_run
from vla_trials.trials.store import NAME
from vla_trials.verbs.eval import add_arguments, request_of

TASKS, SEEDS = ("pick", "stack"), (50_000, 50_001, 50_002)
ALL = EvalRequest(str(CARD), EXPERT, TASKS, SEEDS, time_limit_s=0.8)


@pytest.fixture(scope="module")
def trials():
    """Real ones, run once, with the images of a failure."""
    evaluator = Evaluator(ALL)
    made = {(task, seed): evaluator.trial(seed, task) for task, seed in ALL.trials}
    return {key: one._replace(frames={"front": f"{key}".encode()}) for key, one in made.items()}


@pytest.fixture(autouse=True)
def ran(monkeypatch, trials):
    """Keys of the trials that an engine was asked for."""
    asked = []

    def run(request, missing, jobs, fewer):
        asked.extend(missing)
        yield from (trials[key] for key in missing)

    monkeypatch.setitem(evaluation.ENGINES, "process", run)
    return asked


def do(request, folder, **options):
    figures = evaluate(request, jobs=1, out=folder, **options)
    write_run(folder, request, figures)
    return figures


def content(folder):
    """Of a folder, all that does not tell how it came to be."""
    episodes = [replace(row, run_id="") for row in read_episodes(folder / "episodes.jsonl")]
    numbers = {row.run_id: row.episode for row in read_episodes(folder / "episodes.jsonl")}
    rows = read_inferences(folder / "inferences.jsonl")
    assert [row.episode for row in rows] == [numbers[row.run_id] for row in rows]
    assert read_inferences(folder / "inferences.parquet") == rows
    frames = {path.name: path.read_bytes() for path in (folder / "frames").iterdir()}
    return episodes, [replace(row, run_id="") for row in rows], frames


def test_more_seeds_and_tasks_go_on_in_a_folder(tmp_path, ran):
    do(ALL, tmp_path / "at_once")
    ran.clear()
    small = replace(ALL, tasks=("pick",), seeds=SEEDS[:2])
    do(small, tmp_path / "grown")
    first = read_episodes(tmp_path / "grown/episodes.jsonl")[1]
    append_outcome(tmp_path / "grown", OperatorOutcome(first.run_id, "SUCCESS"))
    do(replace(small, seeds=SEEDS), tmp_path / "grown")
    figures = do(ALL, tmp_path / "grown")
    assert sorted(ran) == sorted(ALL.trials), "each once"
    assert content(tmp_path / "grown") == content(tmp_path / "at_once")
    assert figures["request"]["seeds"] == [[50_000, 50_002]] and figures["request"]["tasks"] == ["pick", "stack"]
    labelled = [row for row in load_episodes(tmp_path / "grown") if row.outcome_source == "OPERATOR"]
    assert [(row.task, row.seed) for row in labelled] == [(first.task, first.seed)], "the ids stay"
    ran.clear()
    assert do(ALL, tmp_path / "grown")["resumed"] == 6 and ran == []


def test_fewer_or_others_are_refused_and_nothing_is_lost(tmp_path):
    do(replace(ALL, seeds=SEEDS[1:]), tmp_path)
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(TrialsError, match="holds more trials than are asked for: seeds: .* Ask for all, or"):
        do(replace(ALL, seeds=SEEDS[1:2]), tmp_path)
    with pytest.raises(TrialsError, match="trials of another request: seeds:"):
        do(replace(ALL, seeds=SEEDS[:2]), tmp_path)
    with pytest.raises(TrialsError, match="trials of another request: .*noise: 0.0 there, 0.01 asked for"):
        do(replace(ALL, noise=0.01), tmp_path)
    assert (tmp_path / NAME).read_bytes() == before


def test_shards_of_one_request_become_one_folder(tmp_path, ran):
    do(ALL, tmp_path / "at_once")
    shards = [tmp_path / "first", tmp_path / "second"]
    for folder, seeds in zip(shards, (SEEDS[:1], SEEDS[1:2])):
        do(replace(ALL, seeds=seeds), folder)
    said = read_episodes(shards[1] / "episodes.jsonl")[0]
    append_outcome(shards[1], OperatorOutcome(said.run_id, "SUCCESS", note="it was done"))
    before = {path: path.read_bytes() for folder in shards for path in folder.rglob("*") if path.is_file()}
    ran.clear()
    figures = do(ALL, tmp_path / "all", others=shards)
    assert sorted(ran) == [("pick", 50_002), ("stack", 50_002)], "only what no shard has"
    assert figures["trials"] == 6 and figures["resumed"] == 4
    assert content(tmp_path / "all") == content(tmp_path / "at_once")
    (labelled,) = (row for row in load_episodes(tmp_path / "all") if row.outcome_source == "OPERATOR")
    assert (labelled.task, labelled.seed) == (said.task, said.seed)
    ran.clear()
    do(ALL, tmp_path / "all", others=shards)
    assert ran == [] and content(tmp_path / "all") == content(tmp_path / "at_once"), "doing it again changes nothing"
    assert len((tmp_path / "all/labels.jsonl").read_text().splitlines()) == 1
    append_outcome(shards[1], OperatorOutcome(said.run_id, "UNKNOWN"))
    do(ALL, tmp_path / "all", others=shards)
    (later,) = (row for row in load_episodes(tmp_path / "all") if row.outcome_source == "OPERATOR")
    assert later.outcome == "UNKNOWN", "what is said later of a shard's trial is taken over, too"
    append_outcome(shards[1], OperatorOutcome(said.run_id, "FAILURE"))
    append_outcome(tmp_path / "all", OperatorOutcome(later.run_id, "SUCCESS"))
    do(ALL, tmp_path / "all", others=shards)
    (newest,) = (row for row in load_episodes(tmp_path / "all") if row.outcome_source == "OPERATOR")
    assert newest.outcome == "SUCCESS", "not over what was said here after that"
    del before[shards[1] / "labels.jsonl"]
    assert {path: path.read_bytes() for path in before} == before, "shards stay as they are"


def test_trials_of_another_request_are_not_taken_over(tmp_path):
    do(replace(ALL, noise=0.01, seeds=SEEDS[:1]), tmp_path / "noisy")
    with pytest.raises(TrialsError, match=r"noisy holds trials of another request: .*noise: 0.01 there, 0.0 asked for"):
        do(ALL, tmp_path / "all", others=[tmp_path / "noisy"])
    with pytest.raises(TrialsError, match=r"nowhere: no trials.jsonl there; --from takes folders that `vla eval --out` made"):
        do(ALL, tmp_path / "all", others=[tmp_path / "nowhere"])
    assert not (tmp_path / "all").exists(), "the folder was not begun"


def requested(*words):
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return request_of(parser.parse_args(["--checkpoint", EXPERT, *words]))


@pytest.mark.parametrize(("trials", "parts"), [(10, 3), (7, 7), (4, 1)])
def test_shards_are_all_of_the_seeds_each_once(trials, parts):
    whole = requested("--trials", str(trials)).seeds
    shards = [requested("--trials", str(trials), "--shard", f"{k}/{parts}").seeds for k in range(1, parts + 1)]
    assert tuple(seed for shard in shards for seed in shard) == whole
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize(("words", "told"), [
    (["--shard", "3/2"], "'3/2', allowed is K/N with K from 1 to N"),
    (["--shard", "0/2"], "'0/2', allowed is K/N"),
    (["--shard", "2"], "'2', allowed is K/N"),
    (["--trials", "2", "--shard", "1/3"], "there are 2 seeds, allowed are up to as many parts"),
    (["--from", "somewhere"], "--from goes with --out"),
])  # fmt: skip
def test_mistakes_are_told(words, told, capsys):
    code = cli.main(["eval", "--checkpoint", EXPERT, *words])
    assert code == 2 and told in capsys.readouterr().err


def test_a_foreign_file_of_endless_ranges_is_answered_at_once(tmp_path):
    do(replace(ALL, seeds=SEEDS[:1]), tmp_path)
    first, *rest = (tmp_path / NAME).read_text().splitlines()
    row = json.loads(first)
    row["request"]["seeds"] = [[0, 10**15]]
    (tmp_path / NAME).write_text("\n".join([json.dumps(row), *rest]) + "\n")
    with pytest.raises(TrialsError, match="holds more trials than are asked for"):
        do(ALL, tmp_path)
