"""Whole runs: engines that agree, folders that resume, kills that lose nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from shipped_paths import CARD

from vla_bench.kills.trials import TRIALS, alive_in, command
from vla_evidence.provenance.checkpoint import ProvenanceError
from vla_evidence.provenance.suite import suite
from vla_evidence.rows.row_files import read_episodes, read_inferences
from vla_trials.trials import evaluate as evaluation
from vla_trials.trials.engines import run_ray
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.evaluate import EXPERT, EvalRequest, Evaluator, evaluate
from vla_trials.trials.output import episode_rows, write_run
from vla_trials.trials.perturbations import parse
from vla_trials.trials.request import fingerprint
from vla_trials.trials.result import Finished
from vla_trials.trials.store import NAME, TrialStore, read_store
from vla_trials.trials.words import describe

REQUEST = EvalRequest(
    str(CARD), EXPERT, ("pick", "stack"), (50_000, 50_001), perturbations=parse(["push=0.03"]), time_limit_s=1.2
)


@pytest.fixture(scope="module")
def results():
    """The request's trials in this process, in another order than engines run them."""
    evaluator = Evaluator(REQUEST)
    found = {key: evaluator.trial(key[1], key[0])[0] for key in reversed(REQUEST.trials)}
    return [found[key] for key in sorted(REQUEST.trials)]


def rows(results):
    return [result.as_row() for result in results]


def test_processes_give_what_this_process_gives_and_a_second_call_runs_nothing(results, tmp_path):
    ran = []
    figures = evaluate(REQUEST, jobs=2, out=tmp_path, on_result=ran.append)
    assert figures["rows"] == rows(results) and len(ran) == 4 and figures["resumed"] == 0
    again = evaluate(REQUEST, jobs=2, out=tmp_path, on_result=ran.append)
    assert again["rows"] == figures["rows"] and len(ran) == 4 and again["resumed"] == 4
    assert any("were there already" in line for line in describe(again))


@pytest.mark.timeout(120)
def test_ray_gives_what_processes_give(results, monkeypatch, tmp_path):
    import ray

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    try:
        figures = evaluate(REQUEST, jobs=1, engine="ray", out=tmp_path / "ray")
    finally:
        assert not ray.is_initialized()
        ray.shutdown()
    assert figures["rows"] == rows(results) and figures["engine"] == "ray"
    for jobs in (1, 2):
        evaluate(REQUEST, jobs=jobs, out=tmp_path / str(jobs))
    for name in ("inferences.jsonl", "inferences.parquet"):
        ray_rows, *others = ((tmp_path / folder / name).read_bytes() for folder in ("ray", "1", "2"))
        assert ray_rows and all(other == ray_rows for other in others)


class Cluster:
    """Stands for Ray: a cluster on which some CPUs are free, and fewer actors than that find a place."""

    class exceptions:
        class RayActorError(Exception):
            pass

        class RayTaskError(Exception):
            pass

    def __init__(self, free, placed):
        self.free, self.placed, self.actors, self.is_down = free, placed, 0, False

    def init(self, **options):
        self.address = options["address"]

    def shutdown(self):
        self.is_down = True

    def available_resources(self):
        return {"CPU": self.free} if self.free else {"memory": 1e9}

    def remote(self, **options):
        return lambda kind: SimpleNamespace(remote=self.start)

    def start(self, request):
        self.actors += 1
        is_placed = self.actors <= self.placed

        def call(answer):
            return SimpleNamespace(remote=lambda *key: (is_placed, object(), answer, key))

        return SimpleNamespace(ready=call(lambda: None), trial=call(lambda task, seed: Finished((task, seed), 0.1, {})))

    def wait(self, references, num_returns, timeout):
        done = [reference for reference in references if reference[0]][:num_returns]
        assert done or timeout is not None, "this would wait for ever"
        return done, []

    def get(self, reference):
        return reference[2](*reference[3])


@pytest.mark.parametrize(("jobs", "free", "placed", "started", "told"), [
    (3, 8.0, 8, 3, []), (8, 8.0, 8, 4, []), (4, 2.7, 2, 2, [2]), (4, 4.0, 1, 4, []),
])  # fmt: skip
def test_a_cluster_gets_no_more_processes_than_it_has_free_cpus(monkeypatch, jobs, free, placed, started, told):
    cluster, heard = Cluster(free, placed), []
    monkeypatch.setitem(sys.modules, "ray", cluster)
    monkeypatch.setitem(sys.modules, "ray.exceptions", cluster.exceptions)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    finished = [one.result for one in run_ray(REQUEST, REQUEST.trials, jobs, heard.append)]
    assert sorted(finished) == sorted(REQUEST.trials), "each trial once, also where an actor never finds a place"
    assert (cluster.actors, heard, cluster.address, cluster.is_down) == (started, told, "auto", True)


