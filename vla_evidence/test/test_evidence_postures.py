"""Rows from bags whose joint states come in parts, in another order, or stamped wrong, are those of whole ones."""

import numpy as np
import pytest
from evidence_samples import MS, RUNS, SECOND, START, BagDraft
from sensor_msgs.msg import JointState

from vla_bags.reader import Bag
from vla_contract.ros.convert import ns_to_stamp
from vla_contract.ros.stamps import stamp_to_ns
from vla_evidence.rows.from_bag import BagRows

WORDS = "pick up the red block"


def read(draft, tmp_path, name):
    with Bag(draft.write(tmp_path / f"{name}.mcap")) as bag:
        rows = BagRows(bag)
        (episode,), inferences = rows.make()
        (run,) = rows.runs
        return episode, inferences, run.track, rows.notes


def draft_of(card, change):
    """A run whose joint states are changed: change(number, message) -> [(later by [ns], message)]."""
    draft = BagDraft(card)
    draft.run(RUNS[0], WORDS, START, 6.0)
    messages, number = draft.messages, 0
    draft.messages = []
    for stamp, topic, message in messages:
        if topic != f"/{card.state.topic}":
            draft.messages.append((stamp, topic, message))
            continue
        for later_ns, told in change(number, message):
            draft.messages.append((stamp + later_ns, topic, told))
        number += 1
    return draft


def part(message, places, earlier_ns=0):
    made = JointState(name=[message.name[i] for i in places], position=[message.position[i] for i in places])
    made.header.stamp = ns_to_stamp(stamp_to_ns(message.header.stamp) - earlier_ns)
    return made


def two_drivers(_, message):
    """The second one's stamps are a little older, and come a little later."""
    return [(0, part(message, range(5))), (2 * MS, part(message, range(5, 8), 0))]


def another_order(number, message):
    return [(0, part(message, range(7, -1, -1) if number > 200 else range(8)))]


def one_lacks_a_joint(number, message):
    return [(0, part(message, range(7) if number == 200 else range(8)))]


def one_of_the_future(number, message):
    wrong = JointState(name=message.name, position=[9.0] * 8)
    wrong.header.stamp = ns_to_stamp(stamp_to_ns(message.header.stamp) + 2 * SECOND)
    return [(0, message), (MS, wrong)] if number == 200 else [(0, message)]


@pytest.mark.parametrize("change", [two_drivers, another_order, one_lacks_a_joint, one_of_the_future])
def test_rows_are_those_of_whole_joint_states(card, tmp_path, change):
    whole, whole_rows, whole_track, _ = read(draft_of(card, lambda _, message: [(0, message)]), tmp_path, "whole")
    episode, rows, track, notes = read(draft_of(card, change), tmp_path, change.__name__)
    assert episode.label == whole.label and not any("earlier stamp" in note for note in notes)
    for ours, theirs in zip(rows, whole_rows, strict=True):
        assert len(ours.state) == 8 and ours.state == pytest.approx(theirs.state)
    assert len(track.samples) == pytest.approx(len(whole_track.samples), abs=2)
    at = {sample.t_ns: sample for sample in whole_track.samples}
    both = [(sample, at[sample.t_ns]) for sample in track.samples if sample.t_ns in at]
    assert len(both) >= 50
    for ours, theirs in both:
        if ours.joints is None:
            continue  # before the second driver has said anything
        np.testing.assert_allclose(ours.joints, theirs.joints, atol=0.011)  # the second driver's message comes 2 ms later
    assert all(sample.opening is not None for sample in track.samples[2:])


def test_interleaved_stamps_of_two_drivers_forget_nothing(card, tmp_path):
    """Each message of the second driver is stamped 3 ms before the one of the first that came before it."""
    draft = draft_of(card, lambda _, m: [(0, part(m, range(5))), (MS, part(m, range(5, 8), 3 * MS))])
    episode, rows, track, notes = read(draft, tmp_path, "interleaved")
    assert all(len(row.state) == 8 for row in rows[1:]) and notes == []


def test_a_driver_that_falls_silent_leaves_no_posture(card, tmp_path):
    draft = draft_of(card, lambda n, m: [(0, part(m, range(5)))] + ([(0, part(m, range(5, 8)))] if n < 200 else []))
    _, rows, track, _ = read(draft, tmp_path, "silent")
    late = [sample for sample in track.samples if sample.t_ns > START + 2_500 * MS]
    assert late and all(sample.joints is None for sample in late) and all(sample.opening is not None for sample in late)
    assert rows[2].state and rows[-1].state == ()
