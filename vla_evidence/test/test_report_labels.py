"""What an operator says reaches every number of the page, and what nobody knows is in none."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import report_samples as samples
from report_pages import Page

from vla_bringup.cli import main
from vla_evidence.report.folder import read_folder
from vla_evidence.report.report import make_report
from vla_evidence.rows.outcomes import OperatorOutcome, append_outcome, apply_outcomes, load_episodes
from vla_evidence.rows.row_files import read_episodes, write_rows
from vla_evidence.rows.rows import EpisodeRow
from vla_evidence.rows.scoring import score
from vla_evidence.statistics.paired import compare, pair

OUTCOMES = {True: "SUCCESS", False: "FAILURE", None: "UNKNOWN"}


def trial(number: int, done: bool | None, **changes) -> EpisodeRow:
    """A row as `vla eval` writes it; the run id is of the number, and of the seed."""
    row = EpisodeRow(
        run_id=f"{number:032x}", episode=number, task="pick", seed=49_999 + number, instruction="lift it", policy="native",
        checkpoint="a.safetensors", steps_executed=100, steps_clamped=0, outcome=OUTCOMES[done],
        outcome_source="" if done is None else "SIM",
    )  # fmt: skip
    return replace(row, **changes)


def text_of(folder: Path) -> str:
    return " ".join(Page(make_report(folder)).text.split())


# UNKNOWN


def test_recovery_is_over_known_outcomes_and_the_operators_word_changes_it(tmp_path):
    pushed = [trial(1, True, pushes=1, recovered=1), trial(2, True, pushes=1, recovered=1), trial(3, None, pushes=1)]
    write_rows(tmp_path / "episodes.jsonl", pushed)
    numbers = Page(make_report(tmp_path)).numbers
    assert (numbers["recovery.hits"], numbers["recovery.of"]) == (2, 2)
    for row in pushed[:2]:
        append_outcome(tmp_path, OperatorOutcome(row.run_id, "FAILURE"))
    numbers = Page(make_report(tmp_path)).numbers
    assert (numbers["recovery.hits"], numbers["recovery.of"]) == (0, 2)
    assert numbers["success.0.successes"] == 0
    append_outcome(tmp_path, OperatorOutcome(pushed[2].run_id, "SUCCESS"))
    numbers = Page(make_report(tmp_path)).numbers
    assert (numbers["recovery.hits"], numbers["recovery.of"]) == (1, 3)


@pytest.mark.parametrize(("before", "said", "recovered"), [
    (True, "FAILURE", 0), (True, "UNKNOWN", 0), (True, "SUCCESS", 2), (False, "SUCCESS", 2), (None, "SUCCESS", 2),
])  # fmt: skip
def test_pushes_are_recovered_from_where_the_operator_says_that_it_was_done(before, said, recovered):
    row = trial(1, before, pushes=2, recovered=2 if before else 0)
    assert apply_outcomes([row], [OperatorOutcome(row.run_id, said)])[0].recovered == recovered
    assert apply_outcomes([row], [OperatorOutcome("ff" * 16, said)]) == [row]


def test_the_clamped_share_is_that_of_vla_label_and_of_known_outcomes_only(tmp_path, capsys):
    rows = [trial(1, True), trial(2, False), trial(3, None, steps_clamped=100)]
    write_rows(tmp_path / "episodes.jsonl", rows)
    page = Page(make_report(tmp_path))
    assert page.numbers["key.clamped_share"] == score(rows).clamped_share == 0.0
    assert page.numbers["success.0.clamped_share"] == 0.0
    assert "0.0\u00a0% of 200 executed steps were clamped" in page.text and "33.3" not in page.text.split("Episodes")[0]
    append_outcome(tmp_path, OperatorOutcome(rows[2].run_id, "FAILURE"))
    assert main(["label", str(tmp_path), "--list"]) == 0
    assert "33.3% of steps clamped" in capsys.readouterr().out
    assert Page(make_report(tmp_path)).numbers["key.clamped_share"] == score(load_episodes(tmp_path)).clamped_share == 1 / 3
    append_outcome(tmp_path, OperatorOutcome(rows[0].run_id, "UNKNOWN"))
    append_outcome(tmp_path, OperatorOutcome(rows[1].run_id, "UNKNOWN"))
    append_outcome(tmp_path, OperatorOutcome(rows[2].run_id, "UNKNOWN"))
    assert "key.clamped_share" not in Page(make_report(tmp_path)).numbers


# The paired comparison


def compared(folder: Path, first: list, second: list, *, against: bool = True) -> Path:
    """What `vla eval --against --out` leaves: rows of both policies, and compare.json of their outcomes."""
    (folder / "against").mkdir(parents=True)
    sides = [[trial(k, done) for k, done in enumerate(outcomes, 1)] for outcomes in (first, second)]
    sides[1] = [replace(r, run_id=f"b{r.run_id[1:]}", checkpoint="b.safetensors") for r in sides[1]]
    told = [{(r.task, r.seed): done for r, done in zip(rows, outcomes)} for rows, outcomes in zip(sides, (first, second))]
    planned = {"effect": 0.1, "discordance_assumed": 0.3, "trials_needed": 253, "trials_asked": len(first)}
    (folder / "compare.json").write_text(json.dumps({"planned": planned, **compare(pair(*told), ("a", "b"))}))
    for place, rows in zip((folder, folder / "against") if against else (folder,), sides):
        write_rows(place / "episodes.jsonl", rows)
        outcomes = {r.seed: {"SUCCESS": True, "FAILURE": False}.get(r.outcome) for r in rows}
        content = samples.trials(outcomes, rows[0].task, checkpoint=rows[0].checkpoint, policy="native")
        (place / "eval.json").write_text(json.dumps(content))
    return folder


def test_a_comparison_counts_what_the_operator_said(tmp_path):
    folder = compared(tmp_path / "pair", [False, False], [False, False])
    text = text_of(folder)
    assert "neither 2" in text and "cannot tell" in text and "operator" not in text.lower()
    for episode in ("1", "2"):
        assert main(["label", str(folder), episode, "success"]) == 0
    page = Page(make_report(folder))
    text = " ".join(page.text.split())
    assert page.numbers["comparison.difference"] == 1.0
    assert "both 0, only the first 2, only the second 0, neither 0" in text and "neither 2" not in text
    assert "a less b: +100.0 % of trials" in text
    assert "an operator changed the outcome of 2 trials" in text and "trials needed 253" in text
    assert "with the operator's outcomes, episodes.jsonl has 2 successes of 2 known outcomes, eval.json 0 of 2" in text
    assert main(["label", str(folder / "against"), "1", "success"]) == 0
    page = Page(make_report(folder))
    assert page.numbers["comparison.difference"] == 0.5 and "both 1, only the first 1" in " ".join(page.text.split())
    assert {"against/episodes.jsonl", "against/labels.jsonl", "compare.json"} <= read_folder(folder).sources.keys()


def test_an_operator_can_turn_the_verdict_and_take_away_all_pairs(tmp_path):
    folder = compared(tmp_path / "pair", [False] * 8, [False] * 8)
    for episode in range(1, 9):
        append_outcome(folder, OperatorOutcome(f"{episode:032x}", "SUCCESS"))
    text = text_of(folder)
    assert "a is better than b" in text and "p = 0.007812" in text and "cannot tell" not in text
    for row in read_episodes(folder / "against" / "episodes.jsonl"):
        append_outcome(folder / "against", OperatorOutcome(row.run_id, "UNKNOWN"))
    text = text_of(folder)
    assert "no trial of both has a known outcome" in text and "8 with an unknown outcome" in text
    assert "a less b" not in text and "better" not in text


def test_a_comparison_of_which_rows_are_missing_is_said_to_be_of_before(tmp_path):
    folder = compared(tmp_path / "pair", [False, False], [False, True], against=False)
    assert "before" not in text_of(folder).partition("Paired comparison")[2].partition("Timing")[0].replace("Computed before", "")
    append_outcome(folder, OperatorOutcome(f"{1:032x}", "SUCCESS"))
    text = text_of(folder)
    said = "Of the outcomes before labelling; an operator changed the outcome of 1 trial since. The rows of the other policy are"
    assert f"{said} not in this folder." in text and "neither 1" in text
    assert "Of the outcomes before labelling, a less b: -50.0 % of trials" in text


def test_rows_that_the_comparison_does_not_count_are_not_put_into_it(tmp_path):
    folder = compared(tmp_path / "pair", [False, True], [False, True])
    write_rows(folder / "against" / "episodes.jsonl", [trial(1, True), trial(2, True)])
    text = text_of(folder)
    assert "both 1" in text and "the rows of episodes.jsonl and against/episodes.jsonl are not those that it counts" in text


def test_the_second_policys_rows_may_stand_in_eval_json(tmp_path):
    folder = compared(tmp_path / "pair", [False, False], [False, False])
    first, second = (json.loads((place / "eval.json").read_text()) for place in (folder, folder / "against"))
    result = json.loads((folder / "compare.json").read_text())
    (folder / "eval.json").write_text(json.dumps({**first, "against": second, "comparison": result}))
    for name in ("against/episodes.jsonl", "against/eval.json", "compare.json"):
        (folder / name).unlink()
    append_outcome(folder, OperatorOutcome(f"{1:032x}", "SUCCESS"))
    assert Page(make_report(folder)).numbers["comparison.difference"] == 0.5


def test_a_malformed_row_of_the_second_policy_is_named(tmp_path):
    folder = compared(tmp_path / "pair", [False, False], [False, False])
    content = json.loads((folder / "against" / "eval.json").read_text())
    content["rows"][1]["success"] = 3
    (folder / "against" / "eval.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"against/eval.json: rows\[1\].success: 3, allowed is true or false"):
        make_report(folder)


def test_the_same_counts_of_swapped_outcomes_are_noted_too(tmp_path):
    folder = compared(tmp_path / "pair", [True, False], [True, False])
    append_outcome(folder, OperatorOutcome(f"{1:032x}", "FAILURE"))
    append_outcome(folder, OperatorOutcome(f"{2:032x}", "SUCCESS"))
    text = text_of(folder)
    assert "only the first 1, only the second 1" in text and "an operator changed the outcome of 2 trials" in text


def test_what_an_operator_said_is_no_part_of_a_command(tmp_path, card):
    folder = samples.write_run(tmp_path / "run", card, bag=False)
    (folder / "eval.json").write_text(json.dumps(samples.trials({1: True, 2: True})))
    assert "labels.jsonl; the command does not" not in text_of(folder)
    append_outcome(folder, OperatorOutcome(samples.run_id(5), "SUCCESS"))
    said = "1 outcome is an operator's word in labels.jsonl; the command does not give it again"
    assert said in text_of(folder)
