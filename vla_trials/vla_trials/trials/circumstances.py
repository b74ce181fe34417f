"""What a trial meets besides its task: perturbations of the world, and other words. Deterministic by task and seed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from vla_sim.perturbations import PerturbedWorld
from vla_sim.tasks import TASK_NAMES, TaskInstance
from vla_sim.world import SimWorld
from vla_trials.trials.perturbations import Perturbations
from vla_trials.trials.splits import check_new_words, new_instruction

MOVE_S = (0.3, 1.2)
PUSH_S = (0.8, 2.5)
"""When a move or a push begins is drawn from here, from the start of the trial [s]."""
PUSH_NS = 200_000_000
"""Duration of a push [ns]."""
_STREAMS = ("viewpoint", "lighting", "distractors", "dropout", "move", "push")


class Circumstances:
    """For a `LockstepRunner`: changes the world at its start, while it runs, and holds images back.

    Each kind of perturbation draws from a generator of its own, so that one changes nothing of another.

    Args:
        world: The simulator.
        perturbations: What to do.
        new_words: Replace the instruction by a sentence that the card does not have.

    Raises:
        TrialsError: A camera that the card does not have, or a card that has the new words.
    """

    def __init__(self, world: SimWorld, perturbations: Perturbations, *, new_words: bool = False) -> None:
        perturbations.check_cameras(world.card.camera_names)
        if new_words:
            check_new_words(world.card)
        self._hands = PerturbedWorld(world)
        self._world = world
        self._p = perturbations
        self._new_words = new_words
        self.pushes = 0
        """Pushes begun in the trial under way."""
        self.moves = 0
        """Times that the target was moved in it."""
        self.added: tuple[str, ...] = ()
        """Objects added to it."""

    @property
    def holds_back(self) -> bool:
        """Whether images may be held back at all."""
        return bool(self._p.dropout)

    def begin(self) -> TaskInstance:
        """Change the world that was just reset. Returns the task as it is now."""
        p, hands, world = self._p, self._hands, self._world
        task = world.task
        rng = {
            name: np.random.default_rng([TASK_NAMES.index(task.name), task.seed, 1000 + k])
            for k, name in enumerate(_STREAMS)
        }
        self.pushes = self.moves = 0
        self.added = ()
        hands.restore()
        if p.viewpoint:
            direction = rng["viewpoint"].normal(size=3)
            hands.shift_camera(world.card.cameras[0].name, p.viewpoint * direction / np.linalg.norm(direction))
        if p.lighting:
            hands.scale_light(1.0 + p.lighting * (1 if rng["lighting"].random() < 0.5 else -1))
        if p.distractors:
            absent = hands.absent_objects()
            chosen = [absent[k] for k in rng["distractors"].permutation(len(absent))[: p.distractors]]
            laid = hands.add_objects(chosen, rng["distractors"])
            self.added = tuple(laid)
            task = replace(task, layout={**task.layout, **laid})
        if self._new_words:
            task = replace(task, instruction=new_instruction(task))
        world.task = task
        self._dropout = dict(p.dropout)
        self._dropout_rng = rng["dropout"]
        self._move_rng = rng["move"]
        self._move_ns = world.now_ns + int(rng["move"].uniform(*MOVE_S) * 1e9) if p.move else None
        self._push_ns = world.now_ns + int(rng["push"].uniform(*PUSH_S) * 1e9) if p.push else None
        angle = rng["push"].uniform(-math.pi, math.pi)
        self._push_direction = np.array([math.cos(angle), math.sin(angle), 0.0])
        self._push_origin: np.ndarray | None = None
        return task

    def tick(self, now_ns: int) -> None:
        """At each state period [ns]."""
        if self._move_ns is not None and now_ns >= self._move_ns:
            if self._hands.move_object(self._world.task.target, self._p.move, self._move_rng):
                self.moves += 1
                self._move_ns = None
        if self._push_ns is not None and now_ns >= self._push_ns:
            if self._push_origin is None:
                self._push_origin = self._hands.hand_position()
                self.pushes += 1
            if now_ns >= self._push_ns + PUSH_NS:
                self._hands.release_hand()
                self._push_ns = self._push_origin = None

    def step(self) -> None:
        """Before each physics step."""
        if self._push_origin is not None:
            self._hands.push_hand(self._push_origin, self._push_direction, self._p.push)

    def arrives(self, camera: str) -> bool:
        """Whether this camera's image of now arrives. Call once a camera and frame."""
        share = self._dropout.get(camera)
        return share is None or bool(self._dropout_rng.random() >= share)
