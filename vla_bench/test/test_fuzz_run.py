"""Whole episodes: the controller passes, what is planted in its way is found, and a run can be taken up again."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from vla_bench.fuzz import guard, runner
from vla_bench.fuzz.episode import Episode, run_episode
from vla_bench.fuzz.random_cell import RULES, SPACES, make_cell
from vla_bench.fuzz.slip import slip
from vla_bench.verbs import fuzz as cli_fuzz
from vla_contract.report import Phase, Verdict

CALM = 23  # seeds of episodes whose chunks are mostly accepted
CHUNKS = 25


def calm_cell(seed: int = CALM, rule: str = "legacy"):
    """No troubles, no noise, no delay of messages: what goes wrong in a test is what the test planted."""
    cell = make_cell(seed, ("JOINT_POSITION",), (rule,))
    return dataclasses.replace(
        cell, troubles=0.0, noise=0.0, sag=0.0, lag_ns=0, jitter_ns=0, strategy="receding_horizon", speed_scale=1.0
    )


def run_with(tamper=None, cell=None):
    """An episode whose controller's outputs pass through tamper(output, count of trajectory-bearing outputs)."""
    episode = Episode(cell or calm_cell(), CHUNKS)
    if tamper is not None:
        inner, count = episode.controller.on_chunk, 0

        def on_chunk(*arguments):
            nonlocal count
            output = inner(*arguments)
            count += bool(output.trajectories)
            return tamper(output, count)

        episode.controller.on_chunk = on_chunk
    return episode.run()


def kinds(result) -> set[str]:
    return {found.kind for found in result.found}


def changed(output, **fields):
    """The same with fields of its arm messages changed by functions."""
    output.trajectories = [
        dataclasses.replace(m, **{name: change(getattr(m, name)) for name, change in fields.items()})
        if "hand" not in m.topic else m
        for m in output.trajectories
    ]  # fmt: skip
    return output


WITH_CLOCKS_AHEAD = {10002855}


@pytest.mark.parametrize(
    "seed",
    [
        10000111,  # a clock set back to zero, and a running knot from before it
        10000447,  # an anchor from which nothing was sent, and a joint let go since
        10000713,  # an anchor on a state that was measured before the motion had ended
        10000774,  # a splice less than a microsecond behind a knot
        10004146,  # an anchor outside the joint range, handed on to a message of the same cycle
        10004155,  # the same outside the workspace
        10002855,  # the first joint state after the clock was set back was wrong
        10000379,  # outside the joint range and about to turn, a stop had no room for its overshoot of a micrometre
    ],
)
def test_what_a_long_run_once_found_stays_mended(seed):
    result = run_episode(seed, clock_ahead=seed in WITH_CLOCKS_AHEAD)
    assert not result.found and not result.exception_count and not result.unreported


def test_a_calm_episode_is_without_findings():
    result = run_with()
    assert kinds(result) == set()
    assert (result.exception_count, result.unreported) == (0, 0)
    # floods, which are part of calm weather too, are superseded but for the newest
    assert result.accepted + result.verdicts["SUPERSEDED"] > 0.6 * result.chunks
    assert result.samples > 1_000 and result.peaks["velocity"] > 0.01


def test_positions_that_are_shifted_from_one_message_on_make_a_step():
    def tamper(output, count):
        return changed(output, positions=lambda q: q + 1e-4) if count == 5 else output

    assert "position_step" in kinds(run_with(tamper))


