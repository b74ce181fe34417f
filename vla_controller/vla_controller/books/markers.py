"""What the planned motion looks like: shapes for RViz or Foxglove. No ROS here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import combinations, product

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.report import ChunkReport, Phase

Color = tuple[float, float, float, float]

PATH_COLOR: Color = (0.10, 0.65, 0.95, 1.0)
BOX_COLOR: Color = (0.55, 0.60, 0.65, 0.7)
CLAMP_COLOR: Color = (0.95, 0.45, 0.05, 1.0)
TEXT_COLOR: Color = (0.95, 0.95, 0.95, 1.0)
_LINE, _DOT, _TEXT = 0.004, 0.02, 0.025  # [m]
_TEXT_ABOVE = np.array([0.0, 0.0, 0.03])
_MOST_CLAMPS = 50

ToolAt = Callable[[int, int], "np.ndarray | None"]
"""Tool position (3,) [m] in the base frame of an arm: (t_ns, arm) -> position."""


class ShapeKind(Enum):
    """What is drawn of a shape's points."""

    LINE_STRIP = auto()
    LINE_LIST = auto()
    SPHERE = auto()
    TEXT = auto()


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape. points (N, 3) [m] in ``frame``; size [m] is a line's width, a sphere's diameter or a letter's height."""

    namespace: str
    id: int
    kind: ShapeKind
    frame: str
    points: np.ndarray
    color: Color
    size: float
    text: str = ""


def box_edges(lower: Sequence[float], upper: Sequence[float]) -> np.ndarray:
    """Ends of the 12 edges of a box, two rows an edge: (24, 3)."""
    corners = np.array(list(product(*zip(lower, upper, strict=True))), dtype=np.float64)
    pairs = [pair for pair in combinations(corners, 2) if np.count_nonzero(pair[0] != pair[1]) == 1]
    return np.array(pairs).reshape(-1, 3)


@dataclass
class MotionShapes:
    """What is to be seen of a card's arms: planned tool paths, workspace boxes, and where the newest chunk was clamped."""

    card: InterfaceCard
    _clamps: list[Shape] = field(default_factory=list)

    def on_report(self, report: ChunkReport, tool_at: ToolAt) -> None:
        """Remembers where the tool will be when each clamped step is due. A later chunk's plan replaces it."""
        if report.phase is not Phase.SCHEDULED or report.verdict.is_refusal:
            return
        reasons: dict[int, list[str]] = {}
        for clamp in report.clamps:
            names = reasons.setdefault(clamp.step, [])
            if clamp.limit not in names:
                names.append(clamp.limit)
        self._clamps = []
        for number, (step, names) in enumerate(sorted(reasons.items())[:_MOST_CLAMPS]):
            if step >= len(report.step_stamps_ns):
                continue
            due = int(report.step_stamps_ns[step])
            for index, arm in enumerate(self.card.arms):
                place = tool_at(due, index) if _concerns(names, arm.joints, self.card) else None
                if place is None:
                    continue
                at = number * len(self.card.arms) + index
                place, text = np.asarray(place)[None], f"{step}: {', '.join(names)}"
                self._clamps += [
                    Shape("clamped", at, ShapeKind.SPHERE, arm.base_frame, place, CLAMP_COLOR, _DOT),
                    Shape("why", at, ShapeKind.TEXT, arm.base_frame, place + _TEXT_ABOVE, TEXT_COLOR, _TEXT, text),
                ]

    def shapes(self, paths: Sequence[np.ndarray]) -> list[Shape]:
        """Everything to draw now. paths: planned tool positions (N, 3) [m] of each arm, in its base frame."""
        shapes = []
        for index, (arm, path) in enumerate(zip(self.card.arms, paths, strict=True)):
            edges = box_edges(arm.limits.workspace_min, arm.limits.workspace_max)
            shapes.append(Shape("workspace", index, ShapeKind.LINE_LIST, arm.base_frame, edges, BOX_COLOR, _LINE / 2))
            if len(path) > 1:
                shapes.append(Shape("path", index, ShapeKind.LINE_STRIP, arm.base_frame, path, PATH_COLOR, _LINE))
        return shapes + self._clamps


def _concerns(limits: Sequence[str], joints: Sequence[str], card: InterfaceCard) -> bool:
    """Whether a clamp by these limits may be of the arm with these joints: not where all name joints of another."""
    foreign = {joint for arm in card.arms for joint in arm.joints} - set(joints)
    return not all(limit.split(" ")[-1] in foreign for limit in limits)
