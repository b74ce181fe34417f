"""Do policy, chunks, bag and checkpoint speak of this card?"""

from __future__ import annotations

from vla_contract.card import CardError, InterfaceCard, parse_card
from vla_contract.card_hash import contract_differences
from vla_contract.printing import listed
from vla_replay.preflight.finding import Finding, error
from vla_replay.preflight.known import Known
from vla_replay.preflight.sample import Sample

_SHOWN = 6


def check(card: InterfaceCard, sample: Sample, known: Known) -> list[Finding]:
    """Checks ``hashes``, ``checkpoint`` and ``statistics``."""
    return [*known.findings, *_checkpoint(card, known), *_carried(card, sample)]


def _checkpoint(card: InterfaceCard, known: Known) -> list[Finding]:
    if known.contract is None:
        return []
    todo = "take the card that the checkpoint was trained with, or train for this one"
    findings = []
    for line in contract_differences(known.contract, card.policy_contract()):
        field, _, words = line.partition(": ")
        seen, _, expected = words.partition(", the card has ")
        findings.append(error(field, "checkpoint", f"trained with {seen}", expected, todo))
    if known.horizon is not None and known.horizon != card.action.horizon:
        seen, expected = f"trained with {known.horizon} steps", f"{card.action.horizon} steps"
        findings.append(error("action.horizon", "checkpoint", seen, expected, todo))
    if not findings and known.policy_hash != card.policy_hash:
        seen = known.policy_hash or "none"
        findings.append(error("policy_hash", "checkpoint", seen, card.policy_hash, todo))
    return findings


def _carried(card: InterfaceCard, sample: Sample) -> list[Finding]:
    findings = []
    for name, expected in (("card_hash", card.card_hash), ("policy_hash", card.policy_hash)):
        for value, carriers in sorted(sample.hashes.get(name, {}).items()):
            if value != expected:
                seen = f"{value} in {', '.join(sorted(carriers))}{_differences(card, sample) if name == 'card_hash' else ''}"
                todo = "start policy and controller with this card, or check against the card that they run with"
                findings.append(error(name, "hashes", seen, expected, todo))
    return findings


def _differences(card: InterfaceCard, sample: Sample) -> str:
    """The fields in which the recorded card differs, where the bag has it."""
    if not sample.card_text:
        return ""
    try:
        recorded = parse_card(sample.card_text, "the recorded card")
    except CardError:
        return "; the recorded card cannot be read by this version"
    lines = contract_differences(recorded.to_dict(), card.to_dict())
    return f"; recorded with {listed(lines, _SHOWN, '; ')}" if lines else ""
