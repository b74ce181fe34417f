"""Policies that give actions that are not finite: no gate passes for them."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
from replay_samples import chunk, ramp, record_live, swinging

from vla_bags.reader import Bag
from vla_bringup import cli
from vla_contract.action_space import ActionSpace
from vla_contract.card import parse_card
from vla_evidence.figures.replay import PolicyFigures, RecordedFigures, SpreadFigures
from vla_policy.backends.scripted import ScriptedPolicy
from vla_replay.offline import inputs
from vla_replay.offline.compare import Comparison, Jumps
from vla_replay.offline.divergence import divergence
from vla_replay.offline.observations import Rebuilt
from vla_replay.offline.replay import Replay
from vla_replay.offline.scores import scores_of

pytestmark = pytest.mark.timeout(100)

Z, GRIPPER = 2, 6


@pytest.fixture(scope="module")
def bag(card, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("finite") / "bag"
    record_live(path, card, model, 2.0)
    return path


def broken(card, column, *, every=1, step=slice(None), value=np.nan):
    """The recorded policy, but for a value that is not finite in one column of every so manieth inference."""
    exact, seen = swinging(card), []

    def act(observation):
        actions = exact(observation)
        seen.append(observation)
        if len(seen) % every == 0:
            actions[step, column] = value
        return actions

    return ScriptedPolicy(card, act)


def gate(bag, policies, bounds, out, monkeypatch, capsys):
    """Exit code, stderr and figures of `vla replay` with these policies in the place of checkpoints."""
    monkeypatch.setattr(inputs, "load_policies", lambda *args, **options: policies)
    file = out / "a.safetensors"
    file.touch()
    code = cli.main(["replay", str(bag), "--no-controller", "--checkpoint", str(file), "--out", str(out), "--gate", *bounds])
    shown = capsys.readouterr()
    path = out / "replay.json"

    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    return code, shown, json.loads(path.read_text(), parse_constant=no_constant) if path.exists() else None


@pytest.mark.parametrize("column", [Z, GRIPPER])
def test_a_column_that_is_never_finite_exceeds_the_bound_of_the_error(bag, card, column, tmp_path, monkeypatch, capsys):
    policies = {"policy": broken(card, column)}
    code, shown, figures = gate(bag, policies, ["error=0.01", "failed=0"], tmp_path, monkeypatch, capsys)
    name = card.action.names[column]
    assert code == 1 and "gate error: inf exceeds 0.01" in shown.err and len(shown.err.strip().splitlines()) == 1
    column = figures["policies"]["policy"]["against_recorded"]["columns"][name]
    assert column["mean_abs"] is None and column["not_finite"] == 16 * figures["observations"]["rebuilt"] > 0
    assert float(figures["scores"]["error"]) == math.inf and figures["scores"]["failed"] == 0
    assert f"not finite, and left out above: {name} {column['not_finite']} times" in shown.out


@pytest.mark.parametrize(("options", "bound"), [
    ({"every": 2}, "jump=10"), ({"every": 2}, "jump_p95=10"), ({"every": 2}, "error=10"),
    ({"value": np.inf}, "jump=10"), ({"step": 15}, "error=10"),
])  # fmt: skip
def test_now_and_then_is_enough(bag, card, options, bound, tmp_path, monkeypatch, capsys):
    code, shown, _ = gate(bag, {"policy": broken(card, Z, **options)}, [bound], tmp_path, monkeypatch, capsys)
    assert code == 1 and "inf exceeds 10" in shown.err, shown.err


def test_a_rotation_that_is_not_finite_is_no_small_jump(bag, card):
    with Bag(bag) as opened:
        figures = asdict(Replay(opened, card, {"policy": broken(card, 4, every=2)}, []).run())
    assert figures["scores"]["jump"] == figures["scores"]["jump_p95"] == math.inf
    assert figures["policies"]["policy"]["jumps"]["jump_rotation"]["not_finite"] > 0


def test_a_policy_without_figures_does_not_pass_beside_one_with_them(bag, card, tmp_path, monkeypatch, capsys):
    fails = ScriptedPolicy(card, lambda observation: np.zeros((3, card.action_dim)))
    good = ScriptedPolicy(card, swinging(card))
    for bound in ("error=1", "jump=10"):
        code, shown, _ = gate(bag, {"policy": fails, "other": good}, [bound], tmp_path, monkeypatch, capsys)
        assert code == 2 and "this replay has no such figure" in shown.err
    assert gate(bag, {"policy": good, "other": good}, ["error=0", "jump=10"], tmp_path, monkeypatch, capsys)[0] == 0


def test_grippers_alone_are_no_error_of_a_policy(card):
    """Relative poses from other references cannot be compared, and the gate must not pass on the gripper's column."""
    content = card.to_dict()
    content["action"]["space"] = "EE_RELATIVE"
    comparison, names = Comparison(parse_card(content)), tuple(card.action.names)
    nothing = Comparison(parse_card(content)).figures()

    def error():
        policy = PolicyFigures(
            policy="", head="", checkpoint="", checkpoint_hash="", against_recorded=comparison.figures(), jumps={}, failed={},
            against_executed=nothing, latency_ms=SpreadFigures(count=0), controller=None,
        )  # fmt: skip
        recorded = RecordedFigures(jumps={}, against_executed=nothing, latency_ms=SpreadFigures(count=0))
        return scores_of(Rebuilt(chunks=1, rebuilt=1).figures(), recorded, {"a": policy}, None)["error"]

    made = [chunk(ramp(x=0.01), space=ActionSpace.EE_RELATIVE, names=names, reference_positions=[r]) for r in (1.0, 2.0)]
    comparison.add(*made)
    assert list(comparison.figures().columns) == ["arm.gripper"] and error() is None
    comparison.add(made[0], chunk(ramp(x=0.03), space=ActionSpace.EE_RELATIVE, names=names, reference_positions=[1.0]))
    assert error() == pytest.approx(0.02)


