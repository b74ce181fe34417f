"""A recording in which nothing is wrong, to be spoiled: two cameras, joints, a chunk and its reports, a robot."""

from __future__ import annotations

import struct
from functools import cache
from typing import NamedTuple

import numpy as np

from vla_contract.action_space import ActionSpace
from vla_contract.card import load_card
from vla_contract.chunk import ActionChunk
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_contract.shipped import find_card

MS = 1_000_000
START_NS = 1_700_000_000_000 * MS
RUN = "ab" * 16


class Said(NamedTuple):
    """A message. definition None: that of the installed package."""

    topic: str
    type: str
    stamp_ns: int
    data: bytes
    definition: str | None = None


def cdr(*parts: bytes) -> bytes:
    """Little-endian plain CDR."""
    return b"\0\1\0\0" + b"".join(parts)


@cache
def good_run() -> tuple[Said, ...]:
    """Half a second of one run."""
    from sensor_msgs.msg import Image, JointState
    from std_msgs.msg import String
    from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

    from vla_contract.ros.convert import chunk_to_msg, ns_to_stamp, report_to_msg, run_id_to_msg
    from vla_contract.ros.serialization import serialize_message
    from vla_contract.status import PolicyState
    from vla_msgs.msg import PolicyStatus

    card = load_card(find_card("panda_tabletop"))
    arm = card.arms[0]
    made: list[tuple[int, str, object]] = [
        (0, "robot_description", String(data="<robot name='r'><link name='l'/></robot>"))
    ]
    for k in range(50):
        state = JointState(name=[*arm.joints, arm.gripper.joint], position=[*arm.home, 0.04])
        state.header.stamp = ns_to_stamp(START_NS + k * 10 * MS)
        made.append((k * 10, card.state.topic, state))
    for k in range(5):
        for camera in card.cameras:
            pixels = np.full((camera.height, camera.width, 3), 40 * k + 10, np.uint8)
            pixels[10:20, 10 * k : 10 * k + 10] = 250
            image = Image(height=camera.height, width=camera.width, encoding=camera.encoding, step=3 * camera.width)
            image.data = pixels.tobytes()
            image.header.stamp = ns_to_stamp(START_NS + k * 100 * MS)
            made.append((k * 100 + 1, camera.image_topic, image))
    stamp = START_NS + 100 * MS
    chunk = ActionChunk(
        stamp_ns=stamp,
        frame_id=arm.base_frame,
        image_stamps_ns=(stamp,) * len(card.cameras),
        state_stamp_ns=stamp,
        run_id=RUN,
        sequence=0,
        card_hash=card.card_hash,
        action_space=ActionSpace[card.action.space],
        names=tuple(card.action.names),
        actions=np.zeros((card.action.horizon, card.action_dim)),
        step_period_ns=card.step_period_ns,
        valid_for_ns=1_000 * MS,
    )
    made.append((150, "vla/action_chunk", chunk_to_msg(chunk)))
    for phase in Phase:
        report = ChunkReport(
            stamp_ns=stamp + 60 * MS,
            phase=phase,
            run_id=RUN,
            sequence=0,
            chunk_stamp_ns=stamp,
            verdict=Verdict.ACCEPTED,
            names=chunk.names,
        )
        made.append((160 + 200 * int(phase), "vla/chunk_report", report_to_msg(report)))
    made.append(
        (
            140,
            "vla/policy_status",
            PolicyStatus(
                stamp=ns_to_stamp(stamp),
                state=int(PolicyState.RUNNING),
                run_id=run_id_to_msg(RUN),
                instruction="pick up the red block",
            ),
        )
    )
    point = JointTrajectoryPoint(positions=list(arm.home), velocities=[0.0] * 7, accelerations=[0.0] * 7)
    point.time_from_start.sec = 1
    made.append((170, arm.trajectory_topic, JointTrajectory(joint_names=list(arm.joints), points=[point])))
    return tuple(
        Said(f"/{topic}", _type_of(message), START_NS + at * MS, bytes(serialize_message(message)))
        for at, topic, message in sorted(made, key=lambda one: one[:2])
    )


def _type_of(message: object) -> str:
    return f"{type(message).__module__.partition('.')[0]}/msg/{type(message).__name__}"


def stamped(sec: int, nanosec: int) -> bytes:
    """The begin of a message with a header."""
    return cdr(struct.pack("<iI", sec, nanosec))
