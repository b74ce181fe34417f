"""The parts of a simulated cell that lockstep runs share: world, kinematics, controllers, policies."""

from __future__ import annotations

from vla_contract.card import InterfaceCard, load_card
from vla_controller.controller import ChunkController
from vla_eval.trials.setups import OTHER, SETUPS, STANDARD
from vla_motion.model import RobotModel
from vla_policy_node.policy import Policy
from vla_sim.perturbations import OTHER_DYNAMICS, apply_dynamics
from vla_sim.urdf import robot_urdf
from vla_sim.world import SimWorld


class CellError(ValueError):
    """A setup that does not exist."""


class Cell:
    """A simulated robot cell for one card.

    Attributes:
        card: Interface card.
        world: Simulator.
        model: Kinematics of the card's arm.
    """

    def __init__(self, card: InterfaceCard, *, rule: str | None = None, setup: str = STANDARD) -> None:
        """setup: `STANDARD`, or `OTHER` with other dynamics and another renderer setting. Raises CellError for any other."""
        if setup not in SETUPS:
            raise CellError(f"no setup '{setup}'; there are: {', '.join(SETUPS)}")
        if rule is not None:  # controller and joint trajectory controller have to agree on it
            card = card.model_copy(
                update={"arms": [a.model_copy(update={"replacement_rule": rule}) for a in card.arms]}
            )
        arm = card.arms[0]
        self.card = card
        self.world = SimWorld(card, detail="textured" if setup == OTHER else "plain")
        if setup == OTHER:
            apply_dynamics(self.world, OTHER_DYNAMICS)
        self.model = RobotModel.from_urdf(
            robot_urdf(), joints=list(arm.joints), tool_frame=arm.tool_frame, base_frame=arm.base_frame
        )

    def new_controller(self) -> ChunkController:
        """A controller that remembers nothing."""
        return ChunkController(self.card, self.model)

    def load_policy(self, checkpoint: str) -> Policy:
        """A policy from a checkpoint, checked against the card.

        Raises:
            CheckpointError: It was made for another contract, or is no checkpoint.
        """
        # torch is slow to import, and demonstrations by the expert do without it.
        from vla_policy_node.checkpoint import load_checkpoint

        return load_checkpoint(checkpoint, self.card)


def check_inputs(card_path: str, checkpoint: str | None) -> InterfaceCard:
    """Look at what the user gave before processes are started on it, so that a mistake is told once and in words.

    Raises:
        CardError, WorldError, CheckpointError: What is wrong with the card, or the checkpoint, or between them.
    """
    card = load_card(card_path)
    SimWorld(card).close()
    if checkpoint is not None:
        from vla_policy_node.checkpoint import check_contract, read_checkpoint

        check_contract(read_checkpoint(checkpoint), card)
    return card