@pytest.mark.parametrize(("free", "words"), [(0, "no CPU of the cluster is free"), (0.5, "no CPU"), (2, "started no process in")])
def test_a_cluster_without_place_is_told(monkeypatch, free, words):
    cluster = Cluster(free, placed=0)
    monkeypatch.setitem(sys.modules, "ray", cluster)
    monkeypatch.setitem(sys.modules, "ray.exceptions", cluster.exceptions)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(TrialsError, match=words):
        list(run_ray(REQUEST, REQUEST.trials, 2))
    assert cluster.is_down


def test_figures_count_the_processes_that_there_were(results, monkeypatch, capsys):
    def engine(request, trials, jobs, fewer):
        fewer(1)
        yield from (Finished(result, 0.1, {}) for result in results)

    monkeypatch.setitem(evaluation.ENGINES, "ray", engine)
    assert evaluate(REQUEST, jobs=4, engine="ray")["processes"] == 1
    assert "1 of 4 processes: no more CPUs of the cluster are free" in capsys.readouterr().err


def test_an_engine_that_is_not_there(monkeypatch):
    with pytest.raises(TrialsError, match="no engine 'slurm'; there are: process, ray"):
        evaluate(REQUEST, jobs=1, engine="slurm")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TrialsError, match="Ray is not installed"):
        evaluate(REQUEST, jobs=1, engine="ray")


def filled(folder, results, count):
    """A folder with some finished trials."""
    with TrialStore(folder, REQUEST.identity()) as store:
        for result in results[:count]:
            store.add(result, 0.5)
    return folder / NAME


def test_a_line_cut_short_is_run_again_and_nothing_else(results, tmp_path, monkeypatch):
    path = filled(tmp_path, results, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert read_store(path).cut and len(read_store(path).results) == 2
    ran = []

    def engine(request, trials, jobs, fewer):
        ran.extend(trials)
        yield from (Finished(result, 0.1, {"front": b"image"}) for result in results if result.key in trials)

    monkeypatch.setitem(evaluation.ENGINES, "process", engine)
    figures = evaluate(REQUEST, jobs=1, out=tmp_path)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "frames").iterdir()}
    assert kept == {f"{r.task}_{r.seed}_front.png": b"image" for r in results[2:]}
    assert sorted(ran) == sorted(r.key for r in results[2:]) and figures["resumed"] == 2
    stored = read_store(path)
    assert not stored.cut and stored.duplicates == 0 and figures["rows"] == rows(results)
    assert path.read_bytes().startswith(whole[: whole.rfind(b"\n", 0, -40) + 1]), "what was finished stays as it was"


def test_every_cut_of_a_file_is_readable(results, tmp_path):
    path = filled(tmp_path, results, 2)
    whole = path.read_bytes()
    for size in range(0, len(whole), 101):
        path.write_bytes(whole[:size])
        with TrialStore(tmp_path, REQUEST.identity()) as store:
            assert len(store.found.results) == max(0, whole[:size].count(b"\n") - 1)
        assert read_store(path).identity == json.loads(json.dumps(REQUEST.identity()))


def test_duplicates_count_once(results, tmp_path):
    path = filled(tmp_path, results, 2)
    with open(path, "ab") as file:
        changed = replace(results[0], success=not results[0].success)
        file.write(json.dumps({"trial": changed.as_row(), "wall_s": 1.0}).encode() + b"\n")
    stored = read_store(path)
    assert stored.duplicates == 1 and len(stored.results) == 2
    assert stored.results[results[0].key][0] == results[0], "the first one counts"


def test_a_broken_line_in_the_middle_is_named(results, tmp_path):
    path = filled(tmp_path, results, 2)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"trial": 3}\n' + lines[2])
    with pytest.raises(TrialsError, match="line 2 is not a trial"):
        read_store(path)


def test_a_folder_of_another_request_is_refused_with_the_field(results, tmp_path):
    filled(tmp_path, results, 1)
    other = replace(REQUEST, perturbations=parse(["push=0.04"]), seeds=(50_000,))
    with pytest.raises(TrialsError) as error:
        evaluate(other, jobs=1, out=tmp_path)
    assert "perturbation: 'push=0.03' there, 'push=0.04' asked for" in str(error.value) and "seeds:" in str(error.value)
    assert "task_s" not in str(error.value) and len(read_store(tmp_path / NAME).results) == 1