def test_times_that_run_fast_break_a_limit_or_the_seam():
    def tamper(output, count):
        return changed(output, times_ns=lambda t: t * 3 // 4) if count >= 5 else output

    assert kinds(run_with(tamper)) & {"velocity_step", "position_step", "acceleration", "velocity"}


def test_a_trajectory_that_never_ends_at_rest_is_found():
    def tamper(output, count):
        return changed(output, accelerations=lambda a: np.vstack([a[:-1], a[-1:] + 0.05])) if count == 5 else output

    assert "not_at_rest" in kinds(run_with(tamper))


def test_motion_beyond_the_open_loop_limit_is_found():
    def tamper(output, count):
        return changed(output, times_ns=lambda t: np.append(t[:-1], t[-1] + 60_000_000_000)) if count == 5 else output

    assert "moves_without_right" in kinds(run_with(tamper))


def test_a_refused_message_and_a_number_that_is_none_are_found():
    def tamper(output, count):
        return changed(output, positions=lambda q: q * np.nan) if count == 5 else output

    assert "refused_by_endpoint" in kinds(run_with(tamper))


def test_a_chunk_that_is_never_closed_is_found():
    episode = Episode(calm_cell(), CHUNKS)
    dropped = []
    take = episode.books.take

    def forgetful(reports, time_ns):
        for report in reports:
            if report.phase is Phase.CLOSED and report.verdict is not Verdict.LOST and not dropped:
                dropped.append(report)
                reports = [other for other in reports if other is not report]
        return take(reports, time_ns)

    episode.books.take = forgetful
    result = episode.run()
    assert dropped
    assert result.unreported == 1
    assert "unclosed" in kinds(result)


def test_an_exception_is_counted_and_hides_nothing_else():
    raised = []

    def tamper(output, count):
        if count == 5 and not raised:
            raised.append(count)
            raise RuntimeError("planted")
        return changed(output, positions=lambda q: q + 1e-4) if count == 8 else output

    result = run_with(tamper)
    assert result.exception_count == 1
    assert "planted" in result.exceptions[0]
    assert "position_step" in kinds(result)


def test_a_call_that_never_returns_is_stopped_and_counted(monkeypatch):
    monkeypatch.setattr(guard, "LONGEST_CALL_S", 0.2)
    hung = []

    def tamper(output, count):
        while count == 5 and len(hung) < 1:
            try:
                while True:
                    pass
            finally:
                hung.append(count)
        return output

    with guard.guarded():
        result = run_with(tamper)
    assert result.exception_count >= 1
    assert "NeverReturns" in result.exceptions[0]


def test_a_controller_that_only_begins_to_stop_at_the_open_loop_limit_is_found():
    episode = Episode(calm_cell(), CHUNKS)
    stitcher = episode.controller._motion.stitcher
    stitcher._max_open_loop_ns += 400_000_000  # a stop's worth
    late = [found for found in episode.run().found if found.kind == "rests_too_late"]
    assert late and max(found.amount for found in late) > 0.1


def test_a_controller_that_ignores_a_stop_is_found():
    episode = Episode(calm_cell(), CHUNKS)
    episode.controller.stop = episode.controller.tick
    episode.at(episode.now + 1_500_000_000, episode.stop)
    assert "moves_without_right" in kinds(episode.run())


def test_the_same_seed_makes_the_same_episode():
    first, second = (Episode(make_cell(7), CHUNKS).run() for _ in range(2))
    drop = ("seconds", "planning_seconds")
    rows = [{key: value for key, value in runner.row_of(r).items() if key not in drop} for r in (first, second)]
    assert rows[0] == rows[1]


def test_cells_differ_and_cover_everything():
    cells = [make_cell(seed) for seed in range(120)]
    assert {cell.card.action.space for cell in cells} == set(SPACES)
    assert {cell.rule for cell in cells} == set(RULES)
    assert {cell.robot.name for cell in cells} == {"panda", "ur5e"}
    assert {len(cell.card.arms) for cell in cells} == {1, 2}
    assert any(cell.outside for cell in cells) and any(cell.jitter_ns for cell in cells)
    assert all(0.02 <= cell.card.action.step_period <= 0.2 and cell.card.action.horizon <= 50 for cell in cells)


@pytest.mark.parametrize("seed", [3, 8])
def test_sampler_and_endpoint_agree_under_the_legacy_rule(seed):
    cell = make_cell(seed, rules=("legacy",))
    result = Episode(dataclasses.replace(cell, jitter_ns=20_000_000), CHUNKS).run()
    for arm, executed, deliveries in zip(cell.card.arms, result.executed, result.deliveries):
        assert len(deliveries) > 5
        assert slip(executed, deliveries, result.aheads, arm.joints)["position_rad"] < 1e-9


def test_under_the_splice_rule_the_endpoint_slips_by_about_a_period():
    cell = calm_cell(rule="splice")
    result = Episode(cell, CHUNKS).run()
    fastest = max(cell.card.arms[0].limits.velocity)
    differs = slip(result.executed[0], result.deliveries[0], result.aheads, cell.card.arms[0].joints)
    assert 1e-7 < differs["position_rad"] < 2.0 * fastest * 1e-3


def test_a_run_that_was_cut_off_goes_on(tmp_path, monkeypatch):
    ran = []

    def quick(seed):
        ran.append(seed)
        return runner.row_of(Episode(make_cell(seed), 3).run()) | {"endpoint": None}

    monkeypatch.setattr(runner, "_work", quick)
    whole = runner.measure(600, processes=1, seed=4, out=tmp_path, progress=False)
    path = tmp_path / "fuzz_episodes.jsonl"
    lines = path.read_text().splitlines()
    assert len(lines) == len(ran) == 3
    path.write_text("\n".join(lines[:2]) + '\n{"seed": 400')
    again = runner.measure(600, processes=1, seed=4, out=tmp_path, progress=False)
    assert ran[3:] == ran[2:3]
    same = ("chunks", "violations", "verdicts", "spaces")
    assert {key: again[key] for key in same} == {key: whole[key] for key in same}


def test_the_verb_writes_figures_and_replays_one_episode(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        runner, "_work", lambda seed: {**runner.row_of(Episode(make_cell(seed), 3).run()), "endpoint": None}
    )
    monkeypatch.setattr(runner, "episode_of", lambda seed: Episode(make_cell(seed), 3).run())
    code = cli_fuzz.run(SimpleNamespace(chunks=400, processes=1, seed=0, out=tmp_path, episode=None, postures=False))
    written = json.loads((tmp_path / "fuzz.json").read_text())
    assert written["episodes"] == 2
    assert code == (1 if written["violations"] or written["exceptions"] or written["unreported"] else 0)
    cli_fuzz.run(SimpleNamespace(episode=1))
    assert "episode 1: panda" in capsys.readouterr().out


def test_the_controller_stands_two_thousand_random_chunks():
    result = runner.measure(runner.TEST_CHUNKS, processes=1, seed=0, progress=False)
    assert result["chunks"] >= runner.TEST_CHUNKS
    assert result["acceptable_share"] >= 0.6
    assert (result["violations"], result["exceptions"], result["unreported"]) == (0, 0, 0), json.dumps(
        result["failures"]
    )
