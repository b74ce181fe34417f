"""MuJoCo and coal against the checker: nothing missed, nothing refused that is clear, and what is planted is found."""

import numpy as np
import pytest

from vla_bench.controller import self_collision
from vla_bench.controller.contact_judge import NEAR, ContactJudge
from vla_bench.controller.self_collision import CLEAR, cases, count_case
from vla_bench.figures import Figures, _controller
from vla_motion.collision import MARGIN, CollisionModel

POSTURES = 2_000
TWO_BALLS = """<mujoco><worldbody><body name="base"><geom type="sphere" size="0.1"/>
<body name="a"><joint name="j1" axis="0 0 1"/><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
<body name="b"><joint name="j2" type="slide" axis="1 0 0" range="0 2"/>
<geom type="sphere" size="0.2" contype="2" conaffinity="4"/>
<body name="finger"><joint name="f" type="slide" axis="1 0 0" range="-0.5 0"/><geom type="sphere" size="0.05"/>
</body></body></body></body></worldbody>
<contact><exclude body1="base" body2="b"/></contact></mujoco>"""


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_no_contact_is_missed_and_nothing_clear_is_refused(case):
    count = count_case(case, POSTURES)
    assert (count.missed, count.false) == (0, 0), count.examples
    assert count.postures == POSTURES and 0.005 * POSTURES < count.touching <= count.refused < 0.9 * POSTURES
    assert count.left_out == []


def test_the_judges_measure_what_is_computed_by_hand_whatever_the_file_excludes():
    judge = ContactJudge(TWO_BALLS, ["j1", "j2"])
    for x, expected in ((0.25, -0.05), (0.31, 0.01), (0.5, np.inf)):
        found = judge.judge(np.array([0.3, x, 0.0]))
        assert found.mujoco == pytest.approx(expected, abs=1e-6) and found.coal == pytest.approx(expected, abs=1e-6)
    assert judge.judge(np.array([0.3, 0.5, -0.4])).fingers == pytest.approx(-0.05, abs=1e-6), "a finger is told by itself"
    assert NEAR > CLEAR > MARGIN


def test_what_touches_in_every_posture_is_left_out_and_named():
    judge = ContactJudge(TWO_BALLS.replace('range="0 2"', 'range="0 0.2"'), ["j1", "j2"])
    drawn = judge.postures(50, 0)
    assert judge.leave_out(drawn[:, [0, 1, 2]]) == [("b", "base")]
    assert judge.judge(drawn[0]).mujoco == np.inf


def panda_urdf():
    return next(case for case in cases() if case.name == "panda_tabletop")


@pytest.mark.parametrize("hidden", [("panda_link5", "panda_hand"), ("panda_link1", "panda_hand")])
def test_a_pair_that_the_checker_does_not_look_at_is_found(monkeypatch, hidden):
    class Blind(CollisionModel):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            seen = [p for p, names in enumerate(self._names) if names != hidden]
            table = [(a, b, levers) for (a, b), levers in zip(self._pairs.tolist(), self._levers)]
            names = [self._names[p] for p in seen]
            self._use([table[p] for p in seen])
            self._names = names

    monkeypatch.setattr(self_collision, "CollisionModel", Blind)
    count = count_case(panda_urdf(), POSTURES)
    assert count.missed > 0 and count.examples and count.false == 0


def test_a_checker_that_keeps_too_far_is_found(monkeypatch):
    class Timid(CollisionModel):
        def _distance(self, p):
            return super()._distance(p) - 1e-3

    monkeypatch.setattr(self_collision, "CollisionModel", Timid)
    count = count_case(panda_urdf(), POSTURES)
    assert count.false > 0 and count.missed == 0


def test_the_page_of_figures_has_its_row(tmp_path):
    results = {"self_collision": {"missed": 0, "false": 2, "postures": 100_000, "arms": {}}}
    rows = _controller(Figures(results, tmp_path / "results.json", lambda _: "vla bench"), tmp_path)
    assert "| 0 missed, 2 refused that are clear |" in rows[2] and "100,000 random postures" in rows[2]
