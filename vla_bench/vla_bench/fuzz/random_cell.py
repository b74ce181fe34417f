"""A random cell for each episode: robot, card, controller options, and what is going to go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vla_bench.fuzz.geometry import frames, self_distances, table_distances
from vla_bench.fuzz.robots import ROBOTS, Robot, mjcf, urdf
from vla_contract.action_space import ActionSpace, arm_action_names
from vla_contract.card import InterfaceCard, parse_card
from vla_motion.model import RobotModel

MS = 1_000_000
SPACES = tuple(space.name for space in ActionSpace)
RULES = ("legacy", "splice")
_START_APART = 3  # of the pairs that decide where an arm begins: with all of them recorded episodes would begin elsewhere
STRATEGIES = ("receding_horizon", "temporal_ensemble", "committed_prefix")


@dataclass(frozen=True)
class RandomCell:
    """Everything that is fixed for one episode.

    start (arms, J) [rad]. outside: the arm wakes beyond a limit. jitter_ns: a trajectory message takes up to this long.
    delay_ns: longest time from an observation to the arrival of its chunk. interval_ns: between chunks, on average.
    lag_ns, sag, noise [rad]: of the measured arm behind the executed motion. troubles: faults to come, a second.
    """

    seed: int
    robot: Robot
    form: str
    card: InterfaceCard
    start: np.ndarray
    outside: bool
    strategy: str
    speed_scale: float
    jitter_ns: int
    delay_ns: int
    interval_ns: int
    state_period_ns: int
    lag_ns: int
    sag: float
    noise: float
    troubles: float

    @property
    def rule(self) -> str:
        return self.card.arms[0].replacement_rule

    @property
    def margins(self) -> dict[str, int]:
        """Options of the controller: its own defaults where messages arrive at once."""
        return {"planning_margin_ns": 40 * MS, "brake_margin_ns": 32 * MS} if self.jitter_ns else {}


@lru_cache(maxsize=16)
def model_of(name: str, form: str, prefix: str) -> RobotModel:
    """The controller's model of a robot, read from MJCF or URDF."""
    robot = ROBOTS[name]
    read, text = (RobotModel.from_mjcf, mjcf) if form == "mjcf" else (RobotModel.from_urdf, urdf)
    return read(text(robot, prefix), robot.joint_names(prefix), f"{prefix}_tool", f"{prefix}_link0")


def prefixes(card: InterfaceCard) -> list[str]:
    """First part of the joint names of each arm."""
    return [arm.base_frame.removesuffix("_link0") for arm in card.arms]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _start(rng: np.random.Generator, robot: Robot) -> np.ndarray:
    """Somewhere around home, clear of everything; now and then as near to the table, or to itself, as the arm gets."""
    toward = rng.random()
    reach = 1.0 if toward > 0.45 else 2.0
    q = np.array(robot.home) + rng.uniform(-reach, reach, (60, robot.joint_count)) * robot.spread
    q = np.clip(q, np.array(robot.lower) + 0.05, np.array(robot.upper) - 0.05)
    at = frames(robot, q)
    near_itself = self_distances(robot, at, _START_APART).min(axis=0)
    near_table = table_distances(robot, at, 0.0).min(axis=0)
    clear = np.flatnonzero((near_itself > 0.03) & (near_table > 0.05) & (at.tool[:, 2] > 0.02))
    if not len(clear):
        return np.array(robot.home)
    order = near_table if toward < 0.3 else near_itself
    return q[clear[0] if toward > 0.45 else clear[np.argmin(order[clear])]]


def _limits(rng: np.random.Generator, robot: Robot, tools: np.ndarray) -> dict:
    """Limits of one arm whose tool is at home or at its start (2, 3) [m]."""
    lower, upper = np.array(robot.lower), np.array(robot.upper)
    scale = [_log_uniform(rng, 0.2, 1.0) for _ in range(3)] if rng.random() < 0.6 else [1.0, 1.0, 1.0]
    room = 0.4 if rng.random() < 0.7 else 1.5
    box = [tools.min(axis=0) - rng.uniform(0.05, room, 3), tools.max(axis=0) + rng.uniform(0.05, room, 3)]
    table = rng.random() < 0.8
    if table:
        box[0][2] = max(0.001, box[0][2])
    return {
        "position_lower": lower.tolist(),
        "position_upper": upper.tolist(),
        "velocity": (np.array(robot.velocity) * scale[0]).tolist(),
        "acceleration": (np.array(robot.acceleration) * scale[1]).tolist(),
        "jerk": (np.array(robot.jerk) * scale[2]).tolist(),
        "workspace_min": box[0].tolist(),
        "workspace_max": box[1].tolist(),
        "tool_speed": _log_uniform(rng, 0.1, 1.2),
        "tool_angular_speed": _log_uniform(rng, 0.5, 3.0),
        "tracking_tolerance": float(rng.uniform(0.05, 0.2)),
        "collision": {"self_collision": True, "table_height": 0.0 if table else None},
    }


def _arm(prefix: str, rule: str, robot: Robot, limits: dict, home: np.ndarray, gripper: bool) -> dict:
    hand = {
        "name": f"{prefix}_hand", "interface": "jtc", "topic": f"{prefix}_hand_controller/joint_trajectory",
        "joint": f"{prefix}_finger_joint1", "open_position": 0.04, "closed_position": 0.0,
        "open_value": 1.0, "closed_value": 0.0,
    }  # fmt: skip
    return {
        "name": prefix,
        "base_frame": f"{prefix}_link0",
        "tool_frame": f"{prefix}_tool",
        "joints": robot.joint_names(prefix),
        "trajectory_topic": f"{prefix}_arm_controller/joint_trajectory",
        "replacement_rule": rule,
        "home": home.tolist(),
        "gripper": hand if gripper else None,
        "limits": limits,
    }


