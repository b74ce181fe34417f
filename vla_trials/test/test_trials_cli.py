"""The words of `vla eval` and `vla agree`: what is asked, what is printed first, what is refused."""

import argparse
import io
import json

import pytest
from PIL import Image
from shipped_paths import CARD

from vla_contract.card import load_card
from vla_evidence.labels.labels import Label
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.evaluate import EvalRequest, Evaluator, check_request, summarise
from vla_trials.trials.labelling import Labeller
from vla_trials.trials.perturbations import parse
from vla_trials.trials.result import TrialResult
from vla_trials.verbs import agree as cli_agree
from vla_trials.verbs import eval as cli_eval


def arguments(module, *words):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return parser.parse_args(list(words))


def asked(*words):
    return cli_eval.request_of(arguments(cli_eval, "--card", str(CARD), "--checkpoint", "expert", *words))


def test_words_become_a_request():
    request = asked(
        "--task", "pick", "stack", "--trials", "3", "--perturb", "latency=300", "push=0.03", "--perturb", "move=0.05"
    )
    assert (
        request.tasks == ("pick", "stack") and request.seeds == (50_000, 50_001, 50_002) and request.split == "held_out"
    )
    assert request.perturbations.text == "latency=300 move=0.05 push=0.03"
    assert asked("--trials", "2", "--split", "held_out_words").seeds == (100_000, 100_001)
    assert asked("--seed", "2000", "--trials", "1").split == ""


def test_seeds_of_the_split_with_new_sentences_have_the_cards_where_it_was_not_asked_for():
    plain = asked("--seed", "100000", "--trials", "1", "--time-limit", "0.1")
    split = asked("--split", "held_out_words", "--trials", "1", "--time-limit", "0.1")
    assert plain.seeds == split.seeds and (plain.split, split.split) == ("", "held_out_words")
    told = [Evaluator(request).trial(100_000).result for request in (plain, split)]
    sentences = load_card(CARD).tasks[0].instructions()
    assert [result.instruction in sentences for result in told] == [True, False]
    assert [result.split for result in told] == ["", "held_out_words"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--split", "train", "--seed", "50000"), "are not all in split 'train'"),
        (("--perturb", "rain=1"), "no perturbation 'rain'; there are: latency"),
        (("--time-limit", "0"), "allowed is above 0"),
        (("--time-limit", "inf"), "--time-limit inf: allowed is above 0 and finite"),
        (("--noise", "-1"), "noise: -1.0"),
        (("--noise", "inf"), "noise: inf"),
        (("--latency", "-1"), r"--latency -1.0: allowed are 0 to 60 \[s\]"),
        (("--latency", "nan"), "--latency nan: allowed are 0 to 60"),
        (("--latency", "1e300"), "allowed are 0 to 60"),
        (("--seed", "-1"), "--seed -1: allowed are 0 to"),
        (("--seed", str(2**31)), "--seed 2147483648: allowed are 0 to 2147483547 with 100 trials"),
        (("--replan-steps", "17"), "replan_steps is 17, allowed are 1 to the horizon, 16"),
        (("--committed-steps", "13"), "committed_steps is 13, allowed are 0 to 12: the horizon, 16"),
        (("--strategy", "committed_prefix"), "needs committed_steps of 1 or more"),
        (("--task", "pick", "pick"), "task pick is given twice"),
    ],
)
def test_words_that_cannot_be_asked(words, message):
    with pytest.raises(TrialsError, match=message):
        check_request(asked(*words))


def test_words_at_the_edge_can_be_asked():
    request = asked("--latency", "0", "--seed", "0", "--replan-steps", "16", "--time-limit", "0.1")
    check_request(request)
    check_request(asked("--strategy", "committed_prefix", "--committed-steps", "12"))
    assert (request.latency.floor_s, request.seeds[0], request.replan_steps) == (0.0, 0, 16)


def result(seed, success):
    return TrialResult(
        "pick", seed, "lift it", success, 3.0, 3.0, "red_block", "red_block", 8, 30, 3, split="held_out",
        latency_p50_ms=60.0, latency_p99_ms=70.0,
    )  # fmt: skip


@pytest.fixture
def stubbed(monkeypatch):
    """Trials are not run: the first policy wins on all seeds but every fourth, the expert on every third."""

    def evaluate(request, *, jobs, engine, out, inferences, mix_suites, others):
        wins = (lambda seed: seed % 4 > 0) if request.checkpoint != "expert" else (lambda seed: seed % 3 == 0)
        results = [result(seed, wins(seed)) for seed in request.seeds]
        if out:
            out.mkdir(parents=True, exist_ok=True)
        return {**summarise(request, results, busy=1.0, wall=1.0, jobs=jobs), "engine": engine, "resumed": 0}

    monkeypatch.setattr("vla_trials.trials.evaluate.evaluate", evaluate)
    monkeypatch.setattr("vla_trials.trials.evaluate.check_request", lambda request: None)
    monkeypatch.setattr("vla_trials.trials.output.write_run", lambda out, request, figures: None)


