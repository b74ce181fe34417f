"""Run folders after an update of the suite, and on a disk that is full."""

import json
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from shipped_paths import CARD

from vla_bringup.cli import describe as told
from vla_bringup.cli import is_user_error
from vla_evidence.provenance import suite as suite_module
from vla_evidence.provenance.suite import PARTS, UNKNOWN, sources, suite
from vla_evidence.rows.outcomes import OperatorOutcome, append_outcome, load_episodes
from vla_trials.trials import evaluate as evaluation
from vla_trials.trials import request as request_module
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.evaluate import EXPERT, EvalRequest, evaluate
from vla_trials.trials.output import write_run
from vla_trials.trials.request import fingerprint
from vla_trials.trials.result import Finished, TrialResult
from vla_trials.trials.store import NAME, TrialStore, read_store
from vla_trials.trials.words import describe

REQUEST = EvalRequest(str(CARD), EXPERT, ("pick",), (50_000, 50_001, 50_002))


def result(seed, success=True):
    return TrialResult("pick", seed, "lift it", success, 3.0, 3.0, "red_block", "red_block", 8, 30, 3, split="held_out")


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    """Trials are not run, only told."""

    def run(request, trials, jobs, fewer):
        yield from (Finished(result(seed), 0.1) for _, seed in trials)

    monkeypatch.setitem(evaluation.ENGINES, "process", run)


@pytest.fixture
def versions(monkeypatch):
    """Sets the suite that runs."""

    def use(name):
        monkeypatch.setattr(request_module, "suite", lambda: name)

    use("0.1.0+aaaa")
    return use


def begun(folder, count=1):
    with TrialStore(folder, REQUEST.identity()) as store:
        for seed in REQUEST.seeds[:count]:
            store.add(result(seed), 0.5)
    return folder / NAME


def forget_suite(path):
    """A folder as it was written before suites were noted."""
    first, *rest = path.read_text().splitlines()
    row = json.loads(first)
    del row["request"]["suite"]
    path.write_text("\n".join([json.dumps({**row, "fingerprint": fingerprint(row["request"])}), *rest]) + "\n")
    return row["request"]


def test_an_updated_suite_does_not_go_on_in_a_folder_of_the_one_before(versions, tmp_path):
    path = begun(tmp_path)
    before = path.read_bytes()
    versions("0.2.0+bbbb")
    with pytest.raises(TrialsError) as error:
        evaluate(REQUEST, jobs=1, out=tmp_path)
    words = str(error.value)
    assert "(0.1.0+aaaa)" in words and "(0.2.0+bbbb)" in words and "another --out, or --mix-suites" in words
    assert "\n" not in words and path.read_bytes() == before
    with pytest.raises(TrialsError, match="another request: noise: 0.0 there, 0.01 asked for. Give"):
        evaluate(replace(REQUEST, noise=0.01), jobs=1, out=tmp_path, mix_suites=True)


def test_going_on_all_the_same_is_noted_for_each_trial(versions, tmp_path):
    path = begun(tmp_path)
    versions("0.2.0+bbbb")
    figures = evaluate(REQUEST, jobs=1, out=tmp_path, mix_suites=True)
    assert figures["resumed"] == 1 and figures["suites"] == {"0.1.0+aaaa": 1, "0.2.0+bbbb": 2}
    assert figures["request"]["suite"] == "0.1.0+aaaa"
    assert "  run by 2 versions of the suite: 1 by 0.1.0+aaaa, 2 by 0.2.0+bbbb" in describe(figures)
    stored = read_store(path)
    assert list(stored.suites.values()) == ["0.1.0+aaaa", "0.2.0+bbbb", "0.2.0+bbbb"]
    versions("0.1.0+aaaa")
    assert evaluate(REQUEST, jobs=1, out=tmp_path)["suites"] == figures["suites"], "it is still told afterwards"


def test_a_folder_without_a_suite_is_readable_and_not_gone_on_with(versions, tmp_path):
    path = begun(tmp_path)
    identity = forget_suite(path)
    stored = read_store(path)
    assert stored.identity == identity and list(stored.suites.values()) == [UNKNOWN]
    with pytest.raises(TrialsError, match=f"another version of the suite \\({UNKNOWN}\\)"):
        evaluate(REQUEST, jobs=1, out=tmp_path)
    figures = evaluate(REQUEST, jobs=1, out=tmp_path, mix_suites=True)
    assert figures["suites"] == {UNKNOWN: 1, "0.1.0+aaaa": 2}


