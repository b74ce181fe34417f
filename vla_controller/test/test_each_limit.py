"""Each limit of each joint binds alone: all others are far away, and the executed curve comes near to this one, never over it."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, arm_section, make_card
from curve import executed_curve

from vla_contract.report import Phase, Verdict

FAR = {"velocity": 20.0, "acceleration": 200.0, "jerk": 60_000.0}
NEAR = {"velocity": 0.25, "acceleration": 1.5, "jerk": 25.0}
COLUMN = {"velocity": 2, "acceleration": 3, "jerk": 4}


def moved(joint: int, kind: str, rule: str = "legacy"):
    """Executed curve of a step of one joint asked for at once, where only this limit of this joint is near."""
    section = arm_section(rule=rule)
    limits = section["limits"]
    limits |= {name: [value] * 7 for name, value in FAR.items()}
    limits[kind][joint] = NEAR[kind]
    limits |= {"tool_speed": 10.0, "tool_angular_speed": 50.0, "workspace_min": [-2.0] * 3, "workspace_max": [2.0] * 3}
    limits["collision"] = {"self_collision": False, "table_height": -5.0}
    rig = Rig(make_card("JOINT_POSITION", arms=[section]))
    wish = np.tile(HOME, (16, 1))
    wish[:, joint] += 0.5 * np.minimum(1.0, np.arange(1, 17) / 8)
    begin = rig.now
    rig.send(wish)
    assert rig.of_phase(Phase.SCHEDULED)[0].verdict is Verdict.ACCEPTED
    rig.run(4000)
    messages = rig.arm_messages
    return rig, executed_curve(messages, [begin] * len(messages), rule, begin, rig.now, 2 * MS)


@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("kind", NEAR)
def test_it_binds_alone_and_is_kept(joint, kind):
    rig, curve = moved(joint, kind)
    peak = np.abs(curve[COLUMN[kind]]).max(axis=0)
    assert peak[joint] <= NEAR[kind] * (1 + 1e-6)
    assert peak[joint] >= 0.6 * NEAR[kind], "it is this limit that slows it"
    assert np.delete(peak, joint).max() <= 1e-6, "nothing else moves"
    (report,) = rig.of_phase(Phase.SCHEDULED)
    assert {clamp.limit.split()[-1] for clamp in report.clamps} == {f"panda_joint{joint + 1}"}


@pytest.mark.parametrize("joint", range(7))
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_a_position_limit_binds_alone(joint, side):
    section = arm_section()
    sign = 1.0 if side == "upper" else -1.0
    section["limits"][f"position_{side}"] = list(section["limits"][f"position_{side}"])
    bound = section["limits"][f"position_{side}"][joint] = round(float(HOME[joint] + sign * 0.1), 4)
    section["limits"] |= {"workspace_min": [-2.0] * 3, "workspace_max": [2.0] * 3}
    section["limits"]["collision"] = {"self_collision": False, "table_height": -5.0}
    rig = Rig(make_card("JOINT_POSITION", arms=[section]))
    wish = np.tile(HOME, (16, 1))
    wish[:, joint] += sign * 0.02 * np.arange(1, 17)
    rig.send(wish)
    rig.run(4000)
    (report,) = rig.of_phase(Phase.SCHEDULED)
    named = [clamp for clamp in report.clamps if clamp.limit == f"position panda_joint{joint + 1}"]
    assert named and named[-1].step == 15 and named[-1].amount == pytest.approx(0.22, abs=0.02)
    end = rig.controller.commanded_at(rig.now)[0]
    assert 0 <= sign * (bound - end[joint]) < 0.02 and np.delete(end - HOME, joint) == pytest.approx(np.zeros(6), abs=1e-9)
