"""Evidence rows from a bag, read once from front to end."""

from __future__ import annotations

from collections import deque

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ChunkError
from vla_contract.status import PolicyState
from vla_eval.bags.reader import Bag
from vla_eval.evidence.rows import EpisodeRow, InferenceRow
from vla_eval.evidence.run_facts import RunFacts, TruthSample
from vla_eval.evidence.track import SAMPLE_PERIOD_NS, EpisodeTrack
from vla_eval.evidence.view import ReferenceView
from vla_motion.model import ModelError, RobotModel

HISTORY_NS = 3_000_000_000
"""Joint states this old are forgotten: every observation is younger [ns]."""
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
        notes: What could not be used, in words with counts; after `make`, on cells with several arms, why episodes have their
            labels, too: the label alone does not name the arm.
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
        self._joints: dict[str, float] = {}
        self._fields: dict[str, float] = {}
        self._states: deque[tuple[int, np.ndarray]] = deque()
        self._counts: dict[str, int] = {}
        self._read()
        self._left_out = [f"{count} {what}" for what, count in self._counts.items()]
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
        for number, run in enumerate(self.runs, 1):
            views = None
            if references:
                views = {
                    name: references[name].shift(picture)
                    for name, picture in self.first_pictures(run).items()
                    if name in references and references[name].steady
                }
            episode, made = run.rows(number, self.card, time_limit_s=time_limit_s, views=views)
            episodes.append(episode)
            inferences += made
        self.notes = [*self._left_out]
        if len(self.card.arms) > 1:
            found = [(number, run.finding) for number, run in enumerate(self.runs, 1) if run.finding is not None]
            self.notes += [f"episode {number}: {finding.label}: {finding.words}" for number, finding in found]
        return episodes, inferences

    def first_pictures(self, run: RunFacts) -> dict[str, np.ndarray]:
        """Of each camera the first picture after a run's begin, (H, W, 3) uint8, RGB; cameras without one are left out."""
        from vla_contract.ros.convert import compressed_to_array, image_to_array

        found = {}
        for camera in self.card.cameras:
            topic = self._bag.find(f"{camera.topic}/compressed" if camera.compressed else camera.topic)
            if topic is None:
                continue
            for _, message in self._bag.messages([topic], run.received_ns, run.received_ns + 1_000_000_000):
                found[camera.name] = (compressed_to_array if camera.compressed else image_to_array)(message)
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
            self.card.state.topic: self._on_joint_state,
        }
        by_topic = {self._bag.find(name): take for name, take in takes.items()}
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
            run = RunFacts(run_id, received_ns, EpisodeTrack.of_card(self.card), info=self._info)
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
        run.instruction = message.instruction
        run.last_state = PolicyState(message.state)

    def _on_chunk(self, message, received_ns: int) -> None:
        from vla_contract.ros.convert import chunk_from_msg

        chunk = chunk_from_msg(message)
        run = self._run(chunk.run_id, received_ns)
        if run is None:
            self._count("chunks without a run were left out")
            return
        run.seen(chunk.stamp_ns)
        run.info = run.info or self._info
        if chunk.horizon == 0:
            run.brakes.add(chunk.sequence)
        elif chunk.sequence not in run.chunks:
            run.chunks[chunk.sequence] = (chunk, self._state_at(chunk.state_stamp_ns))

    def _on_report(self, message, received_ns: int) -> None:
        from vla_contract.ros.convert import report_from_msg

        report = report_from_msg(message)
        run = self._run(report.run_id, received_ns)
        if run is None:
            self._count("reports without a run were left out")
            return
        run.on_report(report)
        if report.last_executed_ns:
            run.seen(report.last_executed_ns)

    def _on_task_state(self, message, _: int) -> None:
        from vla_contract.ros.convert import stamp_to_ns

        truth = TruthSample(
            stamp_to_ns(message.header.stamp), message.task, message.seed, message.instruction, message.episode,
            message.success, message.succeeded_once, message.target_object, message.first_touched, message.held_object,
            {o.name: np.array([o.pose.position.x, o.pose.position.y, o.pose.position.z]) for o in message.objects},
        )  # fmt: skip
        run = self._current
        about = run is not None and not run.ended and run.on_truth(truth)
        self._truth = truth if about else None
        if about and self._bag.find(self.card.state.topic) is None:
            self._sample(truth.stamp_ns)

    def _on_joint_state(self, message, _: int) -> None:
        from vla_contract.ros.convert import stamp_to_ns

        stamp = stamp_to_ns(message.header.stamp)
        for kind in ("position", "velocity", "effort"):
            values = getattr(message, kind)
            if len(values) == len(message.name):
                for name, value in zip(message.name, values, strict=True):
                    self._fields[f"{name}.{kind}"] = value if np.isfinite(value) else None
        if self._states and stamp < self._states[-1][0]:
            self._states.clear()  # the clock was set back
        wanted = self.card.state.fields
        if all(self._fields.get(name) is not None for name in wanted):
            self._states.append((stamp, np.array([self._fields[name] for name in wanted])))
            while stamp - self._states[0][0] > HISTORY_NS:
                self._states.popleft()
        self._sample(stamp)

    def _sample(self, stamp_ns: int) -> None:
        run = self._current
        if run is None or run.ended or not run.start_ns or stamp_ns < run.start_ns:
            return
        track = run.track
        if track.samples and stamp_ns - track.samples[-1].t_ns < SAMPLE_PERIOD_NS:
            if stamp_ns < track.samples[-1].t_ns:
                self._count("joint states came with an earlier stamp than the one before, and tell no label")
            return
        truth = self._truth
        told = {}
        if truth is not None and abs(stamp_ns - truth.stamp_ns) <= TRUTH_NS:
            told = {"held": truth.held, "first_touched": truth.first_touched, "done": truth.success, "objects": truth.objects}
        for arm, its in zip(self.card.arms, track.each_arm, strict=True):
            joints = [self._fields.get(f"{name}.position") for name in arm.joints]
            joints = None if None in joints else np.array(joints)
            finger = self._fields.get(f"{arm.gripper.joint}.position") if arm.gripper else None
            model = self._models.get(arm.name)
            if told and arm.base_frame != self.card.arms[0].base_frame:
                told = told | {"objects": None}  # they are in the frame of the first arm
            its.append(
                stamp_ns, joints=joints, opening=None if finger is None else its.info.opening(finger),
                tool=None if model is None or joints is None else model.forward(joints)[:3, 3], **told,
            )  # fmt: skip

    def _state_at(self, stamp_ns: int) -> tuple[float, ...]:
        """The card's state fields at an instant, between two joint states linearly; empty where none was recorded near it."""
        states = self._states
        if not states:
            return ()
        after = next((k for k, (stamp, _) in enumerate(states) if stamp >= stamp_ns), len(states))
        if 0 < after < len(states):
            (t0, low), (t1, high) = states[after - 1], states[after]
            return tuple((low + (high - low) * ((stamp_ns - t0) / (t1 - t0))).tolist())
        stamp, values = states[min(after, len(states) - 1)]
        return tuple(values.tolist()) if abs(stamp - stamp_ns) <= NEAREST_NS else ()


def reference_views(bag: Bag, card: InterfaceCard | None = None) -> dict[str, ReferenceView]:
    """How each camera saw at the begin of a bag's runs.

    Raises:
        ViewError: Fewer runs with a picture than a reference needs.
    """
    rows = BagRows(bag, card=card)
    pictures = [rows.first_pictures(run) for run in rows.runs]
    return {
        camera.name: ReferenceView(camera.name, [p[camera.name] for p in pictures if camera.name in p])
        for camera in rows.card.cameras
    }
