"""Runs of a policy in lockstep as a bag: what it looked at, joint states, chunks. And a bag again, its images packed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sensor_msgs.msg import JointState

from vla_bags.bag_folder import BagFolder
from vla_bags.definitions import Definitions
from vla_bags.image_packer import PACKED_TYPE, RAW_TYPE, VIDEO_TYPE, ImageKeeping, ImagePacker
from vla_bags.reader import Bag
from vla_bags.video_messages import VideoPacker
from vla_bench.speed.replay import FLUSH_BYTES, BagDraft
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_contract.ros.convert import chunk_to_msg, run_id_to_msg
from vla_contract.ros.image_packing import pack_serialized
from vla_contract.ros.images import array_to_image
from vla_contract.ros.stamps import ns_to_stamp
from vla_msgs.msg import PolicyStatus
from vla_policy.policy import NOTHING_ASKED, Ask, Decision, Policy
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell

BETWEEN_NS = 1_000_000_000
"""From one trial to the next [ns]."""


class Camera:
    """The policy behind cameras with noise: the same everywhere, independent in each channel, normal.

    Args:
        deviation: Standard deviation [grey levels of 255].
    """

    def __init__(self, policy: Policy, deviation: float) -> None:
        self._policy, self._deviation = policy, deviation
        self._rng = np.random.default_rng(0)
        self.images: dict[str, np.ndarray] = {}
        """What the policy saw last, (H, W, 3) uint8 by camera."""

    def reset(self) -> None:
        self._policy.reset()

    def infer(self, observation: VLAObservation, ask: Ask = NOTHING_ASKED) -> Decision:
        self.images = {name: self._shot(image) for name, image in observation.images.items()}
        return self._policy.infer(replace(observation, images=self.images), ask)

    def _shot(self, image: np.ndarray) -> np.ndarray:
        noise = self._rng.normal(0.0, self._deviation, image.shape) if self._deviation else 0.0
        return (image + noise).round().clip(0, 255).astype(np.uint8)


def record_runs(
    path: Path, cell: SimulatedCell, policy: Policy, trials: Sequence[tuple[str, int]], seconds: float, noise: float = 0.0
) -> None:
    """Writes trials, by task and seed, of at most so many seconds each [s]; of the images those that were decided on.

    noise: Of the cameras, see ``Camera``. The card's cameras have neither crop nor resize.
    """
    camera_side = Camera(policy, noise)
    runner = LockstepRunner(cell.card, cell.world, cell.new_controller, camera_side)
    with BagDraft(path, cell.card) as draft:

        def on_tick(now_ns: int) -> None:
            names, q, v = cell.world.joint_state()
            message = JointState(name=list(names), position=q.tolist(), velocity=v.tolist())
            message.header.stamp = ns_to_stamp(now_ns)
            draft.write(f"/{cell.card.state.topic}", now_ns, message)

        def on_decision(observation: VLAObservation, chunk: ActionChunk) -> None:
            now_ns = cell.world.now_ns
            status = PolicyStatus(run_id=run_id_to_msg(chunk.run_id), instruction=observation.instruction)
            draft.write("/vla/policy_status", now_ns, status)
            for camera, stamp_ns in zip(cell.card.cameras, chunk.image_stamps_ns):
                image = array_to_image(camera_side.images[camera.name], stamp_ns, camera.frame, camera.encoding)
                draft.write(f"/{camera.topic}", now_ns, image)
            draft.write("/vla/action_chunk", now_ns, chunk_to_msg(chunk))

        runner.on_tick, runner.on_decision = on_tick, on_decision
        for task, seed in trials:
            cell.world.now_ns += BETWEEN_NS  # the arm is put back at once: no two postures under one stamp
            runner.run(task, seed, time_limit_s=seconds)


class _CountedFolder(BagFolder):
    """Knows the size of what is written, by topic [bytes]."""

    def __init__(self, *given) -> None:
        super().__init__(*given)
        self.sizes: defaultdict[str, list[int]] = defaultdict(list)

    def write(self, topic: str, stamp_ns: int, publish_ns: int, data: bytes) -> None:
        self.sizes[topic].append(len(data))
        super().write(topic, stamp_ns, publish_ns, data)


def packed_copy(bag: Bag, path: Path, keeping: ImageKeeping, compression: str = "none") -> dict[str, float]:
    """Writes a bag again, raw images of its card packed as the recorder packs them. Mean size of a message by stored topic
    [bytes]."""
    folder = _CountedFolder(path, bag.metadata, compression)
    packer, definitions = ImagePacker(folder, keeping, pack_serialized, VideoPacker), Definitions()
    packed = {kind: definitions.complete(kind) for kind in (PACKED_TYPE, VIDEO_TYPE)}
    cameras = {bag.find(camera.topic, RAW_TYPE) for camera in bag.card().cameras} if keeping.kind != "raw" else set()
    for topic in bag.topics.values():
        if topic.name in cameras:
            packer.add(topic.name, topic.definition, (), "", packed)
        else:
            folder.add_topic(topic.name, topic.type, topic.definition, ())
    for entry in bag.entries():
        write = packer.write if packer.takes(entry.topic) else folder.write
        write(entry.topic, entry.stamp_ns, entry.stamp_ns, entry.data)
        if folder.writer.pending_bytes > FLUSH_BYTES:
            folder.writer.flush()
    packer.end()
    folder.close()
    return {topic: float(np.mean(sizes)) for topic, sizes in folder.sizes.items()}
