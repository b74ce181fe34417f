"""Whether the joint states allow an observation now: each check raises an ObservationError that names field, number and limit."""

from __future__ import annotations

from vla_contract.card import InterfaceCard
from vla_contract.state_history import StateAt, StateHistory
from vla_policy.errors import ObservationError, ObservationKind


def check_state_arrived(card: InterfaceCard, state: StateHistory) -> None:
    """Every field of the card has come, and none came wrong since. Raises ObservationError: INVALID or MISSING."""
    if state.invalid:
        raise ObservationError(ObservationKind.INVALID, card.state.topic_of(state.invalid_field), state.invalid)
    missing = state.missing()
    for field in missing:
        _check_not_ahead(card, field, state.ahead_ns(field))
    if missing:
        raise ObservationError(
            ObservationKind.MISSING, card.state.topic_of(missing[0]),
            f"no {missing[0]} has arrived ({len(missing)} fields missing)",
        )  # fmt: skip


def check_state_age(card: InterfaceCard, state: StateHistory, now_ns: int) -> None:
    """No field's newest value is older, or newer, than the card allows. Raises ObservationError: STALE or INVALID."""
    stamps = state.stamps_ns()
    for field, stamp_ns in zip(state.fields, stamps):
        if stamp_ns - now_ns > card.state.ahead_ns:
            _check_not_ahead(card, field, stamp_ns - now_ns)
    allowed = [card.state.max_age_of(field) for field in state.fields]
    oldest = min(range(len(stamps)), key=lambda column: stamps[column] + round(allowed[column] * 1e9))
    age = (now_ns - stamps[oldest]) / 1e9
    if age > allowed[oldest]:
        field = state.fields[oldest]
        _check_not_ahead(card, field, state.ahead_ns(field))
        which = "" if len(set(stamps)) == 1 else f"{field} "
        words = f"{which}{age:.3f} s old, the card allows {allowed[oldest]:g} s"
        raise ObservationError(ObservationKind.STALE, card.state.topic_of(field), words)


def check_state_skew(card: InterfaceCard, state: StateAt, stamp_ns: int) -> None:
    """No field is measured further from the first camera's image than the card allows. Raises ObservationError: SKEW."""
    if state.judged_ns > round(card.state.max_skew * 1e9):
        allowed = card.state.max_skew_of(state.field)
        apart = state.judged_ns / 1e9 + allowed - card.state.max_skew
        side = "after" if state.stamp_ns > stamp_ns else "before"
        words = f"{state.field} measured {apart:.3f} s {side} camera {card.cameras[0].name}"
        topic = card.state.topic_of(state.field)
        raise ObservationError(ObservationKind.SKEW, topic, f"{words}, the card allows {allowed:g} s")


def _check_not_ahead(card: InterfaceCard, field: str, ahead_ns: int) -> None:
    if ahead_ns > 0:
        words = f"{field} is stamped {ahead_ns / 1e9:.3f} s ahead of this node's clock: the clocks disagree"
        raise ObservationError(ObservationKind.INVALID, card.state.topic_of(field), words)
