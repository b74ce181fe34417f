"""Bags with runs of a policy for tests of evidence rows: what was said when, written with the mcap library alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from bag_samples import type_of
from geometry_msgs.msg import Point, Pose
from mcap.writer import Writer
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState

from vla_bags.definitions import Definitions
from vla_contract.action_space import ActionSpace
from vla_contract.chunk import ActionChunk
from vla_contract.policy_info import PolicyInfo
from vla_contract.report import ChunkReport, Clamp, Phase, Verdict
from vla_contract.ros.convert import chunk_to_msg, info_to_msg, ns_to_stamp, report_to_msg, run_id_to_msg
from vla_contract.status import PolicyState
from vla_msgs.msg import ObjectPose, PolicyStatus, TaskState

SECOND, MS = 1_000_000_000, 1_000_000
START = 100 * SECOND
"""Simulated time."""
WALL = 1_700_000_000 * SECOND
"""Wall time."""
STEADY = 7_000 * SECOND
"""The steady clock is another one."""
RUNS = ("a1" * 16, "b2" * 16, "c3" * 16)


class BagDraft:
    """Messages, sorted by receive time when they are written."""

    def __init__(self, card) -> None:
        self.card = card
        self.messages: list[tuple[int, str, object]] = []
        self.info = PolicyInfo(
            policy="native", head="flow", checkpoint="p.safetensors", checkpoint_hash="cc" * 32, card_name=card.name,
            policy_hash=card.policy_hash, card_hash=card.card_hash, camera_names=("front", "wrist"), state_names=(),
            action_space=ActionSpace.EE_DELTA, action_names=tuple(card.action.names), step_period_ns=100 * MS, horizon=16,
        )  # fmt: skip
        self.say(START - SECOND, "vla/policy_info", info_to_msg(self.info))

    def say(self, stamp: int, topic: str, message: object) -> None:
        self.messages.append((stamp, f"/{topic}", message))

    def status(self, stamp: int, run: str, words: str = "", state=PolicyState.RUNNING, message: str = "") -> None:
        told = PolicyStatus(stamp=ns_to_stamp(stamp), state=int(state), run_id=run_id_to_msg(run), instruction=words)
        told.message = message
        self.say(stamp, "vla/policy_status", told)

    def run(self, run: str, words: str, begin: int, seconds: float, *, status=True, moving=True) -> None:
        """A chunk every 0.4 s with both reports, a joint state every 10 ms, at the end a brake. The second chunk is refused."""
        count = round(seconds / 0.4)
        for k in range(int(seconds / 0.2) if status else 0):
            self.status(begin + k * 200 * MS, run, words)
        for k in range(count):
            stamp = begin + k * 400 * MS
            chunk = ActionChunk(
                stamp_ns=stamp, frame_id="panda_link0", image_stamps_ns=(stamp, stamp - 5 * MS), state_stamp_ns=stamp + 5 * MS,
                run_id=run, sequence=k, card_hash=self.card.card_hash, action_space=ActionSpace.EE_DELTA,
                names=tuple(self.card.action.names), actions=np.ones((16, 7)), step_period_ns=100 * MS, valid_for_ns=2 * SECOND,
                inference_start_ns=stamp + 20 * MS, inference_end_ns=stamp + 45 * MS,
                inference_start_steady_ns=STEADY + stamp, inference_end_steady_ns=STEADY + stamp + 25 * MS,
            )  # fmt: skip
            refused = k == 1
            common = dict(
                run_id=run, sequence=k, chunk_stamp_ns=stamp, verdict=Verdict.STALE if refused else Verdict.ACCEPTED,
                message="too old" if refused else "", received_steady_ns=STEADY + stamp + (30 + k) * MS, names=chunk.names,
            )  # fmt: skip
            done = dict(
                first_executed_ns=stamp + 100 * MS, last_executed_ns=stamp + 400 * MS, steps_executed=4, steps_skipped=1,
                steps_clamped=1, clamps=(Clamp(2, "velocity panda_joint3", 0.5),),
            )  # fmt: skip
            self.say(stamp + 46 * MS, "vla/action_chunk", chunk_to_msg(chunk))
            self.say(stamp + 50 * MS, "vla/chunk_report", self._report(stamp + 50 * MS, Phase.SCHEDULED, common))
            self.say(
                stamp + 500 * MS, "vla/chunk_report",
                self._report(stamp + 500 * MS, Phase.CLOSED, common if refused else common | done),
            )  # fmt: skip
        end = begin + int(seconds * SECOND)
        brake = ActionChunk(
            stamp_ns=end, frame_id="panda_link0", image_stamps_ns=(), state_stamp_ns=end, run_id=run, sequence=count,
            card_hash=self.card.card_hash, action_space=ActionSpace.EE_DELTA, names=tuple(self.card.action.names),
            actions=np.empty((0, 7)), step_period_ns=100 * MS, valid_for_ns=2 * SECOND,
        )  # fmt: skip
        self.say(end, "vla/action_chunk", chunk_to_msg(brake))
        for phase in Phase:
            self.say(end + MS, "vla/chunk_report", self._report(end + MS, phase, dict(
                run_id=run, sequence=count, chunk_stamp_ns=end, verdict=Verdict.BRAKE)))  # fmt: skip
        if status:
            self.status(end + 5 * MS, "", state=PolicyState.IDLE)
        for k in range(int(seconds * 100)):
            self.joints(begin + k * 10 * MS, k * 0.01 if moving else None)

    @staticmethod
    def _report(stamp: int, phase: Phase, fields: dict):
        return report_to_msg(ChunkReport(stamp_ns=stamp, phase=phase, **fields))

    def joints(self, stamp: int, t: float | None) -> None:
        """At home where `t` is None."""
        arm = self.card.arms[0]
        names = [arm.gripper.joint, *reversed(arm.joints)]  # the order of a robot is not the card's
        positions = arm.home[::-1] if t is None else np.linspace(0.7, 0.1, 7) + t
        message = JointState(name=names, position=[0.04, *positions])
        message.header.stamp = ns_to_stamp(stamp)
        self.say(stamp + MS, self.card.state.topic, message)

    def truth(self, begin: int, seconds: float, words: str, *, success=lambda t: False, episode=1, once=None, **fields) -> None:
        """Ground truth every 50 ms; `success` of time [s]."""
        was = False
        for k in range(int(seconds * 20) + 1):
            stamp, now = begin + k * 50 * MS, success(k * 0.05)
            was = was or (now if once is None else once(k * 0.05))
            state = TaskState(
                task="pick", seed=42, instruction=words, episode=episode, success=now, succeeded_once=was,
                target_object="red_block", first_touched="red_block" if k > 10 else "", **{"goal_distance": 0.08, **fields},
            )  # fmt: skip
            state.objects.append(ObjectPose(name="red_block", pose=Pose(position=Point(x=0.5, y=0.0, z=0.02))))
            state.header.stamp = ns_to_stamp(stamp)
            self.say(stamp + 2 * MS, "vla/task_state", state)

    def write(self, path: Path, *, with_card: bool = True, older: bool = False) -> Path:
        """older: TaskState as it was before it had fields of the goal."""
        definitions, channels = Definitions(), {}
        with open(path, "wb") as file:
            writer = Writer(file)
            writer.start("ros2", "test")
            if with_card:
                writer.add_metadata("vla", {"card": yaml.safe_dump(self.card.to_dict()), "namespace": ""})
            for stamp, topic, message in sorted(self.messages, key=lambda m: m[0]):
                name = type_of(message)
                if topic not in channels:
                    text = definitions.complete(name)
                    if older:
                        text = text.replace("string destination_object", "").replace("float64 goal_distance", "")
                    schema = writer.register_schema(name, "ros2msg", text.encode())
                    channels[topic] = writer.register_channel(topic, "cdr", schema)
                writer.add_message(channels[topic], stamp, serialize_message(message), stamp)
            writer.finish()
        return path
