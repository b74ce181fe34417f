"""Receding horizon, temporal ensembling, committed prefix: what each does, and where each is valid."""

import numpy as np
import pytest
from cells import MS, Rig, make_card, make_chunk, straight

from vla_contract.report import Verdict
from vla_controller.controller import ChunkController
from vla_controller.intake.delays import DelayWatch
from vla_controller.planning.strategy import make_strategy


def rig_with(strategy: str, **options) -> Rig:
    return Rig(make_card(**options), strategy=strategy)


def moving(strategy: str, **options) -> Rig:
    rig = rig_with(strategy, **options)
    rig.send(straight())
    rig.run(400)
    return rig


def scheduled(rig: Rig, sequence: int):
    return [r for r in rig.reports if r.sequence == sequence][0]


def test_an_unknown_strategy_is_refused_with_those_there_are():
    rig = Rig()
    with pytest.raises(ValueError, match="receding_horizon, temporal_ensemble, committed_prefix"):
        ChunkController(rig.card, rig.model, strategy="average")


@pytest.mark.parametrize("strategy", ["receding_horizon", "temporal_ensemble", "committed_prefix"])
def test_a_chunk_that_finds_the_arm_at_rest_starts_now_whatever_its_delay(strategy):
    rig = rig_with(strategy)
    rig.send(straight(), stamp_ns=rig.now - 400 * MS)
    assert scheduled(rig, 0).verdict is Verdict.ACCEPTED and scheduled(rig, 0).steps_skipped == 0


def test_ensembling_averages_motion_but_never_the_gripper():
    rig = moving("temporal_ensemble")
    before = rig.tool(rig.now + 900 * MS)[1, 3]
    sideways = straight((0.1, 0.05, 0.0))
    actions = np.hstack([sideways, np.zeros((16, 1))])  # and the gripper closes
    rig.send(actions, 1)
    alone = moving("receding_horizon")
    alone.send(actions, 1)
    own = alone.tool(alone.now + 900 * MS)[1, 3] - before
    both = rig.tool(rig.now + 900 * MS)[1, 3] - before
    assert own > 0.03
    assert both == pytest.approx(own / 2, rel=0.1)  # two chunks, of nearly the same weight
    np.testing.assert_array_equal(scheduled(rig, 1).planned_actions[:, 6], 0.0)
    rig.run(300)
    assert rig.trajectories[-1].topic == "panda_hand_controller/joint_trajectory"
    assert rig.trajectories[-1].positions[-1, 0] == 0.0


def test_ensembling_leaves_out_what_is_past_its_validity():
    ends = {}
    for strategy in ("temporal_ensemble", "receding_horizon"):
        rig = Rig(make_card(), strategy=strategy, speed_scale=0.25)
        rig.send(straight(), valid_for_ns=500 * MS)  # its last step would be due 3 s later
        rig.run(1500)
        before = rig.tool()[:3, 3]
        rig.send(straight((0.0, 0.05, 0.0)), 1)
        rig.run(4500)
        ends[strategy] = rig.tool()[:3, 3] - before
    assert ends["receding_horizon"][1] > 0.02
    np.testing.assert_allclose(ends["temporal_ensemble"], ends["receding_horizon"], atol=1e-6)


def test_ensembling_forgets_what_a_stop_has_cut():
    rig = moving("temporal_ensemble")
    rig.take(rig.controller.stop(rig.now))
    rig.take(rig.controller.resume(rig.now))
    rig.run(1000)
    start = rig.tool()[0, 3]
    rig.send(straight((-0.1, 0, 0)), 1)
    rig.run(2500)
    assert rig.tool()[0, 3] < start - 0.15


@pytest.mark.parametrize(
    "strategy, chunk, verdict, words",
    [
        ("receding_horizon", {"steps": 3, "late": 350}, Verdict.STALE, "longer than the horizon of 3 steps"),
        ("temporal_ensemble", {"steps": 1, "late": 0}, Verdict.SHAPE, "needs 2 steps"),
        ("temporal_ensemble", {"steps": 6, "late": 320}, Verdict.STALE, "half of the horizon"),
        ("committed_prefix", {"steps": 16, "late": 0}, Verdict.SHAPE, "allows 1 to 15"),
        ("committed_prefix", {"steps": 16, "late": 250, "committed": 2}, Verdict.STALE, "2 committed steps of 100 ms"),
    ],
)
def test_outside_its_delay_and_horizon_a_strategy_refuses(strategy, chunk, verdict, words):
    rig = moving(strategy)
    rig.send(
        straight(steps=chunk["steps"]), 1, stamp_ns=rig.now - chunk["late"] * MS,
        committed_steps=chunk.get("committed", 0),
    )  # fmt: skip
    assert rig.reports[-1].verdict is verdict and words in rig.reports[-1].message