def test_fingerprints_tell_requests_apart_and_files_by_content(tmp_path):
    same = tmp_path / "elsewhere.yaml"
    same.write_text(CARD.read_text())
    assert fingerprint(replace(REQUEST, card_path=str(same)).identity()) == fingerprint(REQUEST.identity())
    for change in (
        {"noise": 0.01}, {"setup": "other"}, {"seeds": (50_001, 50_000)}, {"replan_steps": 5}, {"strategy": "temporal_ensemble"},
        {"committed_steps": 2},
    ):  # fmt: skip
        assert fingerprint(replace(REQUEST, **change).identity()) != fingerprint(REQUEST.identity())
    with pytest.raises(ProvenanceError, match="No such file"):
        replace(REQUEST, checkpoint=str(tmp_path / "no.safetensors")).identity()


def test_requests_that_would_count_twice():
    with pytest.raises(TrialsError, match="seed 5 is given twice"):
        replace(REQUEST, seeds=(5, 6, 5))
    with pytest.raises(TrialsError, match="task pick is given twice"):
        replace(REQUEST, tasks=("pick", "pick"))
    with pytest.raises(TrialsError, match="seed -3: allowed are 0 and above"):
        replace(REQUEST, seeds=(1, -3))


def test_two_runs_in_one_folder(results, tmp_path):
    with TrialStore(tmp_path, REQUEST.identity()):
        with pytest.raises(TrialsError, match="another run is writing there"):
            TrialStore(tmp_path, REQUEST.identity())


@pytest.mark.timeout(90)
def test_a_killed_run_goes_on_and_its_processes_end(tmp_path):
    suite.cache_clear()  # source that was edited since this process began is another suite to the run
    run = subprocess.Popen(command(tmp_path, str(CARD)), start_new_session=True, stderr=subprocess.DEVNULL)
    path, deadline = tmp_path / NAME, time.monotonic() + 60
    while not (path.exists() and path.read_bytes().count(b"\n") >= 2):
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    before = read_store(path)
    assert 1 <= len(before.results) < TRIALS
    while alive_in(run.pid):
        assert time.monotonic() < deadline, "workers of a killed run live on"
        time.sleep(0.05)
    request = EvalRequest(str(CARD), EXPERT, "pick", tuple(range(50_000, 50_000 + TRIALS)), time_limit_s=1.0)
    figures = evaluate(request, jobs=1, out=tmp_path)
    after = read_store(path)
    assert len(after.results) == TRIALS and after.duplicates == 0 and figures["resumed"] == len(before.results)
    assert all(after.results[key] == value for key, value in before.results.items())
    found = [(row.episode, row.sequence) for row in read_inferences(tmp_path / "inferences.jsonl")]
    chunks = [after.results[key][0].chunks for key in sorted(after.results)]
    assert found == [(episode, k) for episode, count in enumerate(chunks, 1) for k in range(count)]


def test_the_run_folder_has_summary_and_evidence(results, tmp_path):
    unknown = replace(results[0], success=None, label="")
    done = replace(results[1], success=True, label="", first_bad_sequence=None, first_bad_stamp_ns=None)
    from vla_trials.trials.evaluate import summarise

    trials = [unknown, done, *results[2:]]
    figures = summarise(REQUEST, trials, busy=1.0, wall=1.0, jobs=1)
    assert (figures["trials"], figures["successes"], figures["unknown"], figures["rate"]) == (4, 1, 1, 1 / 3)
    assert (
        figures["recovery"]["of"] == sum(r.pushes > 0 for r in trials[1:])
        and figures["recovery"]["hits"] == done.pushes
    )
    assert figures["tasks"]["pick"]["unknown"] == 1
    write_run(tmp_path, REQUEST, figures)
    for name in ("episodes.jsonl", "episodes.parquet"):
        episodes = read_episodes(tmp_path / name)
        assert [e.outcome for e in episodes] == ["UNKNOWN", "SUCCESS", "FAILURE", "FAILURE"]
        assert episodes[0].outcome_source == "" and episodes[1].outcome_source == "SIM"
        assert episodes[1].perturbation == "push=0.03" and episodes[1].split == "held_out"
        assert episodes == episode_rows(REQUEST, REQUEST.identity(), trials)
    assert json.loads((tmp_path / "eval.json").read_text())["request"]["tasks"] == ["pick", "stack"]
    assert "1 of unknown outcome not counted" in "\n".join(describe({**figures, "resumed": 0}))
