"""What a decision has to reckon with, from what the controller has reported of the run so far."""

from __future__ import annotations

from statistics import median

from vla_contract.card import InterfaceCard
from vla_contract.observation import VLAObservation
from vla_policy.policy import Ask
from vla_policy.running.chunks import arm_positions
from vla_policy.running.prefix import committed_prefix
from vla_policy.running.run_record import RunRecord


def ask_for(card: InterfaceCard, record: RunRecord, observation: VLAObservation, committed_steps: int) -> Ask:
    """For a decision from this observation.

    committed_steps: At most so many steps repeat the chunk under way; none where nothing is under way.
    The delay expected is the median of the run's takeovers; 0 before the first.
    """
    delay_ns = round(median(record.takeover_delays_ns)) if record.takeover_delays_ns else 0
    if record.under_way is None or not committed_steps:
        return Ask(delay_ns=delay_ns)
    observed = arm_positions(card, observation)
    prefix = committed_prefix(card, record.under_way, observation.stamp_ns, committed_steps, observed)
    return Ask(committed=prefix, delay_ns=delay_ns)
