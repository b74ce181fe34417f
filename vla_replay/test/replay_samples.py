"""A live run in virtual time, with the real session, assembler and controller, recorded into a bag as it goes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from geometry_msgs.msg import WrenchStamped
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState

from vla_bags.recorded_topics import absolute
from vla_bench.faults.stream import AMPLITUDE, PERIOD
from vla_bench.speed.replay import BagDraft
from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_contract.ros.convert import chunk_to_msg, report_to_msg, run_id_to_msg
from vla_contract.ros.images import array_to_image
from vla_contract.ros.stamps import ns_to_stamp
from vla_contract.ros.streams import feed_frame, feed_joint_state, read_frame, state_message
from vla_controller.controller import ChunkController
from vla_motion.model import RobotModel
from vla_msgs.msg import PolicyStatus
from vla_policy.backends.scripted import ScriptedPolicy
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.running import session as session_module
from vla_policy.running.run_record import RunRequest
from vla_policy.running.session import PolicySession, SessionConfig

MS = 1_000_000
START = 1_700_000_000_000 * MS
WORDS = "pick up the red block"
EE = ("arm.x", "arm.y", "arm.z", "arm.rx", "arm.ry", "arm.rz", "arm.gripper")


def chunk(actions, stamp_ms=0, space=ActionSpace.EE_DELTA, names=EE, **changes) -> ActionChunk:
    """A made-up chunk of steps of 100 ms."""
    fields = {
        "stamp_ns": stamp_ms * MS, "frame_id": "base", "image_stamps_ns": (), "state_stamp_ns": 0, "run_id": "a" * 32,
        "sequence": 0, "card_hash": "", "action_space": space, "names": names, "actions": actions,
        "step_period_ns": 100 * MS, "valid_for_ns": 0,
    }  # fmt: skip
    return ActionChunk(**{**fields, **changes})


def ramp(steps=4, **columns) -> np.ndarray:
    """Actions (steps, 7) with these values in these columns, the same in every step."""
    actions = np.zeros((steps, 7))
    for name, value in columns.items():
        actions[:, EE.index(f"arm.{name}")] = value
    return actions


def swinging(card: InterfaceCard, gain: float = 1.0):
    """A policy's function: the tool swings along y by the stamp, and each step bears a trace of pixels and state."""

    def act(observation: VLAObservation) -> np.ndarray:
        actions = np.zeros((card.action.horizon, card.action_dim))
        t = (observation.stamp_ns - START) * 1e-9 + card.action.step_period * np.arange(card.action.horizon + 1)
        out = AMPLITUDE * (1.0 - np.cos(2.0 * np.pi / PERIOD * t))
        actions[:, 1] = 0.5 * gain * np.diff(out)
        pixels = sum(int(image[::16, ::16].sum(dtype=np.int64)) for image in observation.images.values())
        actions[:, 0] = 1e-6 * (pixels % 997) + 1e-5 * observation.state.sum()
        actions[:, 6] = 1.0 if np.sin(t[0]) > 0 else 0.0
        return actions

    return act


@dataclass
class LiveRun:
    """What was served live. seen: each observation; the last may have come too late for its chunk to be sent."""

    seen: list[VLAObservation] = field(default_factory=list)
    chunks: list[ActionChunk] = field(default_factory=list)
    reports: list = field(default_factory=list)

    @property
    def observations(self) -> list[VLAObservation]:
        """Those whose chunks were published."""
        return self.seen[: len(self.chunks)]


