"""How chunks follow each other in a trial: the controller's strategy, and the steps that repeat the chunk under way."""

from __future__ import annotations

from vla_contract.card import InterfaceCard
from vla_contract.node_settings import check_committed_steps
from vla_controller.planning.strategy import STRATEGIES, CommittedPrefix, RecedingHorizon
from vla_policy.running.pace import replan_ns

DEFAULT_STRATEGY = RecedingHorizon.name
NAMES = tuple(STRATEGIES)


class StitchingError(ValueError):
    """A strategy that there is not, or steps that do not fit the card. The message says what is allowed."""


def remark(strategy: str, committed_steps: int) -> str:
    """What to know of steps that are committed under a strategy which does not ask for them, in a line; empty: nothing."""
    if not committed_steps or strategy == CommittedPrefix.name:
        return ""
    return (
        f"committed_steps is {committed_steps} with strategy {strategy}: chunks repeat these steps and the controller takes over "
        f"after them, but it does not refuse chunks that repeat too few for their delay, as {CommittedPrefix.name} does"
    )


def check_stitching(card: InterfaceCard, strategy: str, committed_steps: int, replan_steps: int) -> None:
    """Raises StitchingError where these do not fit the card or each other, in the words of controller and policy node."""
    if strategy not in NAMES:
        raise StitchingError(f"strategy is {strategy!r}, allowed are {', '.join(NAMES)}")
    try:
        replan_ns(card, replan_steps)
        check_committed_steps(card, committed_steps, replan_steps)
    except ValueError as error:
        raise StitchingError(str(error)) from None
    if strategy == CommittedPrefix.name and not committed_steps:
        raise StitchingError(f"strategy {strategy} needs committed_steps of 1 or more: without them it refuses every chunk")
