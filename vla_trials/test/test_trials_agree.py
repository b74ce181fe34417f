"""`vla agree`: policies told apart by content, nothing but the setup may differ, and an operator's word counts."""

import argparse
import json
from dataclasses import replace

import pytest
from shipped_paths import CARD

from vla_evidence.rows.outcomes import OperatorOutcome, append_outcome, load_episodes
from vla_trials.lockstep.latency import LatencyModel
from vla_trials.trials.agreement import agreement, read_scored
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.evaluate import EXPERT, EvalRequest, summarise
from vla_trials.trials.output import write_run
from vla_trials.trials.result import TrialResult
from vla_trials.verbs import agree as cli_agree

SEEDS = tuple(range(50_000, 50_010))


def checkpoint(folder, content):
    path = folder / content / "model.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return str(path)


def figures_of(request, wins):
    results = [
        TrialResult(task, seed, "lift it", seed - SEEDS[0] < wins, 3.0, 3.0, "red_block", "red_block", 8, 30, 3, split="held_out")
        for task, seed in request.trials
    ]
    figures = summarise(request, results, busy=1.0, wall=1.0, jobs=1)
    return {**figures, "engine": "process", "resumed": 0, "request": request.identity()}


def write(folder, name, policy, setup, wins, *, known=True, **changes):
    """A summary as `--json` writes it; without what it did not say in the first version where it is not `known`."""
    request = replace(EvalRequest(str(CARD), policy, "pick", SEEDS, setup=setup), **changes)
    figures = figures_of(request, wins)
    if not known:
        del figures["request"]
    path = folder / f"{name}.json"
    path.write_text(json.dumps(figures))
    return path


def agree(*paths):
    return agreement([read_scored(path) for path in paths])


def told(capsys, *paths):
    parser = argparse.ArgumentParser()
    cli_agree.add_arguments(parser)
    assert cli_agree.run(parser.parse_args([str(path) for path in paths])) == 0
    return capsys.readouterr().out


def test_checkpoints_of_one_name_are_two_policies(tmp_path, capsys):
    a, b = checkpoint(tmp_path, "A"), checkpoint(tmp_path, "B")
    rates = {("standard", a): 9, ("standard", b): 4, ("other", a): 6, ("other", b): 7}
    paths = [write(tmp_path, f"{k}", policy, setup, wins) for k, ((setup, policy), wins) in enumerate(rates.items())]
    figures = agree(*paths)
    assert [policy["rates"] for policy in figures["policies"]] == [[0.9, 0.6], [0.4, 0.7]]
    assert (figures["pearson_r"], figures["mmrv"]) == (-1.0, 0.5)
    names = [policy["policy"] for policy in figures["policies"]]
    hashes = [policy["checkpoint_hash"] for policy in figures["policies"]]
    assert names == ["model", "model"] and len(set(hashes)) == 2
    words = told(capsys, *paths)
    assert all(f"model ({digest[:8]}): " in words for digest in hashes)


def test_another_checkpoint_of_the_same_name_in_the_other_setup_is_not_the_same_policy(tmp_path):
    a, b = checkpoint(tmp_path, "A"), checkpoint(tmp_path, "B")
    paths = [write(tmp_path, "1", a, "standard", 9), write(tmp_path, "2", b, "other", 9)]
    paths += [write(tmp_path, "3", EXPERT, "standard", 4), write(tmp_path, "4", EXPERT, "other", 4)]
    with pytest.raises(TrialsError, match=r"1 policies were tried in both setups.*left out: model \(\w{8}\), model \(\w{8}\)"):
        agree(*paths)


