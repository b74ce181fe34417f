"""The measurements themselves: that they see what they are there to see."""

import io

import numpy as np
import pytest
from rich.console import Console

from vla_bench.rig.motion import NoisyPlanner, Reaches
from vla_bench.rig.panda import panda_bench
from vla_bench.rig.run import MS, Executed
from vla_bench.seams.baseline import cubic_baseline
from vla_bench.seams.bench import bench_run, markdown, table
from vla_bench.seams.figures import endpoint_slip, fidelity, rms_jerk, seam_steps, times_of
from vla_bench.seams.plot import plot_seams
from vla_motion import rotation
from vla_motion.spline import SplineTrajectory

CHANGES = 24


@pytest.fixture(scope="module")
def model(card):
    return panda_bench(card, 16).models[0]


@pytest.fixture(scope="module", params=["legacy", "splice"])
def run(request, card, model):
    return bench_run(card, model, rule=request.param, changes=CHANGES)


@pytest.fixture(scope="module")
def baseline(run):
    return cubic_baseline(run)


def shifted(executed: Executed, shift_ns: int) -> Executed:
    """The same motion, later by shift_ns."""
    curves = [
        SplineTrajectory(c.times_ns + shift_ns, c.positions, c.velocities, c.accelerations) for c in executed.curves
    ]
    return Executed(executed.begins_ns + shift_ns, curves)


def test_reaches_begin_at_the_start_and_keep_to_their_speed(card, model):
    start = model.forward(np.array(card.arms[0].home))
    path = Reaches(np.random.default_rng(3), start)
    poses = np.array([path.pose(t) for t in np.arange(0.0, 30.0, 0.01)])
    np.testing.assert_allclose(poses[0], start, atol=1e-12)
    speed = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) / 0.01
    assert 0.2 < speed.max() <= 0.4 + 1e-6
    assert np.mean(speed < 1e-9) > 0.05, "it rests between reaches"
    again = Reaches(np.random.default_rng(3), start)
    np.testing.assert_array_equal(again.pose(25.0), path.pose(25.0))


def test_the_planner_comes_back_to_the_path_by_half_each_step(card, model):
    path = Reaches(np.random.default_rng(3), model.forward(np.array(card.arms[0].home)))
    planner = NoisyPlanner(path, np.random.default_rng(0), 0.1, 0.0, 0.0)
    T = path.pose(1.0)
    T[:3, 3] += [0.0, 0.008, 0.0]
    for k, delta in enumerate(planner.actions(1.0, T, 4)):
        T = rotation.compose_left(T, delta)
        off = T[:3, 3] - path.pose(1.0 + 0.1 * (k + 1))[:3, 3]
        np.testing.assert_allclose(off, [0.0, 0.008 / 2 ** (k + 1), 0.0], atol=1e-9)


def test_a_committed_prefix_is_kept_without_noise(card, model):
    path = Reaches(np.random.default_rng(3), model.forward(np.array(card.arms[0].home)))
    planner = NoisyPlanner(path, np.random.default_rng(0), 0.1)
    prefix = np.full((3, 6), 0.001)
    actions = planner.actions(1.0, path.pose(1.0), 8, prefix)
    np.testing.assert_array_equal(actions[:3], prefix)
    assert np.abs(actions[3:]).min() > 0.0


def test_no_step_at_a_change_and_acceleration_inside_the_jerk_limit(run):
    steps = seam_steps(run, run.executed())
    assert len(run.changes) > CHANGES
    assert steps["position_rad"] <= 1e-6 and steps["velocity_rad_s"] <= 1e-4
    assert 0.0 < steps["acceleration_ratio"] <= 1.0


def test_a_step_is_seen(run):
    executed = run.executed()
    curve = executed.curves[10]
    executed.curves[10] = SplineTrajectory(
        curve.times_ns, curve.positions + 1e-3, curve.velocities + 1e-2, curve.accelerations
    )
    steps = seam_steps(run, executed)
    assert steps["position_rad"] == pytest.approx(1e-3, rel=0.2)
    assert steps["velocity_rad_s"] == pytest.approx(1e-2, rel=0.2)


def test_every_chunk_is_closed_once(run):
    assert sum(run.verdicts.values()) == len(run.changes)
    assert set(run.verdicts) <= {"ACCEPTED", "SUPERSEDED"}


def test_the_executed_tool_keeps_to_the_request(run):
    figures = fidelity(run, run.executed())
    assert figures["tool_error_mm_p95"] < 3.0 and figures["tool_rotation_deg_p95"] < 1.0
    assert figures["tool_lag_ms_p95"] < 10.0


def test_a_late_motion_is_seen_as_late(run):
    late = fidelity(run, shifted(run.executed(), 30 * MS))
    assert late["tool_lag_ms_p50"] == pytest.approx(30.0, abs=4.0)
    assert late["tool_error_mm_p95"] > fidelity(run, run.executed())["tool_error_mm_p95"]


def test_the_baseline_goes_through_the_targets_without_a_step_in_velocity(run, baseline):
    steps = seam_steps(run, baseline)
    assert steps["position_rad"] < 1e-9 and steps["velocity_rad_s"] < 1e-9
    assert steps["acceleration_ratio"] > 1.0, "cubics step in acceleration"
    change, following = run.changes[5], run.changes[6]
    due, T = change.targets()
    due, T = due[1:], T[1:]
    ruled = (due > change.now_ns + 50 * MS) & (due < following.now_ns)
    reached = run.model.forward_batch(baseline.sample(due[ruled])[0])
    assert ruled.any() and rotation.pose_error(T[ruled], reached)[0].max() < 1e-5


def test_ours_is_smoother_than_the_baseline_and_clearance_is_kind_to_it(run, baseline):
    times = times_of(run)
    plain = cubic_baseline(run, clearance_ns=0)
    ours, kind, plain = (rms_jerk(executed.sample(times)[0], 0.01) for executed in (run.executed(), baseline, plain))
    assert ours < 0.5 * kind and ours < 0.2 * plain and kind < plain


def test_rms_jerk_of_a_cubic():
    t = np.arange(0.0, 1.0, 0.01)[:, None]
    assert rms_jerk(np.hstack([2.0 * t**3, 2.0 * t**3]), 0.01) == pytest.approx(12.0, rel=1e-6)


def test_the_endpoint_adds_nothing_but_its_own_period(run):
    slip = endpoint_slip(run, seconds=5.0)
    if run.rule == "legacy":
        assert slip["position_rad"] < 1e-9
    else:
        assert 0.5 < slip["periods"] < 1.5


def test_table_page_and_image(run, baseline, tmp_path):
    row = {
        "strategy": "receding_horizon", "rule": run.rule, "changes": CHANGES, **seam_steps(run, run.executed()),
        "jerk_rad_s3": 1.0, "jerk_ratio": 0.1, "tool_jerk_ratio": 0.1, **fidelity(run, run.executed()),
        "endpoint": {"step_rad": 1e-3},
    }  # fmt: skip
    figures = {"rows": [row], "baselines": [{**row, "strategy": "cubics"}], "changes": CHANGES, "jerk_ratio_to_baseline": 0.04}
    page = markdown(figures)
    assert "| receding_horizon |" in page and "| *cubics* |" in page and "strategies.png" in page
    console = Console(file=io.StringIO(), width=300)
    console.print(table(figures))
    assert all(row["strategy"] in console.file.getvalue() for row in (*figures["rows"], *figures["baselines"]))
    plot_seams(run, baseline, tmp_path / "strategies.png")
    assert (tmp_path / "strategies.png").stat().st_size > 20_000
