"""Evidence rows from a bag, read once from front to end."""

from __future__ import annotations

from functools import partial

import numpy as np

from vla_bags.reader import Bag
from vla_bags.recorded_cameras import find_camera
from vla_contract.card import InterfaceCard
from vla_contract.card_sections import ArmCard
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.instructions import meanings
from vla_contract.state_history import StateHistory
from vla_contract.status import PolicyState
from vla_evidence.labels.track import SAMPLE_PERIOD_NS, EpisodeTrack
from vla_evidence.labels.view import ReferenceView
from vla_evidence.ledger.builder import LedgerBuilder
from vla_evidence.ledger.section import Line
from vla_evidence.rows.rows import EpisodeRow, InferenceRow
from vla_evidence.rows.run_facts import RunFacts
from vla_evidence.rows.truth import OF_THE_GOAL, OLDER, TruthSample, truth_from_msg
from vla_motion.model import ModelError, RobotModel

KEPT = 4_000
"""Joint states kept of each joint: at 1 kHz, from before the oldest observation that a chunk is decided from."""
NEAREST_NS = 50_000_000
"""Largest distance of a joint state that stands for an instant outside the recorded ones [ns]."""
TRUTH_NS = 200_000_000
"""Ground truth this old tells nothing of a sample [ns]: it comes every 50 ms."""


def rows_from_bag(
    bag: Bag, *, card: InterfaceCard | None = None, time_limit_s: float | None = None,
    references: dict[str, ReferenceView] | None = None,
) -> tuple[list[EpisodeRow], list[InferenceRow]]:  # fmt: skip
    """All rows of a bag; see `BagRows`."""
    rows = BagRows(bag, card=card)
    return rows.make(time_limit_s=time_limit_s, references=references)


