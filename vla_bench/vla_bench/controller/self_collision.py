"""Whether the controller's checker sees the contacts of an arm with itself that MuJoCo and coal see, and no others."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from vla_bench.controller.contact_judge import ContactJudge
from vla_contract.card import load_card
from vla_contract.shipped import find_card, shipped_models
from vla_motion.collision import MARGIN, CollisionModel
from vla_motion.description import MJCF, language_of
from vla_motion.model import RobotModel
from vla_sim.scene import robot_mjcf
from vla_sim.urdf import robot_urdf

POSTURES = 100_000
"""Of each arm."""
CLEAR = MARGIN + 1e-4
"""Both judges say that far apart: a posture that is refused there is refused wrongly [m]."""
_PANDA = "panda_tabletop"


@dataclass(frozen=True)
class Case:
    """A description as the checker reads it, and the one that is judged: the Panda's URDF is made from its MJCF."""

    name: str
    card: str
    description: str
    judged: str


@dataclass
class Count:
    """Postures: in contact by a judge; refused by the checker; in contact and passed (missed); refused and clear by both judges
    (false); in contact with a finger alone, which the checker leaves to the table and the task. left_out: bodies of shapes that
    touch in every posture. examples: joints [rad] of some that are missed or refused wrongly."""

    postures: int = 0
    touching: int = 0
    refused: int = 0
    missed: int = 0
    false: int = 0
    fingers_alone: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    examples: list[list[float]] = field(default_factory=list)


def cases() -> list[Case]:
    """All shipped arms, and the Panda's MJCF as well."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in shipped_models() if path.stem != _PANDA}
    others = [Case(name, name, text, text) for name, text in texts.items()]
    return [Case(_PANDA, _PANDA, robot_urdf(), robot_mjcf()), Case("panda_mjcf", _PANDA, robot_mjcf(), robot_mjcf()), *others]


def count_case(case: Case, postures: int, seed: int = 1) -> Count:
    """Draws postures evenly over the joints' ranges and compares. The checker passes one whose nearest pair is MARGIN apart."""
    arm = load_card(find_card(case.card)).arms[0]
    judge = ContactJudge(case.judged, arm.joints)
    read = RobotModel.from_mjcf if language_of(case.description) == MJCF else RobotModel.from_urdf
    model = read(case.description, list(arm.joints), arm.tool_frame, arm.base_frame)
    checker = CollisionModel.from_description(case.description, model, self_collision=True, table_height=None)
    drawn = judge.postures(postures, seed)
    count = Count(postures, left_out=judge.leave_out(drawn))
    for posture in drawn:
        q = judge.arm_of(posture)
        found = judge.judge(posture)
        passed = checker.minimum_distance(q).distance >= MARGIN
        touching = min(found.mujoco, found.coal) < 0.0
        missed, false = touching and passed, not passed and min(found.mujoco, found.coal) > CLEAR
        count.touching += touching
        count.refused += not passed
        count.missed += missed
        count.false += false
        count.fingers_alone += found.fingers < 0.0 and not touching
        if (missed or false) and len(count.examples) < 10:
            count.examples.append([round(float(x), 6) for x in q])
    return count


def measure(postures: int = POSTURES, processes: int = 1, progress: Callable[[str], None] = lambda _: None) -> dict:
    """``missed`` and ``false`` over all arms, and what they are made of, by arm."""
    todo = cases()
    arms = {}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for case, count in zip(todo, pool.map(count_case, todo, [postures] * len(todo))):
            arms[case.name] = count.__dict__
            progress(
                f"{case.name}: {count.postures} postures, {count.touching} in contact, {count.refused} refused; "
                f"{count.missed} contacts missed, {count.false} refused clear; a finger alone in {count.fingers_alone}"
            )
    return {
        "missed": sum(arm["missed"] for arm in arms.values()),
        "false": sum(arm["false"] for arm in arms.values()),
        "postures": postures,
        "arms": arms,
    }
