"""What to evaluate, and the fingerprint that says whether two requests are the same."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

from vla_contract.card import load_card
from vla_contract.policy_spec import NATIVE, split_spec
from vla_evidence.provenance.checkpoint import EXPERT, checkpoint_hash
from vla_evidence.provenance.suite import suite
from vla_trials.lockstep.latency import LatencyModel
from vla_trials.lockstep.setups import STANDARD
from vla_trials.lockstep.stitching import DEFAULT_STRATEGY
from vla_trials.trials.errors import TrialsError
from vla_trials.trials.perturbations import Perturbations
from vla_trials.trials.splits import split_of


@dataclass(frozen=True)
class EvalRequest:
    """What to evaluate.

    Attributes:
        checkpoint: A checkpoint's path, or `EXPERT`.
        tasks: One name or several; each is tried on each seed.
        seeds: One trial a task and seed.
        strategy: How the controller stitches chunks, see `vla_controller.planning.strategy`.
        committed_steps: First steps of a chunk that repeat the chunk under way, for committed_prefix.
        rule: Replacement rule of the simulated joint trajectory controller; None for the card's.
        split: Name of the split of the seeds; found from the seeds where it is empty. One with new sentences is never found:
            it has to be asked for.
        setup: Simulated setup, `standard` or `other`.
        noise: Standard deviation of white noise on each axis of each translation step, to make a policy worse [m].
        time_limit_s: Instead of the card's for each task [s].
    """

    card_path: str
    checkpoint: str
    tasks: str | tuple[str, ...]
    seeds: tuple[int, ...]
    replan_steps: int = 4
    strategy: str = DEFAULT_STRATEGY
    committed_steps: int = 0
    latency: LatencyModel = LatencyModel()
    rule: str | None = None
    perturbations: Perturbations = field(default_factory=Perturbations)
    split: str = ""
    setup: str = STANDARD
    noise: float = 0.0
    time_limit_s: float | None = None

    def __post_init__(self) -> None:
        tasks = (self.tasks,) if isinstance(self.tasks, str) else tuple(self.tasks)
        object.__setattr__(self, "tasks", tasks)
        if not tasks or not self.seeds:
            raise TrialsError("a request needs at least one task and one seed")
        for what, given in (("task", tasks), ("seed", self.seeds)):
            double = [item for k, item in enumerate(given) if item in given[:k]] if len(set(given)) < len(given) else []
            if double:
                raise TrialsError(f"{what} {double[0]} is given twice: one trial would count as two")
        if min(self.seeds) < 0:
            raise TrialsError(f"seed {min(self.seeds)}: allowed are 0 and above")
        if not 0.0 <= self.noise < math.inf:
            raise TrialsError(f"noise: {self.noise}, allowed are 0 and above, and finite [m]")
        if not self.split:
            object.__setattr__(self, "split", split_of(self.seeds))

    @property
    def trials(self) -> list[tuple[str, int]]:
        """Task and seed of each trial, seeds first, so that a run cut short has some of each task."""
        return [(task, seed) for seed in self.seeds for task in self.tasks]

    @property
    def policy_name(self) -> str:
        """The checkpoint's file name without its end, the `NAME:REST` of another policy, or `EXPERT`; and the noise on it."""
        kind, rest = (EXPERT, EXPERT) if self.checkpoint == EXPERT else split_spec(self.checkpoint)
        name = Path(rest).stem if kind in (EXPERT, NATIVE) else self.checkpoint
        return f"{name}+noise={self.noise:g}" if self.noise else name

    def identity(self) -> dict:
        """All that the results depend on, ready for JSON: files by their content, not by where they lie; the code by `suite`.

        Raises:
            ProvenanceError: The checkpoint cannot be read. CardError: the card cannot.
        """
        return {
            "card_hash": load_card(self.card_path).card_hash,
            "checkpoint_hash": checkpoint_hash(self.checkpoint),
            "tasks": list(self.tasks),
            "seeds": _ranges(self.seeds),
            "replan_steps": self.replan_steps,
            "strategy": self.strategy,
            "committed_steps": self.committed_steps,
            "latency": [self.latency.floor_s, self.latency.median_s, self.latency.spread],
            "rule": self.rule or "",
            "perturbation": self.perturbations.text,
            "split": self.split,
            "setup": self.setup,
            "noise": self.noise,
            "time_limit_s": self.time_limit_s,
            "suite": suite(),
        }


def fingerprint(identity: dict) -> str:
    """Of a request's identity, 16 hex digits."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def run_id(of_request: str, task: str, seed: int) -> str:
    """Of a trial: a hash of task, seed and the fingerprint that its folder was begun with. 32 digits, as of a UUID."""
    return hashlib.sha256(f"{of_request}:{task}:{seed}".encode()).hexdigest()[:32]


def _ranges(seeds: tuple[int, ...]) -> list[list[int]]:
    """[first, last] of each run of seeds, in their order."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return runs
