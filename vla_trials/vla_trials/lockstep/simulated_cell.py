"""The parts of a simulated cell that lockstep runs share: world, kinematics, controllers, policies."""

from __future__ import annotations

from vla_contract.card import InterfaceCard, load_card
from vla_contract.policy_spec import NATIVE, split_spec
from vla_controller.controller import ChunkController
from vla_motion.model import RobotModel
from vla_policy.policy import Policy
from vla_sim.perturbations import OTHER_DYNAMICS, apply_dynamics
from vla_sim.urdf import robot_urdf
from vla_sim.world import SimWorld
from vla_trials.lockstep.setups import OTHER, SETUPS, STANDARD
from vla_trials.lockstep.stitching import DEFAULT_STRATEGY


class CellError(ValueError):
    """A setup that does not exist."""


class SimulatedCell:
    """A simulated robot cell for one card.

    Attributes:
        card: Interface card.
        world: Simulator.
        model: Kinematics of the card's arm.
    """

    def __init__(
        self, card: InterfaceCard, *, rule: str | None = None, setup: str = STANDARD, strategy: str = DEFAULT_STRATEGY
    ) -> None:
        """setup: `STANDARD`, or `OTHER` with other dynamics and another renderer setting. Raises CellError for any other.

        strategy: Of its controllers, see `vla_controller.planning.strategy`.
        """
        if setup not in SETUPS:
            raise CellError(f"no setup '{setup}'; there are: {', '.join(SETUPS)}")
        if rule is not None:  # controller and joint trajectory controller have to agree on it
            card = card.model_copy(
                update={"arms": [a.model_copy(update={"replacement_rule": rule}) for a in card.arms]}
            )
        arm = card.arms[0]
        self.card = card
        self._strategy = strategy
        self.world = SimWorld(card, detail="textured" if setup == OTHER else "plain")
        if setup == OTHER:
            apply_dynamics(self.world, OTHER_DYNAMICS)
        self.model = RobotModel.from_urdf(
            robot_urdf(), joints=list(arm.joints), tool_frame=arm.tool_frame, base_frame=arm.base_frame
        )

    def new_controller(self) -> ChunkController:
        """A controller that remembers nothing."""
        return ChunkController(self.card, self.model, strategy=self._strategy)

    def load_policy(self, checkpoint: str) -> Policy:
        """A policy from a checkpoint, checked against the card.

        Raises:
            CheckpointError: It was made for another contract, or is no checkpoint.
        """
        # torch is slow to import, and demonstrations by the expert do without it.
        from vla_policy.opening import load_policy

        return load_policy(checkpoint, self.card)


def check_inputs(card_path: str, checkpoint: str | None) -> InterfaceCard:
    """Look at what the user gave before processes are started on it, so that a mistake is told once and in words.

    Raises:
        CardError, WorldError, CheckpointError, PolicySpecError: What is wrong with the card, or the checkpoint, or between them.
    """
    card = load_card(card_path)
    SimWorld(card).close()
    if checkpoint is not None:
        name, rest = split_spec(checkpoint)
        if name == NATIVE:
            from vla_policy.checkpoint import check_contract, read_checkpoint

            check_contract(read_checkpoint(rest), card)
        else:
            from vla_policy.opening import load_policy

            load_policy(checkpoint, card)
    return card
