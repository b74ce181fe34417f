"""Small bags for tests: messages of every type that a recorder of ours meets, and files of them."""

from pathlib import Path

import numpy as np
from builtin_interfaces.msg import Time
from mcap.writer import CompressionType, Writer
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as ForeignWriter
from rosbags.typesys import Stores, get_typestore
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from vla_bags.definitions import Definitions
from vla_msgs.msg import (
    ActionChunk,
    ChunkClamp,
    ChunkReport,
    ControllerStatus,
    ObjectPose,
    PolicyInfo,
    PolicyStatus,
    TaskState,
)

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000


def samples() -> dict[str, object]:
    """One filled message for each topic.

    Lists of numbers are not empty: rclpy's serialize_message pads those with a few bytes too many, which publishers
    do not.
    """
    stamp = Time(sec=1_700_000_000, nanosec=5)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    image = Image(height=8, width=6, encoding="rgb8", step=18, data=pixels.tobytes())
    image.header.stamp = stamp
    chunk = ActionChunk(sequence=7, names=["arm.x", "arm.gripper"], horizon=2, actions=[0.1, 1.0, 0.2, 0.0])
    chunk.header.stamp = stamp
    report = ChunkReport(sequence=7, message="päckchen", planned_actions=[0.1], anchor=[0.2], commanded_minus_measured=[0.3])
    point = JointTrajectoryPoint(positions=[0.1, -0.2], velocities=[0.0, 0.0], accelerations=[0.0, 0.0], effort=[0.0, 0.0])
    return {
        "/front/image_raw": image,
        "/front/camera_info": CameraInfo(width=6, height=8, k=[1.0] * 9),
        "/joint_states": JointState(name=["a", "b"], position=[0.5, -0.5], velocity=[0.0, 0.1], effort=[1.0, 2.0]),
        "/panda_arm_controller/joint_trajectory": JointTrajectory(joint_names=["a", "b"], points=[point]),
        "/vla/action_chunk": chunk,
        "/vla/chunk_report": report,
        "/vla/policy_info": PolicyInfo(policy="native", head="flow", checkpoint_hash="ab12", policy_hash="cd34"),
        "/vla/policy_status": PolicyStatus(),
        "/vla/controller_status": ControllerStatus(),
        "/vla/task_state": TaskState(objects=[ObjectPose(name="red_block")]),
        "/clamp": ChunkClamp(),
        "/clock": Clock(clock=stamp),
        "/robot_description": String(data="<robot/>"),
    }


def type_of(message: object) -> str:
    """ "package/msg/Name" of a message."""
    return f"{type(message).__module__.partition('.')[0]}/msg/{type(message).__name__}"


def foreign_bag(path: Path, kind: str) -> Path:
    """A bag of another recorder, five texts on one topic; kind: "sqlite3", or MCAP compressed by "message" or "file"."""
    types = get_typestore(Stores.ROS2_JAZZY)
    kind_of = types.types["std_msgs/msg/String"]
    writer = ForeignWriter(path, version=9, storage_plugin=StoragePlugin.SQLITE3 if kind == "sqlite3" else StoragePlugin.MCAP)
    if kind != "sqlite3":
        writer.set_compression(CompressionMode[kind.upper()], CompressionFormat.ZSTD)
    writer.set_custom_data("card_name", "theirs")
    with writer:
        connection = writer.add_connection("/robot/text", "std_msgs/msg/String", typestore=types)
        for k in range(5):
            writer.write(connection, START_NS + k, types.serialize_cdr(kind_of(f"t{k}"), "std_msgs/msg/String"))
    return path


def plain_mcap(
    path: Path, count: int = 20, *, chunked: bool = True, compression: CompressionType = CompressionType.NONE, end: bool = True,
    data_crc: bool = False,
) -> list[tuple[str, int, bytes]]:
    """Writes `count` messages a topic with the library alone; returns (topic, stamp [ns], data) in the order of time."""
    definitions, written = Definitions(), []
    with open(path, "wb") as file:
        writer = Writer(file, chunk_size=4096, compression=compression, use_chunking=chunked, enable_data_crcs=data_crc)
        writer.start("ros2", "test")
        writer.add_metadata("vla", {"card_name": "early", "namespace": ""})
        channels, data = {}, {}
        for topic, message in samples().items():
            name = type_of(message)
            schema = writer.register_schema(name, "ros2msg", definitions.complete(name).encode())
            channels[topic] = writer.register_channel(topic, "cdr", schema)
            data[topic] = serialize_message(message)
        for k in range(count):
            for n, topic in enumerate(channels):
                # Two topics swap places in time across chunks, as those of two writers do.
                stamp = START_NS + (k * 20 + n + (35 if topic == "/joint_states" else 0)) * MS
                writer.add_message(channels[topic], stamp, data[topic], stamp, k)
                written.append((topic, stamp, data[topic]))
        writer.add_metadata("vla", {"card_name": "late"})
        if end:
            writer.finish()
        else:
            writer.flush()
    return sorted(written, key=lambda item: item[1])
