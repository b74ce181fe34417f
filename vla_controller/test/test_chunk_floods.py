"""Chunks that arrive faster than they can be planned."""

from cells import Rig, make_chunk, straight

from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState


def test_the_newest_is_planned_and_the_others_are_reported():
    rig = Rig()
    chunks = [make_chunk(rig.card, straight(), rig.now, sequence) for sequence in range(20)]
    out = rig.take(rig.controller.on_chunks(chunks, rig.now))
    assert len([t for t in out.trajectories if "_arm_" in t.topic]) == 1
    verdicts = {r.sequence: r for r in out.reports if r.phase is Phase.SCHEDULED}
    assert verdicts[19].verdict is Verdict.ACCEPTED
    assert all(verdicts[s].verdict is Verdict.SUPERSEDED for s in range(19))
    assert "sequence 7 arrived" in verdicts[6].message
    rig.run(4000)
    closed = [r.sequence for r in rig.reports if r.phase is Phase.CLOSED]
    assert sorted(closed) == list(range(20))


def test_refused_ones_among_them_do_not_count_as_the_newest():
    rig = Rig()
    good, other = make_chunk(rig.card, straight(), rig.now, 0), make_chunk(rig.card, straight(), rig.now, 1)
    wrong = make_chunk(rig.card, straight(), rig.now, 2, card_hash="0" * 16)
    rig.take(rig.controller.on_chunks([good, other, wrong], rig.now))
    assert [(r.sequence, r.verdict) for r in rig.reports if r.phase is Phase.SCHEDULED] == [
        (0, Verdict.SUPERSEDED), (2, Verdict.CARD_MISMATCH), (1, Verdict.ACCEPTED),
    ]  # fmt: skip


def test_a_brake_among_them_is_obeyed():
    rig = Rig()
    rig.send(straight())
    rig.run(500)
    motion, brake = make_chunk(rig.card, straight(), rig.now, 1), make_chunk(rig.card, [], rig.now, 2)
    rig.take(rig.controller.on_chunks([motion, brake], rig.now))
    verdicts = {r.sequence: r.verdict for r in rig.reports if r.sequence and r.phase is Phase.SCHEDULED}
    assert verdicts == {1: Verdict.SUPERSEDED, 2: Verdict.BRAKE}
    rig.run(600)
    assert rig.output.status is ControllerState.IDLE