def test_of_two_arms_the_one_that_is_not_finite_counts():
    names = tuple(f"{arm}.{axis}" for arm in ("left", "right") for axis in ("x", "y", "z", "rx", "ry", "rz"))
    one = chunk(np.zeros((4, 12)), names=names)
    for column in (0, 3, 6, 9):
        actions = np.full((4, 12), 0.1)
        actions[:, column] = np.nan
        jumps = Jumps()
        jumps.add(one)
        jumps.add(chunk(actions, names=names))
        kind = "jump" if column in (0, 6) else "jump_rotation"
        assert jumps.figures()[kind] == SpreadFigures(count=0, not_finite=1)
        cosine = divergence(chunk(np.full((4, 12), 0.1), names=names), chunk(actions, names=names))["cosine"]
        assert math.isnan(cosine["translation" if column in (0, 6) else "rotation"])


def test_a_gripper_that_is_not_finite_agrees_with_nothing():
    row = divergence(chunk(ramp(gripper=0.0)), chunk(ramp(gripper=np.nan)))
    assert row["gripper_agreement"] == 0.0, "NaN is not the closed side"


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_poses_that_are_not_finite_are_counted(card, value):
    content = card.to_dict()
    content["action"]["space"] = "EE_POSE"
    comparison = Comparison(parse_card(content))
    pose = {"space": ActionSpace.EE_POSE, "names": tuple(card.action.names)}
    comparison.add(chunk(ramp(rx=0.1), **pose), chunk(ramp(rx=0.1, ry=value), **pose))
    row = asdict(comparison.figures())
    assert row["columns"]["arm.x"]["not_finite"] == 0 and row["largest"] == np.inf
    assert {row["columns"][f"arm.{axis}"]["not_finite"] for axis in ("rx", "ry", "rz")} == {4}