@pytest.mark.parametrize(("trials", "verdict"), [("40", "policy is better than expert"), ("4", "cannot tell")])
def test_a_comparison_plans_first_and_ends_with_a_verdict(stubbed, tmp_path, capsys, trials, verdict):
    words = ["--card", str(CARD), "--checkpoint", "policy.safetensors", "--against", "expert", "--trials", trials]
    args = arguments(cli_eval, *words, "--out", str(tmp_path), "--json", str(tmp_path / "all.json"))
    assert cli_eval.run(args) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("to see a difference of 10%") and "assumed discordant" in lines[0]
    assert f"the {trials} asked for see it with probability" in lines[0]
    assert lines[-1].endswith(verdict) and "McNemar exact p" in lines[-1]
    assert any("of steps clamped" in line for line in lines[1:-1])
    comparison = json.loads((tmp_path / "compare.json").read_text())
    assert comparison["verdict"] == verdict and comparison["planned"]["trials_needed"] > 200
    written = json.loads((tmp_path / "all.json").read_text())
    assert written["comparison"] == comparison and written["against"]["policy"] == "expert"


@pytest.mark.parametrize(("words", "first", "note"), [
    ((), "expert on held_out:", ""),
    (("--strategy", "temporal_ensemble"), "expert on held_out, strategy temporal_ensemble with 0 committed steps:", ""),
    (("--strategy", "committed_prefix", "--committed-steps", "3"),
     "expert on held_out, strategy committed_prefix with 3 committed steps:", ""),
    (("--committed-steps", "3"), "expert on held_out, strategy receding_horizon with 3 committed steps:",
     "note: committed_steps is 3 with strategy receding_horizon: chunks repeat these steps"),
])
def test_how_chunks_were_stitched_is_said_where_it_is_not_the_default(stubbed, capsys, words, first, note):
    assert cli_eval.run(arguments(cli_eval, "--card", str(CARD), "--checkpoint", "expert", "--trials", "2", *words)) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == first
    assert shown.err.startswith(note) and len(shown.err.splitlines()) == bool(note)


def test_agreement_from_files(tmp_path, capsys):
    paths = []
    for setup, wins in (("standard", {"a": 9, "b": 4, "c": 6}), ("other", {"a": 8, "b": 5, "c": 3})):
        for policy, count in wins.items():
            request = EvalRequest(str(CARD), f"{policy}.safetensors", "pick", tuple(range(50_000, 50_010)), setup=setup)
            figures = summarise(
                request, [result(s, s - 50_000 < count) for s in request.seeds], busy=1.0, wall=1.0, jobs=1
            )
            paths.append(tmp_path / f"{policy}_{setup}.json")
            paths[-1].write_text(json.dumps(figures))
    assert cli_agree.run(arguments(cli_agree, *map(str, paths), "--json", str(tmp_path / "out.json"))) == 0
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["mmrv"] == pytest.approx((0 + 0.2 + 0.2) / 3, abs=1e-4) and 0.5 < figures["pearson_r"] < 0.9
    assert "mean maximum rank violation 0.133 over 3 policies" in capsys.readouterr().out


def test_failures_get_labels_and_the_viewpoint_only_where_it_is_the_reason():
    request = EvalRequest(
        str(CARD), "expert", "pick", (50_000,), perturbations=parse(["viewpoint=0.1"]), time_limit_s=0.5
    )
    evaluator = Evaluator(request)
    failed, _, frames, _ = evaluator.trial(50_000)
    assert not failed.success and failed.label == Label.TOO_SLOW, "the same trial fails with the camera in its place"
    images = {name: Image.open(io.BytesIO(data)) for name, data in frames.items()}
    assert {name: image.size for name, image in images.items()} == {"front": (224, 224), "wrist": (224, 224)}
    labeller = Labeller(evaluator._perturbed, evaluator._cell.world, request.perturbations.text, 0.5)
    evaluator._run(evaluator._perturbed, "pick", 50_000)
    found = labeller.figures(False, lambda: True)
    assert found.label == Label.VIEWPOINT and found.first_bad_stamp_ns == found.start_ns
    assert labeller.figures(True).label == ""
    assert evaluator.trial(50_000)[0] == failed, "running it again left no trace"
