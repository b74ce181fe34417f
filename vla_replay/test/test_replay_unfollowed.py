"""Chunks that the recorded arm never executed: what the controller makes of them here is left for what begins elsewhere."""

from dataclasses import asdict

import numpy as np
import pytest
from replay_samples import MS, START, LiveCell

from vla_bags.reader import Bag
from vla_bench.speed.replay import BagDraft
from vla_controller.books.output import Output
from vla_controller.controller import ChunkController
from vla_motion.spline import SplineTrajectory
from vla_motion.trajectory import JointTrajectory
from vla_replay.offline.curve import ArmCurve
from vla_replay.offline.replay import Replay

pytestmark = pytest.mark.timeout(100)


class DeafController(ChunkController):
    """Says nothing and does nothing until a time, as one that still compiles its kernels."""

    def __init__(self, card, model, until_ns):
        super().__init__(card, model)
        self._until_ns = until_ns

    def on_chunks(self, chunks, now_ns, received_steady_ns=0):
        return super().on_chunks(chunks, now_ns, received_steady_ns) if now_ns > self._until_ns else Output()


def replayed(path, card, model, controller):
    with BagDraft(path, card) as draft:
        cell = LiveCell(card, model, draft, gain=5.0)
        cell.controller = controller
        run = cell.live(4.0)
    with Bag(path) as bag:
        return run, asdict(Replay(bag, card, {}, [model]).run())["recorded"]["controller"]


def test_what_nobody_executed_is_no_violation(card, model, tmp_path):
    run, figures = replayed(tmp_path / "bag", card, model, DeafController(card, model, START + 1_600 * MS))
    assert 0 < len({report.sequence for report in run.reports if report.steps_executed}) < len(run.chunks)
    assert figures["accepted"] > 3, "the controller here hears all of them"
    assert (figures["violations"], figures["violations_by"]) == (0, {})
    assert figures["steps_unjudged"] > 0


def test_nor_is_what_a_dry_run_did_not_execute(card, model, tmp_path):
    _, figures = replayed(tmp_path / "bag", card, model, ChunkController(card, model, dry_run=True))
    assert figures["accepted"] > 0 and figures["violations"] == 0


@pytest.mark.parametrize(("off", "step", "unjudged"), [(0.0, 1, 0), (0.9, 1, 0), (1.1, 0, 1), (-1.1, 0, 1)])
@pytest.mark.parametrize("lag_ms", [0, 150])
def test_a_step_counts_where_the_arm_followed(card, model, lag_ms, off, step, unjudged):
    """off: where the arm is beside the motion, in tracking tolerances."""
    joints, home = card.arms[0].joints, np.array(card.arms[0].home)
    rest, aside, way = np.zeros((2, 7)), np.zeros(7), np.array([0.4, -0.4, 0.3, 0.0, 0.2, 0.1, 0.4])
    aside[3] = off * card.arms[0].limits.tracking_tolerance

    def trajectory(q):
        return JointTrajectory("t", START, joints, np.array([0, 4_000_000_000]), np.stack([q, q + way]), rest, rest)

    curve, arm = ArmCurve(card.arms[0], model), SplineTrajectory.from_trajectory(trajectory(home))
    curve.take(trajectory(home), START)
    for at_ms in range(0, 2_001, 10):
        curve.see(START + at_ms * MS, arm.sample(START + (at_ms - lag_ms) * MS)[0] + aside)
    curve.take(trajectory(home + 0.001), START + 2_000 * MS)
    assert (curve.violations["step"], curve.unjudged) == (step, unjudged), "a step of position alone"
    for at_ms in range(2_010, 2_600, 10):
        curve.see(START + at_ms * MS, arm.sample(START + (at_ms - lag_ms) * MS)[0])
    curve.take(trajectory(home), START + 2_600 * MS)
    assert curve.violations["step"] == step + 1, "it is back for half a second"