def _card(space: str, arms: list[dict], period: float, horizon: int, max_open_loop: float, max_age: float):
    names: list[str] = []
    for arm in arms:
        names += arm_action_names(ActionSpace[space], arm["name"], arm["joints"], arm["gripper"] is not None)
    return parse_card(
        {
            "schema_version": 1,
            "name": "fuzz_cell",
            "description": "a random cell",
            "arms": arms,
            "cameras": [
                {"name": "front", "topic": "front/image_raw", "frame": "front_optical_frame", "width": 64, "height": 64,
                 "encoding": "rgb8", "rate": 30.0, "max_age": 0.25}
            ],
            "state": {"topic": "joint_states", "fields": [f"{j}.position" for arm in arms for j in arm["joints"]],
                      "max_age": max_age, "max_skew": 0.05},
            "action": {"space": space, "names": names, "step_period": period, "horizon": horizon},
            "max_open_loop": max_open_loop,
            "tasks": [{"name": "move", "wording": ["move"], "success_metric": "it moved", "time_limit": 10.0}],
            "dataset": {"licence": "Apache-2.0", "source": "none"},
            "failure_modes": [],
        }
    )  # fmt: skip


def make_cell(
    seed: int, spaces: tuple[str, ...] = SPACES, rules: tuple[str, ...] = RULES, robots: Mapping[str, Robot] = ROBOTS
) -> RandomCell:
    """The cell of an episode; the same seed makes the same cell. robots: what stands for "panda" and "ur5e"."""
    rng = np.random.default_rng([seed, 1])
    robot = robots["panda" if rng.random() < 0.85 else "ur5e"]
    form = "mjcf" if rng.random() < 0.7 else "urdf"
    space, rule = str(rng.choice(spaces)), str(rng.choice(rules))
    period = round(_log_uniform(rng, 0.02, 0.2), int(rng.choice([3, 3, 4])))
    horizon = int(np.clip(rng.integers(1, 51) if rng.random() < 0.2 else rng.integers(4, 33), 1, 50))
    while horizon < 50 and horizon * period < 0.25:
        horizon += 1
    length = horizon * period
    max_open_loop = float(np.clip(length * rng.uniform(0.6, 2.0), max(period, 0.3), 4.0))
    home = np.array(robot.home)
    gripper = rng.random() < 0.8
    arms, starts = [], []
    outside = rng.random() < 0.04
    for prefix in ("left", "right") if rng.random() < 0.12 else ("arm",):
        start = _start(rng, robot)
        limits = _limits(rng, robot, frames(robot, np.stack([home, start])).tool)
        if outside:
            _leave_outside(rng, limits, start, home, frames(robot, start[None]).tool[0])
        arms.append(_arm(prefix, rule, robot, limits, home, gripper))
        starts.append(start)
    strategy = str(rng.choice(STRATEGIES, p=[0.6, 0.2, 0.2]))
    overlap = 0.3 if strategy == "temporal_ensemble" else 0.5  # what the strategy allows, most of the time
    delay = int(min(0.3, overlap * length, 0.5 * max_open_loop) * rng.uniform(0.1, 1.0) * 1e9)
    interval = int(np.clip(length * rng.uniform(0.1, 0.5), 0.03, 0.12) * 1e9)
    rough = rng.random() < 0.4
    return RandomCell(
        seed=seed,
        robot=robot,
        form=form,
        card=_card(space, arms, period, horizon, max_open_loop, float(rng.choice([0.1, 0.25, 0.5]))),
        start=np.stack(starts),
        outside=outside,
        strategy=strategy,
        speed_scale=1.0 if rng.random() < 0.7 else _log_uniform(rng, 0.05, 1.0),
        jitter_ns=int(rng.uniform(1, 30) * MS) if rng.random() < 0.5 else 0,
        delay_ns=delay,
        interval_ns=interval,
        state_period_ns=int(rng.choice([10, 40, 50, 60])) * MS,
        lag_ns=int(rng.choice([0, 0, 10, 30, 60])) * MS,
        sag=float(rng.choice([0.0, 0.0, 1e-4, 3e-3])),
        noise=float(rng.choice([0.0, 0.0, 1e-5, 1e-4, 3e-4])),
        troubles=_log_uniform(rng, 0.02, 0.4) if rough else 0.0,
    )


def _leave_outside(
    rng: np.random.Generator, limits: dict, start: np.ndarray, home: np.ndarray, tool: np.ndarray
) -> None:
    """Moves a limit so that the start, but not home, lies beyond it."""
    if rng.random() < 0.5:
        joint = int(np.argmax(np.abs(start - home)))
        limit = start[joint] + rng.uniform(0.2, 0.8) * (home[joint] - start[joint])
        limits["position_upper" if start[joint] > home[joint] else "position_lower"][joint] = float(limit)
        return
    axis = int(rng.integers(3))
    if rng.random() < 0.5:
        limits["workspace_min"][axis] = float(tool[axis] + rng.uniform(0.01, 0.04))
    else:
        limits["workspace_max"][axis] = float(tool[axis] - rng.uniform(0.01, 0.04))