def test_an_operators_labels_stay_on_their_trials(versions, tmp_path):
    path = begun(tmp_path, 3)
    forget_suite(path)
    write_run(tmp_path, REQUEST, evaluate(REQUEST, jobs=1, out=tmp_path, mix_suites=True))
    run_id = load_episodes(tmp_path)[1].run_id
    append_outcome(tmp_path, OperatorOutcome(run_id, "FAILURE"))
    versions("0.2.0+bbbb")
    write_run(tmp_path, REQUEST, evaluate(REQUEST, jobs=1, out=tmp_path, mix_suites=True))
    assert [episode.outcome for episode in load_episodes(tmp_path)] == ["SUCCESS", "FAILURE", "SUCCESS"]


def test_the_suite_is_a_hash_of_what_results_depend_on(tmp_path, monkeypatch):
    for package in PARTS:
        root = Path(find_spec(package).submodule_search_locations[0])
        ignore = shutil.ignore_patterns("__pycache__", "test")
        shutil.copytree(root.resolve(), tmp_path / package, ignore=ignore)
    monkeypatch.setattr(suite_module, "_root", lambda package: tmp_path / package)

    def told():
        suite.cache_clear()
        return suite()

    try:
        first = told()
        assert first.startswith("0.1.0+") and len(first) == len("0.1.0+") + 16
        (tmp_path / "vla_evidence" / "report" / "words.py").write_text("")
        (tmp_path / "vla_sim" / "assets" / "notes.txt").write_text("")
        assert told() == first
        for changed in ("vla_controller/planning/arm.py", "vla_sim/assets/panda.xml", "vla_trials/lockstep/runner.py",
                        "vla_trials/trials/worker.py"):  # fmt: skip
            path = tmp_path / changed
            text = path.read_text()
            path.write_text(text + "\n")
            assert told() != first, changed
            path.write_text(text)
        (tmp_path / "vla_motion" / "spline.py").rename(tmp_path / "vla_motion" / "splines.py")
        assert told() != first
    finally:
        suite.cache_clear()


def test_every_module_that_a_trial_runs_through_is_in_the_hash():
    code = (
        "import sys, vla_trials.trials.worker, vla_policy.checkpoint\n"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('vla_') and m.__file__))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    used = {Path(name).resolve() for name in run.stdout.split()}
    counted = {path.resolve() for _, path in sources()}
    left = sorted(str(path) for path in used - counted if path.name != "__init__.py")
    assert left == [] and len(used) > 60


@contextmanager
def room_for(size):
    """Files of this process cannot grow beyond this many bytes: a write across it is cut short, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_ends_the_run_in_one_line_and_costs_only_the_trial_that_did_not_fit(tmp_path):
    path = begun(tmp_path)
    size = path.stat().st_size
    with room_for(size + 100), pytest.raises(OSError) as error:
        evaluate(REQUEST, jobs=1, out=tmp_path, inferences=False)
    assert is_user_error(error.value) and told(error.value) == f"{path}: File too large"
    assert path.stat().st_size == size and len(read_store(path).results) == 1
    figures = evaluate(REQUEST, jobs=1, out=tmp_path)
    assert figures["resumed"] == 1 and figures["trials"] == 3 and not read_store(path).cut


def test_images_and_summary_that_do_not_fit_are_named_too(monkeypatch, tmp_path):
    def run(request, trials, jobs, fewer):
        yield Finished(result(50_000, False), 0.1, {"front": b"x" * 5000})

    monkeypatch.setitem(evaluation.ENGINES, "process", run)
    one = replace(REQUEST, seeds=(50_000,))
    with room_for(4000), pytest.raises(OSError) as error:
        evaluate(one, jobs=1, out=tmp_path)
    assert told(error.value) == f"{tmp_path / 'frames' / 'pick_50000_front.png'}: File too large"
    figures = evaluate(one, jobs=1, out=tmp_path)
    with room_for(50), pytest.raises(OSError) as error:
        write_run(tmp_path, one, figures)
    assert is_user_error(error.value) and told(error.value).startswith(str(tmp_path))
