"""What the policy node can be told."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.node import Node

from vla_contract.instructions import Words
from vla_contract.node_settings import COMMITTED_STEPS, REPLAN_STEPS
from vla_contract.ros.parameters import declare
from vla_policy.running.session import SessionConfig


@dataclass(frozen=True)
class PolicyParameters:
    """The parameters of the node, as it was started with them."""

    card: str
    checkpoint: str
    autostart: bool
    threads: int
    seed: int
    device: str
    dtype: str
    session: SessionConfig

    def check_paths(self) -> None:
        """Raises ValueError where card or checkpoint is not given."""
        for name in ("card", "checkpoint"):
            if not getattr(self, name):
                raise ValueError(f"parameter '{name}' is empty; the path of a {name} is needed")


def words_of(text: str) -> Words:
    """Raises ValueError naming what is allowed."""
    try:
        return Words(text)
    except ValueError:
        raise ValueError(f"parameter 'words' is '{text}', allowed are {', '.join(w.value for w in Words)}") from None


def declare_parameters(node: Node) -> PolicyParameters:
    """Declares them, and reads them. Raises what `declare` raises."""
    return PolicyParameters(
        card=declare(node, "card", "", "path of the interface card (YAML)"),
        checkpoint=declare(node, "checkpoint", "", "the policy: path of a checkpoint (safetensors), or NAME:..."),
        autostart=declare(node, "autostart", False, "configure and activate without being asked"),
        session=SessionConfig(
            replan_steps=declare(
                node, "replan_steps", REPLAN_STEPS, "steps between two observations that are decided from", (1, 100)
            ),
            committed_steps=declare(
                node, "committed_steps", 0, "steps that repeat the chunk under way, for the strategy committed_prefix; 0: none",
                COMMITTED_STEPS,
            ),
            words=words_of(declare(
                node, "words", Words.ANY.value,
                "instructions that begin a run: any but those that stop or forbid; near: those that mean a sentence of the card; "
                "card: its own",
            )),
            grace_ns=round(1e9 * declare(
                node, "grace", 1.5, "how long unfit input or a silent controller is borne before a run is aborted [s]"
            )),
        ),
        threads=declare(node, "threads", 2, "threads of the CPU for the model", (1, 64)),
        seed=declare(node, "seed", 0, "of heads that sample"),
        device=declare(node, "device", "cpu", "where the model computes: cpu, cuda, cuda:1, mps"),
        dtype=declare(node, "dtype", "float32", "what the model computes in: float32, bfloat16"),
    )  # fmt: skip
