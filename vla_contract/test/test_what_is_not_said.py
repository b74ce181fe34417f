"""What a record holds where nobody said: 0 is "unknown" for readers of messages and evidence, so a default is a promise."""

from dataclasses import MISSING, fields

import pytest

from vla_contract.action_space import ActionSpace
from vla_contract.chunk import ActionChunk
from vla_contract.instructions import Meaning
from vla_contract.observation import VLAObservation
from vla_contract.policy_info import PolicyInfo
from vla_contract.report import ChunkReport

UNSAID = {
    ActionChunk: {
        "committed_steps": 0, "inference_start_ns": 0, "inference_end_ns": 0, "inference_start_steady_ns": 0,
        "inference_end_steady_ns": 0, "image_receipt_steady_ns": 0,
    },
    ChunkReport: {
        "message": "", "action_space": ActionSpace.JOINT_POSITION, "names": (), "anchor": (), "first_executed_ns": 0,
        "last_executed_ns": 0, "steps_executed": 0, "steps_skipped": 0, "steps_clamped": 0, "steps_superseded": 0, "clamps": (),
        "received_steady_ns": 0, "published_steady_ns": 0, "frame_id": "",
    },
    PolicyInfo: {"parameter_count": 0, "device": "cpu", "warm_inference_ns": 0, "stamp_ns": 0},
    VLAObservation: {"state_apart_ns": 0},
    Meaning: {"sure": 1.0},
}  # fmt: skip


@pytest.mark.parametrize("record", UNSAID, ids=lambda record: record.__name__)
def test_what_is_not_said_is_told_as_such(record):
    assert {field.name: field.default for field in fields(record) if field.default is not MISSING} == UNSAID[record]


def test_a_card_that_says_nothing_of_them_has_no_crop_no_sources_and_no_gripper(changed):
    from vla_contract.card import parse_card

    content = changed("tasks", 0, "wording", ["grab it"])
    del content["tasks"][0]["slots"], content["failure_modes"], content["arms"][0]["limits"]["collision"]["table_height"]
    card = parse_card(content)
    camera = card.cameras[0]
    assert (camera.compressed, camera.crop, camera.resize, camera.depth) == (False, None, None, None)
    assert (card.schema_version, card.description, card.failure_modes, card.state.sources) == (1, "", [], [])
    assert card.arms[0].limits.collision.table_height is None and card.tasks[0].slots == {}
    resized = changed("cameras", 0, "resize", {"width": 64, "height": 64})
    assert parse_card(resized).cameras[0].resize.aspect == "keep"
