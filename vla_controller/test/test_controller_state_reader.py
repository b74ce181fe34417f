"""Messages of the joint trajectory controller's state as the distributions have them."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from vla_contract.ros.names import controller_state_topic
from vla_controller.ros.controller_state import StateReader


@dataclass
class Point:
    positions: list[float] = field(default_factory=list)


NAMES = ["a", "b"]


def test_the_set_point_is_called_reference_or_desired():
    old = SimpleNamespace(joint_names=NAMES, desired=Point([1.0, 2.0]), actual=Point([9.0, 9.0]))
    humble = SimpleNamespace(joint_names=NAMES, reference=Point([3.0, 4.0]), desired=Point([9.0, 9.0]))
    humble_unfilled = SimpleNamespace(joint_names=NAMES, reference=Point(), desired=Point([5.0, 6.0]))
    jazzy = SimpleNamespace(joint_names=NAMES, reference=Point([7.0, 8.0]), speed_scaling_factor=0.5)
    read = [StateReader().read(message) for message in (old, humble, humble_unfilled, jazzy)]
    assert read == [
        (("a", "b"), [1.0, 2.0], 1.0), (("a", "b"), [3.0, 4.0], 1.0), (("a", "b"), [5.0, 6.0], 1.0),
        (("a", "b"), [7.0, 8.0], 0.5),
    ]  # fmt: skip


def test_no_set_point_is_nothing():
    assert StateReader().read(SimpleNamespace(joint_names=NAMES, reference=Point())) is None
    assert StateReader().read(SimpleNamespace(joint_names=NAMES, reference=Point([1.0]))) is None
    assert StateReader().read(SimpleNamespace(joint_names=[], reference=Point())) is None


def test_a_scaling_of_0_counts_once_another_was_seen():
    reader = StateReader()
    scalings = [
        reader.read(SimpleNamespace(joint_names=NAMES, reference=Point([0.0, 0.0]), speed_scaling_factor=scaling))[2]
        for scaling in (0.0, 1.0, 0.3, 0.0)
    ]
    assert scalings == [1.0, 1.0, 0.3, 0.0]


@pytest.mark.parametrize(
    "commands, state",
    [
        ("arm_controller/joint_trajectory", "arm_controller/controller_state"),
        ("/left/jtc/joint_trajectory", "/left/jtc/controller_state"),
        ("arm_commands", None),
    ],
)
def test_the_state_is_beside_the_commands(commands, state):
    assert controller_state_topic(commands) == state
