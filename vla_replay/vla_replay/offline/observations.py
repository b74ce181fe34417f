"""The observation that each recorded chunk was decided from, rebuilt by the stamps that the chunk carries."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from vla_contract.card import InterfaceCard
from vla_contract.chunk import ActionChunk
from vla_contract.observation import VLAObservation
from vla_evidence.figures.replay import AbsentInput, ObservationFigures
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.running.chunks import arm_positions

KEPT_S = 2.5
"""Images of so long are kept [s]: the longest time from an image to its chunk that can be found again."""
NAMED = 20
"""So many absent frames are named; all are counted."""


def new_assembler(card: InterfaceCard) -> ObservationAssembler:
    """The live assembler, with a memory long enough for slow models."""
    return ObservationAssembler(card, kept_images=max(16, math.ceil(KEPT_S * max(camera.rate for camera in card.cameras))))


@dataclass
class Rebuilt:
    """What was found. absent: count by camera or state topic. named: the first ones.

    state_equal: observations whose arm joints equal the chunk's reference positions to the bit; state_different: those
    that do not, state_largest [rad] by how much at most; state_unknown: chunks that carry no reference.
    """

    chunks: int = 0
    rebuilt: int = 0
    absent: dict[str, int] = field(default_factory=dict)
    named: list[AbsentInput] = field(default_factory=list)
    state_equal: int = 0
    state_different: int = 0
    state_unknown: int = 0
    state_largest: float = 0.0
    no_instruction: int = 0

    def figures(self) -> ObservationFigures:
        """What was found so far."""
        return ObservationFigures(**{**vars(self), "absent": dict(self.absent), "named": tuple(self.named)})


class Rebuilder:
    """Takes observations out of an assembler by stamp, and counts what is absent. Nothing is ever replaced."""

    def __init__(self, card: InterfaceCard, assembler: ObservationAssembler) -> None:
        self._card, self._assembler = card, assembler
        self.found = Rebuilt()

    def rebuild(self, chunk: ActionChunk, instruction: str | None) -> VLAObservation | None:
        """None where a frame, the state or the instruction is absent; ``found`` says which."""
        found = self.found
        found.chunks += 1
        if len(chunk.image_stamps_ns) != len(self._card.cameras):
            self._absent("image_stamps", chunk.stamp_ns, chunk.sequence)
            return None
        stamps = dict(zip(self._card.camera_names, chunk.image_stamps_ns))
        absent = self._assembler.absent(stamps, chunk.state_stamp_ns)
        for what, stamp_ns in absent:
            self._absent(what, stamp_ns, chunk.sequence)
        if absent:
            return None
        observation = self._assembler.assemble_at(stamps, chunk.state_stamp_ns, instruction or "")
        found.rebuilt += 1
        self._compare_state(chunk, observation)
        if instruction is None:
            found.no_instruction += 1
            return None
        return observation

    def _absent(self, what: str, stamp_ns: int, sequence: int) -> None:
        found = self.found
        found.absent[what] = found.absent.get(what, 0) + 1
        if len(found.named) < NAMED:
            found.named.append(AbsentInput(what=what, stamp_ns=int(stamp_ns), sequence=int(sequence)))

    def _compare_state(self, chunk: ActionChunk, observation: VLAObservation) -> None:
        found, here = self.found, arm_positions(self._card, observation)
        if not len(chunk.reference_positions) or chunk.reference_positions.shape != here.shape:
            found.state_unknown += 1
        elif np.array_equal(chunk.reference_positions, here):
            found.state_equal += 1
        else:
            found.state_different += 1
            found.state_largest = max(found.state_largest, float(np.abs(chunk.reference_positions - here).max()))
