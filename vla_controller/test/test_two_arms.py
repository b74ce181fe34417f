"""Two arms are nothing special."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, arm_section, make_card, panda_model

from vla_contract.report import Phase, Verdict
from vla_controller.controller import ChunkController

LEFT, RIGHT = arm_section("left", "panda"), arm_section("right", "other", rule="splice")


@pytest.fixture
def pair():
    return Rig(make_card(arms=[LEFT, RIGHT]), models=[panda_model("panda"), panda_model("other")])


def test_each_arm_gets_its_columns_on_its_topic(pair):
    actions = np.zeros((16, 14))
    s = np.linspace(0, 1, 17)
    profile = np.diff(0.08 * (10 * s**3 - 15 * s**4 + 6 * s**5))
    actions[:, 1], actions[:, 8 + 1] = profile, -profile
    actions[:, [6, 13]] = 1.0
    out = pair.send(actions)
    assert [m.topic for m in out.trajectories] == [
        "panda_arm_controller/joint_trajectory", "other_arm_controller/joint_trajectory",
    ]  # fmt: skip
    assert [message.stamp_ns for message in out.trajectories] == [pair.now + 6 * MS] * 2, "both hold until they begin"
    pair.run(3000)
    home = pair.models[0].forward(HOME)[:3, 3]
    left, right = (m.forward(q)[:3, 3] - home for m, q in zip(pair.models, (pair.q[:7], pair.q[7:])))
    np.testing.assert_allclose(left, [0, 0.08, 0], atol=1e-3)
    np.testing.assert_allclose(right, [0, 0, -0.08], atol=1e-3)
    (closed,) = pair.of_phase(Phase.CLOSED)
    assert closed.verdict is Verdict.ACCEPTED and closed.steps_executed == 16


def test_stop_stops_both(pair):
    actions = np.zeros((16, 14))
    actions[:, [1, 8]] = 0.02
    pair.send(actions)
    pair.run(600)
    assert len(pair.take(pair.controller.stop(pair.now)).trajectories) == 2


def test_number_of_models_must_fit():
    with pytest.raises(ValueError, match="1 models for 2 arms"):
        ChunkController(make_card(arms=[LEFT, RIGHT]), panda_model())


def test_joints_of_the_model_must_be_the_cards():
    with pytest.raises(ValueError, match="other_joint1.*panda_joint1"):
        ChunkController(make_card(), panda_model("other"))
