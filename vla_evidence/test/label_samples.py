"""Episodes that provoke labels: scripted motions in the real simulator, without rendering, and synthetic tracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import yaml

from vla_contract.action_space import ActionSpace
from vla_contract.card import InterfaceCard
from vla_contract.report import ChunkReport, Clamp, Phase, Verdict
from vla_evidence.labels.track import EpisodeTrack, TrackInfo
from vla_motion import rotation as rot
from vla_motion.trajectory import JointTrajectory
from vla_sim.expert import Expert, ExpertState
from vla_sim.urdf import robot_urdf
from vla_sim.world import TIMESTEP_NS
from vla_trials.lockstep.simulated_cell import SimulatedCell

STEP_NS = 100_000_000
SECOND = 1_000_000_000
START = 5 * SECOND
NAMES = ("arm.x", "arm.y", "arm.z", "arm.rx", "arm.ry", "arm.rz", "arm.gripper")


class Script:
    """Moves the arm of a simulated cell by actions of EE_DELTA and gripper, straight through inverse kinematics."""

    def __init__(self, cell: SimulatedCell) -> None:
        self.cell = cell
        self._arm = cell.card.arms[0]

    def run(
        self, act: Callable[[ExpertState, float], np.ndarray], *, seed: int = 0, task: str = "pick", seconds: float = 8.0,
        time_limit_s: float | None = None, aim: str | None = None, perturbation: str = "",
    ) -> EpisodeTrack:  # fmt: skip
        """One trial, until success or for `seconds`. `act` gets what the expert sees, and the time [s]; `aim`: what is seen as
        the target instead of the one named."""
        world = self.cell.world
        instance = world.reset(task, seed)
        track = EpisodeTrack(
            TrackInfo.from_card(
                self.cell.card, task=task, instruction=instance.instruction, target=instance.target,
                destination=instance.destination, time_limit_s=time_limit_s, perturbation=perturbation,
            )
        )  # fmt: skip
        q = world.joint_state()[1][:-1]
        tool = self.cell.model.forward(q)
        begin, sequence = world.now_ns, 0
        while world.now_ns - begin < seconds * SECOND and not world.progress().success:
            if aim is not None:
                world.task = replace(instance, target=aim)
            seen = world.expert_state(tool)
            world.task = instance
            action = act(seen, (world.now_ns - begin) / 1e9)
            tool = tool.copy()
            tool[:3, 3] += action[:3]
            tool[:3, :3] = rot.exp(action[3:6]) @ tool[:3, :3]
            q = self._inverse(q, tool)
            self._send(self._arm.trajectory_topic, self._arm.joints, q)
            self._send(self._arm.gripper.topic, (self._arm.gripper.joint,), [0.04 * action[6]])
            add_plan(track, sequence, world.now_ns, gripper=action[6], steps=1)
            sequence += 1
            for _ in range(STEP_NS // 10_000_000):
                world.step(10_000_000 // TIMESTEP_NS)
                track.sample_world(world)
        track.finish(world.now_ns, success=world.progress().success)
        return track

    def expert(self, track_task: str = "pick", *, offset=(0.0, 0.0, 0.0), aim: str | None = None, seed: int = 0):
        """An `act` of the scripted expert; `offset` moves what it takes for the target [m]."""
        instance = self.cell.world.reset(track_task, seed)
        expert = Expert(aim or instance.target, instance.destination, 0.1)
        return lambda seen, _: expert.act(replace(seen, target=seen.target + np.array(offset)))

    def _inverse(self, q: np.ndarray, tool: np.ndarray) -> np.ndarray:
        model = self.cell.model
        for _ in range(6):
            pose = model.forward(q)
            error = np.concatenate((tool[:3, 3] - pose[:3, 3], rot.log(tool[:3, :3] @ pose[:3, :3].T)))
            jacobian = model.jacobian(q)
            q = q + jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 1e-4 * np.eye(6), error)
        return q

    def _send(self, topic: str, joints, positions) -> None:
        accepted, reason = self.cell.world.submit(
            JointTrajectory(topic, 0, tuple(joints), np.array([STEP_NS]), np.array([positions], dtype=float))
        )
        assert accepted, reason


def add_plan(
    track: EpisodeTrack, sequence: int, stamp_ns: int, *, gripper: float = 1.0, steps: int = 4, skipped: int = 0,
    clamps: tuple[Clamp, ...] = (), verdict: Verdict = Verdict.ACCEPTED, message: str = "", names: tuple[str, ...] = NAMES,
) -> None:  # fmt: skip
    """Both reports of a chunk of zeros with a gripper value (or one for each gripper), that is executed for `steps` from
    `stamp_ns` on."""
    due = stamp_ns + STEP_NS * np.arange(1, steps + 1)
    common = dict(run_id="a" * 32, sequence=sequence, chunk_stamp_ns=stamp_ns, verdict=verdict, message=message)
    if verdict is Verdict.ACCEPTED:
        plan = np.zeros((steps, len(names)))
        plan[:, [k for k, name in enumerate(names) if name.endswith(".gripper")]] = gripper
        track.add_report(
            ChunkReport(
                stamp_ns=stamp_ns, phase=Phase.SCHEDULED, action_space=ActionSpace.EE_DELTA, names=names,
                planned_actions=plan, step_stamps_ns=due, **common,
            )
        )  # fmt: skip
    ran = steps if verdict is Verdict.ACCEPTED else 0
    track.add_report(
        ChunkReport(
            stamp_ns=int(due[-1]), phase=Phase.CLOSED, first_executed_ns=int(due[0]) if ran else 0,
            last_executed_ns=int(due[-1]) if ran else 0, steps_executed=ran, steps_skipped=skipped,
            steps_clamped=len({c.step for c in clamps}), clamps=clamps, **common,
        )
    )  # fmt: skip


def blank(card: InterfaceCard, **info) -> EpisodeTrack:
    """An empty track under a card."""
    return EpisodeTrack(TrackInfo.from_card(card, **info))


def fill(track: EpisodeTrack, seconds: float, **each) -> EpisodeTrack:
    """Samples every 50 ms; each keyword is a value, or a function of time [s]. Finished without ground truth."""
    for k in range(int(seconds * 20) + 1):
        t = k * 0.05
        track.append(START + round(t * 1e9), **{n: v(t) if callable(v) else v for n, v in each.items()})
    track.finish(START + round(seconds * 1e9))
    return track


def on_a_bag(card, *, seconds=8.0, opening=1.0, joints=None, tool=None, gripper=1.0, plans=True, sampled=True, **plan):
    """A run as a real robot's bag tells it: no ground truth. Without samples where not `sampled`."""
    track = blank(card, task="pick")
    if plans:
        for k in range(int(seconds / 0.4)):
            t = k * 0.4
            value = gripper(t) if callable(gripper) else gripper
            add_plan(track, k, START + round(t * 1e9), gripper=value, **plan)
    moving = joints or (lambda t: np.full(7, 0.1 * t))
    return fill(track, seconds, joints=moving, opening=opening, **({"tool": tool} if tool else {})) if sampled else track


