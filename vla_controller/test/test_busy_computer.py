"""Planning that outlasts its margin: nothing is sent that would make a step."""

import numpy as np
import pytest
from cells import HOME, MS, Rig, straight

from vla_contract.report import Verdict
from vla_contract.status import ControllerState


def busy(taken_ms: int) -> Rig:
    """A rig in motion at 0.3 m/s, whose clock from now on runs ahead by taken_ms while a call lasts."""
    rig = Rig(clock=lambda: rig.now + rig.taken)
    rig.taken = 0
    rig.send(straight((0.0, 0.3, 0.0)))
    rig.run(500)
    rig.taken = taken_ms * MS
    return rig


def test_a_chunk_is_dropped():
    rig = busy(60)
    sent = len(rig.arm_messages)
    rig.send(straight((0, 0.1, 0)), 1)
    assert rig.reports[-1].verdict is Verdict.INFEASIBLE and "too late" in rig.reports[-1].message
    assert len(rig.arm_messages) == sent


def test_a_stop_is_planned_for_a_later_splice():
    rig = busy(15)
    before = np.array([rig.controller.commanded_at(rig.now + t * MS)[0] for t in range(18)])
    rig.take(rig.controller.stop(rig.now))
    stopped = rig.controller._arms.splice_ns
    assert rig.now + 18 * MS <= stopped <= rig.now + 41 * MS
    after = np.array([rig.controller.commanded_at(rig.now + t * MS)[0] for t in range(18)])
    np.testing.assert_allclose(after, before, atol=1e-12)


def test_a_stop_that_cannot_be_sent_in_time_is_tried_again():
    rig = Rig(clock=lambda: next(rig.times, rig.now))
    rig.times = iter(())
    rig.send(straight((0.0, 0.3, 0.0)))
    rig.run(500)
    sent = len(rig.arm_messages)
    rig.times = (rig.now + t * MS for t in range(300, 20_000, 300))  # each look at the clock finds 300 ms gone
    out = rig.take(rig.controller.stop(rig.now))
    assert len(rig.arm_messages) == sent and "goes on" in out.message
    rig.times = iter(())
    rig.run(20)
    assert len(rig.arm_messages) == sent + 1
    rig.run(800)
    assert rig.output.status is ControllerState.STOPPED
    np.testing.assert_array_equal(rig.controller.commanded_at(rig.now)[1], 0.0)


def test_a_stop_without_a_way_to_rest_is_tried_again(monkeypatch):
    rig = busy(0)
    arms, sent = rig.controller._arms, len(rig.arm_messages)
    monkeypatch.setattr(arms.ways, "stop", lambda state, anchor: None)
    out = rig.take(rig.controller.stop(rig.now))
    assert out.status is ControllerState.STOPPED and "goes on" in out.message and len(rig.arm_messages) == sent
    rig.run(30)
    monkeypatch.undo()
    rig.run(10)
    assert len(rig.arm_messages) == sent + 1 and arms.braking


@pytest.mark.parametrize("taken", [30, 150])
def test_home_while_moving_never_makes_a_step(taken):
    rig = busy(taken)
    before = rig.controller._arms.timeline
    now = rig.now
    rig.take(rig.controller.home(now))
    arrives = now + rig.taken
    after = rig.controller._arms.timeline
    if rig.output.accepted:
        np.testing.assert_allclose(after.sample(arrives)[0], before.sample(arrives)[0], atol=1e-9)
        np.testing.assert_allclose(after.sample(arrives)[1], before.sample(arrives)[1], atol=1e-9)
    else:
        assert after is before and "busy" in rig.output.message


def test_home_at_rest_begins_after_the_time_that_planning_took():
    rig = Rig(q=HOME + 0.3, clock=lambda: rig.now + 100 * MS)
    rig.take(rig.controller.home(rig.now))
    assert rig.output.accepted
    q = rig.controller.commanded_at(rig.now + 100 * MS)[0]
    np.testing.assert_allclose(q, HOME + 0.3, atol=1e-12)


def test_home_takes_the_place_of_a_brake_that_had_to_wait(monkeypatch):
    rig = busy(0)
    arms, stop = rig.controller._arms, rig.controller._arms.ways.stop
    monkeypatch.setattr(arms.ways, "stop", lambda state, anchor: None)
    rig.send([], 1)  # a chunk of horizon 0: brake
    monkeypatch.setattr(arms.ways, "stop", stop)
    rig.take(rig.controller.home(rig.now))
    assert rig.output.accepted
    rig.run(100)
    assert rig.output.status is ControllerState.HOMING and not arms.braking
