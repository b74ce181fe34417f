"""How fast a bag is replayed, and whether memory stays flat: a made-up bag of two cameras, written and replayed."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml
from sensor_msgs.msg import JointState

from vla_bags.bag_folder import RESERVE_BYTES, BagFolder
from vla_bags.definitions import Definitions
from vla_bags.reader import Bag
from vla_bags.recorded_topics import absolute
from vla_contract.card import InterfaceCard, load_card
from vla_contract.chunk import ActionChunk
from vla_contract.ros.convert import chunk_to_msg, run_id_to_msg
from vla_contract.ros.images import array_to_image
from vla_contract.ros.serialization import serialize_message
from vla_contract.ros.stamps import ns_to_stamp
from vla_msgs.msg import PolicyStatus
from vla_policy.policy import Policy
from vla_replay.offline.errors import ReplayError
from vla_replay.offline.replay import Replay

START_NS = 1_700_000_000_000_000_000
FLUSH_BYTES = 4 << 20
RUN_ID = "b" * 32
_STATE_NS, _CHUNK_NS, _INFERENCE_NS = 10_000_000, 400_000_000, 60_000_000


class BagDraft:
    """A bag that is written message by message, with the metadata of a recorder. A context manager."""

    def __init__(self, path: Path, card: InterfaceCard | None, metadata: dict[str, str] | None = None) -> None:
        told = {"namespace": "", **(metadata or {})}
        if card is not None:
            told |= {"card": yaml.safe_dump(card.to_dict()), "card_name": card.name, "card_hash": card.card_hash}
        self._folder, self._definitions = BagFolder(path, told), Definitions()

    def __enter__(self) -> BagDraft:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.close()

    def write(self, topic: str, received_ns: int, message: object) -> None:
        """A ROS message as it was received."""
        kind = type(message)
        name = f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"
        self._folder.add_topic(topic, name, self._definitions.complete(name), [])
        self._folder.write(topic, received_ns, received_ns, serialize_message(message))
        if self._folder.writer.pending_bytes > FLUSH_BYTES:
            self._folder.writer.flush()


def made_up_messages(card: InterfaceCard, seconds: float) -> Iterator[tuple[str, int, object]]:
    """Topic, receive time [ns] and message: cameras and 100 Hz joint states at rest, chunks at 2.5 Hz that stay there."""
    rng = np.random.default_rng(0)
    images = {c.name: rng.integers(0, 256, (8, c.height, c.width, 3), dtype=np.uint8) for c in card.cameras}
    arms = [joint for arm in card.arms for joint in arm.joints]
    grippers = [arm.gripper.joint for arm in card.arms if arm.gripper]
    home = [q for arm in card.arms for q in arm.home] + [arm.gripper.open_position for arm in card.arms if arm.gripper]
    end_ns = START_NS + int(seconds * 1e9)
    stamp_ns = START_NS
    frames = dict.fromkeys(images, 0)
    chunks: list[ActionChunk] = []
    yield "/vla/policy_status", START_NS, PolicyStatus(run_id=run_id_to_msg(RUN_ID), instruction="stay there")
    while stamp_ns < end_ns:
        state = JointState(name=[*arms, *grippers], position=home, velocity=[0.0] * len(home))
        state.header.stamp = ns_to_stamp(stamp_ns)
        yield absolute(card.state.topic, ""), stamp_ns, state
        for camera in card.cameras:
            due_ns = START_NS + int(frames[camera.name] * 1e9 / camera.rate)
            if due_ns <= stamp_ns:
                pixels = images[camera.name][frames[camera.name] % 8]
                frames[camera.name] += 1
                yield absolute(camera.image_topic, ""), stamp_ns, array_to_image(pixels, stamp_ns, camera.frame)
        since_ns = stamp_ns - START_NS
        if since_ns % _CHUNK_NS == 0:
            chunks.append(_still(card, stamp_ns, len(chunks)))
        if since_ns % _CHUNK_NS == _INFERENCE_NS:
            yield "/vla/action_chunk", stamp_ns, chunk_to_msg(chunks[-1])
        stamp_ns += _STATE_NS


def _still(card: InterfaceCard, stamp_ns: int, sequence: int) -> ActionChunk:
    space, home = card.action_space, np.concatenate([arm.home for arm in card.arms])
    actions = np.zeros((card.action.horizon, card.action_dim))
    for arm in card.arms:
        if arm.gripper:
            actions[:, card.gripper_column(arm.name)] = arm.gripper.open_value
        if space.is_absolute:
            actions[:, card.arm_columns(arm.name)] = 0.0 if space.is_cartesian else arm.home
    return ActionChunk(
        stamp_ns=stamp_ns, frame_id=card.arms[0].base_frame, image_stamps_ns=(stamp_ns,) * len(card.cameras),
        state_stamp_ns=stamp_ns, run_id=RUN_ID, sequence=sequence, card_hash=card.card_hash, action_space=space,
        names=tuple(card.action.names), actions=actions, step_period_ns=card.step_period_ns,
        valid_for_ns=card.max_open_loop_ns, reference_positions=home, inference_start_ns=stamp_ns + 10_000_000,
        inference_end_ns=stamp_ns + _INFERENCE_NS,
    )  # fmt: skip


def write_made_up_bag(path: Path, card: InterfaceCard, seconds: float) -> None:
    """Writes the bag that ``replay_bench`` replays."""
    with BagDraft(path, card) as draft:
        for topic, received_ns, message in made_up_messages(card, seconds):
            draft.write(topic, received_ns, message)


def bag_bytes(card: InterfaceCard, seconds: float) -> int:
    """What the made-up bag takes on the disk, a little generously [bytes]."""
    images = sum(camera.height * camera.width * 3 * camera.rate for camera in card.cameras)
    return int(seconds * (1.01 * images + 100_000)) + RESERVE_BYTES


def check_space(folder: Path | None, card: InterfaceCard, seconds: float) -> None:
    """Raises ReplayError where the disk of a folder (None: that of temporary files) has no room for the made-up bag."""
    folder = Path(tempfile.gettempdir()) if folder is None else folder
    need, free = bag_bytes(card, seconds), shutil.disk_usage(folder).free
    if free < need:
        raise ReplayError(
            f"{folder}: a made-up bag of {seconds:.0f} s needs {need / 1e9:.1f} GB for as long as it is replayed, and "
            f"{free / 1e9:.1f} GB are free; give another folder, or leave the replay out"
        )


def replay_bench(
    seconds: float, card_path: str | Path, *, policy: Policy | None = None, models=(), folder: Path | None = None
) -> dict:
    """Writes a bag of so many seconds and replays it: observations and recorded chunks alone, then with all that is given.

    Args:
        card_path: Interface card; its cameras and rates are recorded.
        policy: Infers on every observation, warmed up.
        models: Kinematics for the controllers, which then run as well: on the recorded chunks and on the policy's.
        folder: Where the bag is written, and removed from; by default a temporary folder.

    Returns:
        realtime_factor: with all that is given. cpu_realtime_factor: by this process's time on all cores, whatever else the
        computer does. bare_realtime_factor: of observations and recorded chunks. rss_growth_mb: of the resident memory over the
        second half of a replay, the larger one [MB]. seconds; bag_mb; policy: its head; absent: observations that were not
        whole (0).

    Raises:
        ReplayError: The disk has no room for the bag.
    """
    card = load_card(card_path)
    check_space(folder, card, seconds)
    with tempfile.TemporaryDirectory(dir=folder) as space:
        path = Path(space) / "bag"
        write_made_up_bag(path, card, seconds)
        size = sum(file.stat().st_size for file in path.iterdir())
        runs = [_timed(path, card, seconds, None, ())]
        if policy is not None or models:
            runs.append(_timed(path, card, seconds, policy, models))
    return {
        "realtime_factor": runs[-1]["realtime_factor"],
        "cpu_realtime_factor": runs[-1]["cpu_realtime_factor"],
        "bare_realtime_factor": runs[0]["realtime_factor"],
        "rss_growth_mb": max(run["rss_growth_mb"] for run in runs),
        "seconds": seconds,
        "bag_mb": round(size / 1e6, 1),
        "policy": policy.info.head if policy else None,
        "absent": sum(run["absent"] for run in runs),
    }


def _timed(path: Path, card: InterfaceCard, seconds: float, policy: Policy | None, models) -> dict:
    gc.collect()
    seen: list[tuple[float, int]] = []

    def look(now_ns: int) -> None:
        done = (now_ns - START_NS) * 1e-9 / seconds
        if not seen or done - seen[-1][0] >= 0.02:
            seen.append((done, _resident_bytes()))

    begin, cpu_begin = time.perf_counter(), time.process_time()
    with Bag(path) as bag:
        figures = Replay(bag, card, {"policy": policy} if policy else {}, models, progress=look).run()
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu_begin
    late = [rss for done, rss in seen if done >= 0.5] or [0]
    return {
        "realtime_factor": round(seconds / wall, 2),
        "cpu_realtime_factor": round(seconds / cpu, 2),
        "rss_growth_mb": round((max(late) - late[0]) / 1e6, 2),
        "absent": figures.scores["absent"],
    }


def _resident_bytes() -> int:
    """Of this process, as Linux tells it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