def pair_of(card: InterfaceCard) -> InterfaceCard:
    """A cell of two such arms, left and right: every name of theirs has `left` or `right` in the place of `panda`."""
    text = yaml.safe_dump(card.arms[0].model_dump())
    arms = [yaml.safe_load(text.replace("panda", side)) | {"name": side} for side in ("left", "right")]
    names = [name.replace("arm.", f"{arm['name']}.") for arm in arms for name in card.action.names]
    fields = [field.replace("panda", arm["name"]) for arm in arms for field in card.state.fields]
    return card.model_copy(update={
        "name": "pair", "arms": arms, "action": card.action.model_dump() | {"names": names},
        "state": card.state.model_dump() | {"fields": fields},
    })  # fmt: skip


def with_a_third_arm(pair: InterfaceCard) -> InterfaceCard:
    """The pair with an arm `third` on the base of the left one."""
    text = yaml.safe_dump(pair.arms[0].model_dump())
    third = yaml.safe_load(text.replace("left", "third")) | {"name": "third", "base_frame": pair.arms[0].base_frame}
    more = {
        kind: [name.replace("left", "third") for name in names if name.startswith("left")]
        for kind, names in (("names", pair.action.names), ("fields", pair.state.fields))
    }
    return pair.model_copy(update={
        "arms": [*(arm.model_dump() for arm in pair.arms), third],
        "action": pair.action.model_dump() | {"names": [*pair.action.names, *more["names"]]},
        "state": pair.state.model_dump() | {"fields": [*pair.state.fields, *more["fields"]]},
    })  # fmt: skip


def pair_urdf() -> str:
    """Both arms on one table, the right one half a metre beside the left."""
    body = robot_urdf().partition("<robot")[2].partition(">")[2].rpartition("</robot>")[0]
    text = '<robot name="pair"><link name="table"/>'
    for side, y in (("left", 0.25), ("right", -0.25)):
        text += body.replace("panda", side).replace('"world"', f'"{side}_world"')
        text += f'<joint name="{side}_mount" type="fixed"><parent link="table"/><child link="{side}_world"/>'
        text += f'<origin xyz="0 {y} 0"/></joint>'
    return text + "</robot>"
