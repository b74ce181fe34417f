"""A flat world that is quick to draw: five coloured squares, one of them named, a tool that has to get there.

Front camera: the whole table. Wrist camera: a close view around the tool. The actions are the way to the named square.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.demonstration import DatasetInfo, Demonstration

COLOURS = {
    "red": (200, 40, 40), "green": (40, 170, 60), "blue": (40, 70, 200), "yellow": (220, 200, 40), "purple": (140, 50, 170),
}  # fmt: skip
REACH = 0.2
"""Half the side of the table [m]."""
SPEED = 0.015
"""Longest step [m]."""


def draw(squares: dict[str, np.ndarray], tool: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """(224, 224, 3) uint8 RGB view from above; positions in m, shape (2,)."""
    image = texture.copy()
    for name, position in squares.items():
        x, y = ((position / REACH * 0.9 + 1) * 112).astype(int)
        image[max(y - 9, 0) : y + 9, max(x - 9, 0) : x + 9] = COLOURS[name]
    x, y = ((tool / REACH * 0.9 + 1) * 112).astype(int)
    image[max(y - 3, 0) : y + 3, max(x - 12, 0) : x + 12] = 30
    return image


def close_up(image: np.ndarray, tool: np.ndarray) -> np.ndarray:
    """The 74 pixels around the tool, three times as large."""
    x, y = ((tool / REACH * 0.9 + 1) * 112).astype(int)
    around = np.pad(image, ((40, 40), (40, 40), (0, 0)), mode="edge")[y + 2 : y + 77, x + 2 : x + 77]
    return np.repeat(np.repeat(around, 3, axis=0), 3, axis=1)[:224, :224]


def plan(tool: np.ndarray, target: np.ndarray, horizon: int) -> np.ndarray:
    """(H, 7) EE_DELTA steps at most SPEED long; the gripper closes on arrival."""
    steps = np.zeros((horizon, 7))
    here = tool.copy()
    for i in range(horizon):
        way = target - here
        length = np.linalg.norm(way)
        move = way if length <= SPEED else way / length * SPEED
        here = here + move
        steps[i, :2] = move
        steps[i, 6] = float(np.linalg.norm(target - here) > 1e-3)
    return steps


def write_dataset(folder: Path, card: InterfaceCard, episodes: int, frames: int, seed: int = 0) -> None:
    """Episodes of ``frames`` independent moments each, with dataset.json beside them."""
    import cv2

    DatasetInfo(
        card_name=card.name, policy_hash=card.policy_hash, state_names=tuple(card.state.fields),
        action_space=card.action.space, action_names=tuple(card.action.names), camera_names=tuple(card.camera_names),
        horizon=card.action.horizon, step_period_ns=card.step_period_ns, command="synthetic", licence="Apache-2.0",
    ).save(folder)  # fmt: skip
    for episode in range(episodes):
        random = np.random.default_rng((seed, episode))
        noise = random.integers(110, 190, (14, 14, 3), dtype=np.uint8)
        texture = cv2.resize(noise, (224, 224), interpolation=cv2.INTER_CUBIC)
        colour = list(COLOURS)[random.integers(len(COLOURS))]
        images, states, actions = {"front": [], "wrist": []}, [], []
        squares = {name: random.uniform(-REACH, REACH, 2) for name in COLOURS}
        start = random.uniform(-REACH, REACH, 2)
        for i in range(frames):
            # Moments along the way, and off it: what noise in the expert brings about.
            tool = start + (squares[colour] - start) * (i / frames) + random.normal(0, 0.02, 2)
            tool = tool.clip(-REACH, REACH)
            front = draw(squares, tool, texture)
            for name, image in (("front", front), ("wrist", close_up(front, tool))):
                images[name].append(
                    cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
                )
            states.append(np.concatenate([tool, np.zeros(card.state_dim - 2)]))
            actions.append(plan(tool, squares[colour], card.action.horizon))
        wording = card.task("pick").wording[random.integers(len(card.task("pick").wording))]
        Demonstration(
            images=images, state=np.array(states), actions=np.array(actions), mask=np.ones(frames, bool),
            instruction=wording.format(color=colour), task="pick", seed=episode, success=True,
            step_period_ns=card.step_period_ns,
        ).save(folder / f"pick_{episode:05d}.npz")  # fmt: skip