def test_a_checkpoint_that_was_moved_is_the_same_policy_and_noise_makes_it_another(tmp_path):
    a = checkpoint(tmp_path, "A")
    moved = tmp_path / "renamed.safetensors"
    moved.write_bytes(b"A")
    paths = [write(tmp_path, "1", a, "standard", 9), write(tmp_path, "2", str(moved), "other", 8)]
    paths += [write(tmp_path, f"noisy_{s}", a, s, 3, noise=0.01) for s in ("standard", "other")]
    figures = agree(*paths)
    assert [policy["policy"] for policy in figures["policies"]] == ["model", "model+noise=0.01"]
    assert [policy["rates"] for policy in figures["policies"]] == [[0.9, 0.8], [0.3, 0.3]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"latency": LatencyModel(0.2, 0.0, 0.0)}, r"latency: \[0.2, 0.0, 0.0\], \[0.03, 0.03, 0.35\]"),
        ({"replan_steps": 8}, "replan_steps: 8, 4"),
        ({"rule": "legacy"}, "rule: 'legacy', ''"),
        ({"time_limit_s": 2.0}, "time_limit_s: 2.0, None"),
        ({"card_path": "other.yaml"}, "card_hash: '"),
    ],
)
def test_what_differs_beside_the_setup_is_refused_and_named(tmp_path, change, field):
    if "card_path" in change:
        other = tmp_path / "other.yaml"
        other.write_text(CARD.read_text().replace("name: panda_tabletop", "name: another", 1))
        change = {"card_path": str(other)}
    a, b = checkpoint(tmp_path, "A"), checkpoint(tmp_path, "B")
    paths = [write(tmp_path, f"{p[-19]}_{s}", p, s, 5) for p in (a, b) for s in ("standard", "other")]
    changed = write(tmp_path, "changed", b, "other", 5, **change)
    with pytest.raises(TrialsError, match=rf"changed.json: {field}.* in .*only the setup may differ") as error:
        agree(*paths[:3], changed)
    assert "\n" not in str(error.value)


def test_another_version_of_the_suite_is_refused(tmp_path):
    a, b = checkpoint(tmp_path, "A"), checkpoint(tmp_path, "B")
    paths = [write(tmp_path, f"{k}", p, s, 5) for k, (p, s) in enumerate((p, s) for p in (a, b) for s in ("standard", "other"))]
    figures = json.loads(paths[2].read_text())
    figures["request"]["suite"] = "0.0.9+0123456789abcdef"
    paths[2].write_text(json.dumps(figures))
    with pytest.raises(TrialsError, match=r"2.json: suite: '0.0.9\+0123456789abcdef', "):
        agree(*paths)
    figures["request"].pop("suite")
    paths[2].write_text(json.dumps(figures))
    result = agree(*paths)
    assert result["notes"] == [f"not told, and so not compared: suite, by {paths[2]}"]


def test_summaries_of_before_are_told_apart_by_checkpoint_path_with_a_note(tmp_path, capsys):
    a, b = checkpoint(tmp_path, "A"), checkpoint(tmp_path, "B")
    made = [(p, s) for p in (a, b) for s in ("standard", "other")]
    paths = [write(tmp_path, f"{k}", p, s, 5 + k, known=k > 1) for k, (p, s) in enumerate(made)]
    figures = agree(*paths)
    assert [policy["rates"] for policy in figures["policies"]] == [[0.5, 0.6], [0.7, 0.8]]
    assert figures["notes"][0].startswith("not told, and so not compared: card_hash, checkpoint_hash, committed_steps, latency")
    assert figures["notes"][0].endswith(f"by {paths[0]}, {paths[1]}")
    assert "told apart by path and name" in told(capsys, *paths)


def run_folder(folder, setup, wins, noise=0.0):
    request = EvalRequest(str(CARD), EXPERT, "pick", SEEDS, setup=setup, noise=noise)
    folder.mkdir()
    write_run(folder, request, figures_of(request, wins))
    return folder


def test_an_operators_word_counts(tmp_path, capsys):
    folders = [run_folder(tmp_path / f"{s}_{n}", s, 8 - 100 * n, n) for s in ("standard", "other") for n in (0.0, 0.02)]
    assert agree(*folders)["policies"][0]["rates"] == [0.8, 0.8]
    episodes = load_episodes(folders[0])
    for episode, outcome in ((episodes[0], "FAILURE"), (episodes[1], "UNKNOWN"), (episodes[9], "FAILURE")):
        append_outcome(folders[0], OperatorOutcome(episode.run_id, outcome, by="somebody"))
    append_outcome(folders[0], OperatorOutcome("f" * 32, "SUCCESS"))
    figures = agree(*folders)
    first = figures["policies"][0]
    assert first["trials"] == [9, 10] and first["rates"] == [pytest.approx(6 / 9), 0.8] and first["labelled"] == [3, 0]
    assert agree(folders[0] / "eval.json", *folders[1:])["policies"][0] == first, "the file in a run folder is that folder"
    words = told(capsys, *folders)
    assert "outcomes of 3 trials in 'standard' are an operator's" in words
    assert "labels.jsonl names 1 run that no episode is of" in words
