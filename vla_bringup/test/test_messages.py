"""Messages and contract say the same: numbers, names, and the fields of what they carry."""

from enum import IntEnum

import pytest

from vla_contract.action_space import ActionSpace
from vla_contract.report import Phase, Verdict
from vla_contract.status import ControllerState, Outcome, OutcomeSource, PolicyState, RunError
from vla_msgs.action import RunTask
from vla_msgs.msg import ActionChunk, ChunkReport, ControllerStatus, PolicyStatus


def constants(message: type) -> dict[str, int]:
    """The constants of a message class."""
    return {name: getattr(message, name) for name in dir(type(message)) if name.isupper() and not name.startswith("_")}


def numbers(*enums: type[IntEnum]) -> dict[str, int]:
    return {member.name: int(member) for enum in enums for member in enum}


@pytest.mark.parametrize(("message", "enums"), [
    (ActionChunk, (ActionSpace,)),
    (ChunkReport, (Phase, Verdict)),
    (PolicyStatus, (PolicyState,)),
    (ControllerStatus, (ControllerState,)),
    (RunTask.Result, (RunError, Outcome, OutcomeSource)),
], ids=lambda value: getattr(value, "__name__", ""))
def test_constants_equal_the_enumerations(message, enums):
    assert constants(message) == numbers(*enums)


def test_steady_stamps_are_64_bit_nanoseconds():
    for message in (ActionChunk, ChunkReport):
        steady = {f: t for f, t in message.get_fields_and_field_types().items() if f.endswith("_steady_ns")}
        assert steady and set(steady.values()) == {"uint64"}