class LiveCell:
    """A virtual clock that moves on by 5 ms whenever it is read; cameras, an arm that follows, and a controller go with it."""

    def __init__(
        self, card: InterfaceCard, model: RobotModel, draft: BagDraft, *,
        recorded_ns=lambda now: now, lost=(), state_age=3, shadow=None, start=START, tail=200, namespace="", clock=False,
        gain=1.0,
    ):  # fmt: skip
        self.card, self.model, self.draft, self.recorded_ns = card, model, draft, recorded_ns
        self.shadow, self.start, self.namespace = shadow, start, namespace
        self.tail = tail
        """So many steps of 5 ms are recorded after the run."""
        self.with_clock = clock
        self.state_age_ns = state_age * MS
        self.lost = set(lost)
        """(topic, number) of messages that the recorder misses."""
        self.now, self.numbers, self.run = start, {}, LiveRun()
        self.assembler = ObservationAssembler(card)
        self.controller = ChunkController(card, model)
        self.joints = [*card.arms[0].joints, card.arms[0].gripper.joint]
        self.q = np.array(card.arms[0].home)
        self.arriving: list[tuple[int, ActionChunk]] = []
        self.frames = dict.fromkeys(card.camera_names, 0)
        self.held = False
        assemble, act = self.assembler.assemble, swinging(card, gain)

        def assembled(now_ns: int, words: str) -> VLAObservation:
            observation = assemble(now_ns, words)
            self.held = True  # inference begins at once, and nothing arrives in between
            return observation

        wait = self.assembler.wait

        def waited(newer_than_ns: int, timeout_s: float) -> bool:
            self.held = False  # no inference begins
            return wait(newer_than_ns, timeout_s)

        self.assembler.assemble, self.assembler.wait = assembled, waited

        def watched(observation: VLAObservation) -> np.ndarray:
            self.run.seen.append(observation)
            return act(observation)

        self.policy = ScriptedPolicy(card, watched)
        self.session = PolicySession(
            card, self.policy, self.assembler, self.clock, self.publish, config=SessionConfig(settle_s=0.0)
        )
        for _ in range(100):
            self.clock()

    def live(self, seconds: float) -> LiveRun:
        """One run of the session."""
        record = self.session.begin(RunRequest(WORDS, int(seconds * 1e9)))
        self.record("vla/policy_status", PolicyStatus(run_id=run_id_to_msg(record.run_id), instruction=WORDS))
        before, session_module.POLL_S = session_module.POLL_S, 0.0002
        try:
            self.session.run(record)
        finally:
            session_module.POLL_S = before
        assert not record.message or "time limit" in record.message, record.message
        for _ in range(self.tail):
            self.clock()
        return self.run

    def record(self, topic: str, message) -> None:
        number = self.numbers[topic] = self.numbers.get(topic, -1) + 1
        if (topic, number) not in self.lost:
            self.draft.write(absolute(topic, self.namespace), self.recorded_ns(self.now), message)

    def clock(self) -> int:
        if self.held:
            self.held = False
            return self.now
        self.now += 5 * MS
        if self.with_clock:
            self.draft.write("/clock", self.recorded_ns(self.now), Clock(clock=ns_to_stamp(self.now)))
        if (self.now - self.start) % (10 * MS) == 0:
            self.tell_state()
        for i, camera in enumerate(self.card.cameras):
            due = self.start + self.frames[camera.name] * 33 * MS + i * 4 * MS
            if due <= self.now - 12 * MS:  # an image arrives 12 ms after it was taken
                self.frames[camera.name] += 1
                pixels = np.random.default_rng(due // MS + i).integers(0, 256, (camera.height, camera.width, 3), np.uint8)
                message = array_to_image(pixels, due, camera.frame)
                feed_frame(self.assembler, read_frame(camera, message), 77)
                self.record(camera.topic, message)
        while self.arriving and self.arriving[0][0] <= self.now:
            self.take(self.controller.on_chunk(self.arriving.pop(0)[1], self.now))
        if (self.now - self.start) % (10 * MS) == 0:
            self.take(self.controller.tick(self.now))
        return self.now

    def tell_state(self) -> None:
        commanded = self.controller.commanded_at(self.now)
        q, v = (self.q, np.zeros(7)) if commanded is None else commanded[:2]
        message = JointState(name=self.joints, position=[*q, 0.04], velocity=[*v, 0.0])
        message.header.stamp = ns_to_stamp(self.now - self.state_age_ns)
        self.controller.on_joint_state(self.now - self.state_age_ns, self.joints, message.position, message.velocity, self.now)
        if not self.card.state.sources:
            feed_joint_state(self.assembler, message)
            return self.record(self.card.state.topic, message)
        for topic, kind in self.card.state.topics.items():
            if topic != self.card.state.topic and (self.now - self.start) % (50 * MS):
                continue  # sources come at 20 Hz
            told = WrenchStamped(header=message.header) if "Wrench" in kind else deepcopy(message)
            if "Wrench" in kind:
                told.wrench.force.z, told.wrench.torque.x = (self.now - self.start) / 1e9, 0.25
            elif topic == self.card.state.topic:
                told.position[-1] = 9.0  # what is told elsewhere does not count here
            self.record(topic, told)
            feed_joint_state(self.assembler, state_message(self.card.state, topic, told))

    def publish(self, chunk: ActionChunk) -> None:
        if chunk.horizon:
            self.run.chunks.append(chunk)
        self.record("vla/action_chunk", chunk_to_msg(chunk))
        if self.shadow is not None and chunk.horizon:
            self.record("vla/shadow/action_chunk", chunk_to_msg(replace(chunk, actions=chunk.actions + self.shadow)))
        self.arriving.append((self.now + 20 * MS, chunk))

    def take(self, output) -> None:
        for report in output.reports:
            self.run.reports.append(report)
            self.session.on_report(report)
            self.record("vla/chunk_report", report_to_msg(report))


def record_live(path: Path, card: InterfaceCard, model: RobotModel, seconds: float = 3.0, **options) -> LiveRun:
    """Records a run into a bag at path; returns what was served live."""
    with BagDraft(path, card) as draft:
        return LiveCell(card, model, draft, **options).live(seconds)