class BagRows:
    """Reads the runs of a bag.

    Memory grows with the inferences, not with images or joint states.

    Args:
        card: Of the cell; the bag's own by default.

    Raises:
        BagError, CardError: The bag has no card, or none that is right.

    Attributes:
        runs: In order of their first message.
        notes: Those of the bag, and what could not be used, in words with counts; after `make`, on cells with several arms, why
            episodes have their labels, too: the label alone does not name the arm.
    """

    def __init__(self, bag: Bag, *, card: InterfaceCard | None = None) -> None:
        self.card = card or bag.card()
        self.runs: list[RunFacts] = []
        self._bag = bag
        self._by_id: dict[str, RunFacts] = {}
        self._current: RunFacts | None = None
        self._info = None
        self._truth: TruthSample | None = None
        self._models: dict[str, RobotModel] = {}
        self._posture = StateHistory.of_card(self.card, _joint_fields(self.card), kept=KEPT)
        self._state = StateHistory.of_card(self.card, kept=KEPT)
        self._counts: dict[str, int] = {}
        self._unread: dict[str, int] = {}
        self._ledger = LedgerBuilder(self.card)
        self._known = meanings(self.card)
        truth = bag.find("vla/task_state")
        self._absent = bag.absent_fields(truth) if truth is not None and bag.topics[truth].count else ()
        self._read()
        self._left_out = [*bag.notes, *(f"{count} {what}" for what, count in self._counts.items())]
        self._left_out += [OLDER] if OF_THE_GOAL & set(self._absent) else []
        self.notes = [*self._left_out]

    def make(
        self, *, time_limit_s: float | None = None, references: dict[str, ReferenceView] | None = None
    ) -> tuple[list[EpisodeRow], list[InferenceRow]]:
        """The rows.

        Args:
            time_limit_s: Of each run [s], the card's for its task by default.
            references: By camera, for the label VIEWPOINT of runs without ground truth; cameras that are not steady are left out.
        """
        episodes, inferences = [], []
        self._unread.clear()
        timing: dict[str, dict[int, Line]] = {}
        for line in self._ledger.ledger().lines():
            timing.setdefault(line.run_id, {})[line.sequence] = line
        for number, run in enumerate(self.runs, 1):
            views = None
            if references:
                views = {
                    name: references[name].shift(image)
                    for name, image in self.first_images(run).items()
                    if name in references and references[name].steady
                }
            known = timing.get(run.run_id, {})
            episode, made = run.rows(number, self.card, timing=known, time_limit_s=time_limit_s, views=views)
            episodes.append(episode)
            inferences += made
        self.notes = [*self._left_out, *(f"{count} {what}" for what, count in self._unread.items())]
        if len(self.card.arms) > 1:
            found = [(number, run.finding) for number, run in enumerate(self.runs, 1) if run.finding is not None]
            self.notes += [f"episode {number}: {finding.label}: {finding.words}" for number, finding in found]
        return episodes, inferences

    def first_images(self, run: RunFacts) -> dict[str, np.ndarray]:
        """Of each camera the first image after a run's begin, (H, W, 3) uint8, RGB.

        Cameras without one are left out, and those whose image cannot be read, which is noted.
        """
        from vla_contract.ros.streams import read_frame

        found = {}
        for camera in self.card.cameras:
            topic, as_recorded = find_camera(self._bag, camera) or (None, camera)
            if topic is None:
                continue
            for _, message in self._bag.messages([topic], run.received_ns, run.received_ns + 1_000_000_000):
                frame = read_frame(as_recorded, message)
                if frame.pixels is not None:
                    found[camera.name] = frame.pixels
                else:
                    words = f"first images of a run cannot be read, camera {camera.name}: {frame.problem}"
                    self._unread[words] = self._unread.get(words, 0) + 1
                break
        return found

    # Reading

    def _read(self) -> None:
        takes = {
            "robot_description": self._on_description,
            "vla/policy_info": self._on_info,
            "vla/policy_status": self._on_status,
            "vla/action_chunk": self._on_chunk,
            "vla/chunk_report": self._on_report,
            "vla/task_state": self._on_task_state,
            **{topic: partial(self._on_joint_state, topic) for topic in self.card.state.topics},
            "/clock": self._on_clock,
        }
        kinds = self.card.state.topics
        by_topic = {self._bag.find(name, kinds.get(name)): take for name, take in takes.items()}
        by_topic.pop(None, None)
        for entry, message in self._bag.messages([*by_topic]):
            try:
                by_topic[entry.topic](message, entry.stamp_ns)
            except ChunkError:
                self._count(f"messages on {entry.topic} that contradict themselves were left out")

    def _count(self, what: str) -> None:
        self._counts[what] = self._counts.get(what, 0) + 1

    def _run(self, run_id: str, received_ns: int) -> RunFacts | None:
        """The run of an id, a new one where it is not known; None for a message of no run."""
        if not run_id:
            return None
        run = self._by_id.get(run_id)
        if run is None:
            run = RunFacts(run_id, received_ns, EpisodeTrack.of_card(self.card), info=self._info, known=self._known)
            self.runs.append(run)
            self._by_id[run_id] = self._current = run
        return run

    def _on_description(self, message, _: int) -> None:
        for arm in self.card.arms:
            try:
                self._models[arm.name] = RobotModel.from_urdf(message.data, list(arm.joints), arm.tool_frame, arm.base_frame)
            except ModelError:
                self._count(f"robot descriptions without the card's arm {arm.name}: where its tool was is not known")

    def _on_info(self, message, _: int) -> None:
        from vla_contract.ros.convert import info_from_msg

        self._info = info_from_msg(message)

    def _on_status(self, message, received_ns: int) -> None:
        from vla_contract.ros.convert import run_id_from_msg, stamp_to_ns

        run = self._run(run_id_from_msg(message.run_id), received_ns)
        if run is None:
            if self._current is not None and not self._current.ended:
                self._current.ended = True
                self._current.failed = message.message if message.state == PolicyState.ERROR else ""
            return
        run.seen(stamp_to_ns(message.stamp))
        run.instruction, run.understood = message.instruction, message.understood
        run.last_state = PolicyState(message.state)

    def _on_chunk(self, message, received_ns: int) -> None:
        from vla_contract.ros.convert import chunk_from_msg

        chunk = chunk_from_msg(message)
        run = self._run(chunk.run_id, received_ns)
        if run is None:
            self._count("chunks without a run were left out")
            return
        self._ledger.on_chunk(chunk, received_ns)
        run.seen(chunk.stamp_ns)
        run.info = run.info or self._info
        if chunk.horizon == 0:
            run.brakes.add(chunk.sequence)
        elif chunk.sequence not in run.chunks:
            run.chunks[chunk.sequence] = (chunk, self._state_of(chunk))

    def _on_report(self, message, received_ns: int) -> None:
        from vla_contract.ros.convert import report_from_msg

        report = report_from_msg(message)
        run = self._run(report.run_id, received_ns)
        if run is None:
            self._count("reports without a run were left out")
            return
        self._ledger.on_report(report, received_ns)
        run.on_report(report)
        if report.last_executed_ns:
            run.seen(report.last_executed_ns)

    def _on_clock(self, message, _: int) -> None:
        from vla_contract.ros.convert import stamp_to_ns

        self._ledger.on_clock(stamp_to_ns(message.clock))

    def _on_task_state(self, message, _: int) -> None:
        truth = truth_from_msg(message, self._absent)
        run = self._current
        about = run is not None and not run.ended and run.on_truth(truth)
        self._truth = truth if about else None
        if about and self._bag.find(self.card.state.topic) is None:
            self._sample(truth.stamp_ns)

    def _on_joint_state(self, topic: str, message, _: int) -> None:
        from vla_contract.ros.convert import stamp_to_ns
        from vla_contract.ros.streams import state_message

        message = state_message(self.card.state, topic, message)
        stamp = stamp_to_ns(message.header.stamp)
        self._state.add(stamp, message.name, message.position, message.velocity, message.effort)
        if self._posture.add(stamp, message.name, message.position):
            self._sample(stamp)

    def _sample(self, stamp_ns: int) -> None:
        run = self._current
        if run is None or run.ended or not run.start_ns or stamp_ns < run.start_ns:
            return
        track = run.track
        if track.samples and stamp_ns - track.samples[-1].t_ns < SAMPLE_PERIOD_NS:
            if stamp_ns < track.samples[-1].t_ns - NEAREST_NS and not self._take_back(track, stamp_ns):
                self._count("joint states came with an earlier stamp than the one before, and tell no label")
            return
        posture = self._posture_near(stamp_ns)
        truth = self._truth
        known = truth is not None and abs(stamp_ns - truth.stamp_ns) <= TRUTH_NS
        for arm, its in zip(self.card.arms, track.each_arm, strict=True):
            joints = [posture.get(name) for name in arm.joints]
            joints = None if None in joints else np.array(joints)
            finger = posture.get(arm.gripper.joint) if arm.gripper else None
            model = self._models.get(arm.name)
            its.append(
                stamp_ns, joints=joints, opening=None if finger is None else its.info.opening(finger),
                tool=None if model is None or joints is None else model.forward(joints)[:3, 3],
                **(self._truth_for(arm, truth) if known else {}),
            )  # fmt: skip

    def _truth_for(self, arm: ArmCard, truth: TruthSample) -> dict:
        """What a sample of an arm's track takes of the truth. Positions are in the frame of the first arm."""
        same_frame = arm.base_frame == self.card.arms[0].base_frame
        return {
            "held": truth.held, "first_touched": truth.first_touched, "done": truth.success, "goal_m": truth.goal_m,
            "objects": truth.objects if same_frame else None,
        }  # fmt: skip

    def _take_back(self, track: EpisodeTrack, stamp_ns: int) -> bool:
        """Where the last sample alone lies ahead of this stamp, which states follow, its own was wrong: it goes."""
        if len(track.samples) < 2 or track.samples[-2].t_ns > stamp_ns:
            return False
        for its in track.each_arm:
            its.samples.pop()
        return True

    def _posture_near(self, stamp_ns: int) -> dict[str, float]:
        """By name, the newest positions [rad] of the joints that were measured no further from here than the card allows."""
        posture, state = self._posture, self.card.state
        return {
            field.rpartition(".")[0]: float(value)
            for field, value, at_ns in zip(posture.fields, posture.newest(), posture.stamps_ns(), strict=True)
            if at_ns and abs(stamp_ns - at_ns) <= state.max_age_of(field) * 1e9
        }

    def _state_of(self, chunk: ActionChunk) -> tuple[float, ...]:
        """The card's state fields that a chunk was decided from; empty where none was recorded near it."""
        state = self._state
        if state.missing():
            return ()
        if state.covers(chunk.stamp_ns, chunk.state_stamp_ns):
            return tuple(state.at(chunk.stamp_ns, chunk.state_stamp_ns).values.tolist())
        seen = state.at(chunk.state_stamp_ns)
        return tuple(seen.values.tolist()) if abs(seen.stamp_ns - chunk.state_stamp_ns) <= NEAREST_NS else ()


def _joint_fields(card: InterfaceCard) -> list[str]:
    joints = [joint for arm in card.arms for joint in (*arm.joints, *([arm.gripper.joint] if arm.gripper else []))]
    return [f"{joint}.position" for joint in joints]


def reference_views(bag: Bag, card: InterfaceCard | None = None) -> dict[str, ReferenceView]:
    """How each camera saw at the begin of a bag's runs.

    Raises:
        ViewError: Fewer runs with an image than a reference needs.
    """
    rows = BagRows(bag, card=card)
    images = [rows.first_images(run) for run in rows.runs]
    return {
        camera.name: ReferenceView(camera.name, [p[camera.name] for p in images if camera.name in p])
        for camera in rows.card.cameras
    }