def test_committed_steps_stay_as_they_were_planned():
    rig = moving("committed_prefix")
    times = [rig.now + t * MS for t in range(0, 300, 10)]
    before = np.array([rig.controller.commanded_at(t)[0] for t in times])
    rig.send(straight((0.0, 0.2, 0.0)), 1, committed_steps=3)
    assert scheduled(rig, 1).verdict is Verdict.ACCEPTED and scheduled(rig, 1).steps_skipped == 3
    after = np.array([rig.controller.commanded_at(t)[0] for t in times])
    np.testing.assert_allclose(after, before, atol=1e-12)
    assert rig.tool(rig.now + 1000 * MS)[1, 3] > 0.05


def test_the_measured_delay_is_watched():
    rig = moving("receding_horizon")
    for sequence in range(1, 20):
        rig.run(100)
        rig.send(straight(), sequence, stamp_ns=rig.now - 150 * MS)
    assert rig.controller.snapshot(rig.now).delay_ns == pytest.approx(150 * MS, rel=0.05)


@pytest.mark.parametrize(
    "strategy, steps, committed, bound_ms",
    [
        ("receding_horizon", 16, 0, 1600),
        ("receding_horizon", 3, 0, 300),
        ("temporal_ensemble", 5, 0, 250),
        ("committed_prefix", 16, 4, 400),
    ],
)
def test_the_bound_of_a_strategy_is_where_it_begins_to_refuse(strategy, steps, committed, bound_ms):
    chunk = make_chunk(make_card(), straight(steps=steps), 0, committed_steps=committed)
    kind = make_strategy(strategy)
    bound_ns = kind.bound_ns(chunk, 100 * MS)
    assert bound_ns == bound_ms * MS
    assert kind.refusal(chunk, 100 * MS, bound_ns) is None
    assert kind.refusal(chunk, 100 * MS, bound_ns + 1).verdict is Verdict.STALE
    assert kind.bound_ns(chunk, 200 * MS) == 2 * bound_ns


@pytest.mark.parametrize("strategy, steps, committed", [("temporal_ensemble", 1, 0), ("committed_prefix", 16, 16)])
def test_a_chunk_that_no_delay_makes_valid_has_no_bound(strategy, steps, committed):
    chunk = make_chunk(make_card(), straight(steps=steps), 0, committed_steps=committed)
    assert make_strategy(strategy).bound_ns(chunk, 100 * MS) == 0


def test_the_watch_keeps_the_newest_bound_and_forgets_with_a_run():
    watch = DelayWatch()
    assert (watch.p95_ns, watch.bound_ns) == (0, 0)
    for bound_ms in (500, 400):
        watch.add(100 * MS, bound_ms * MS)
    assert (watch.p95_ns, watch.bound_ns) == (100 * MS, 400 * MS)
    watch.forget()
    assert (watch.p95_ns, watch.bound_ns) == (0, 0)


def test_the_bound_that_is_reported_is_that_of_the_newest_chunk_at_its_speed():
    rig = moving("receding_horizon")  # 16 steps of 100 ms, less the planning margin
    assert rig.controller.snapshot(rig.now).delay_bound_ns == 1600 * MS - 20 * MS
    rig.controller.set_speed_scale(0.5)
    rig.send(straight(steps=8), 1)
    assert rig.controller.snapshot(rig.now).delay_bound_ns == 1600 * MS - 20 * MS
    rig.send(straight(steps=4), 2)
    assert rig.controller.snapshot(rig.now).delay_bound_ns == 800 * MS - 20 * MS


def test_a_new_run_has_delays_of_its_own():
    rig = moving("receding_horizon")
    for sequence in range(1, 20):
        rig.run(100)
        rig.send(straight(), sequence, stamp_ns=rig.now - 300 * MS)
    rig.send(straight(), 0, run_id="0" * 31 + "7", stamp_ns=rig.now - 50 * MS)
    assert rig.controller.snapshot(rig.now).delay_ns == 50 * MS
