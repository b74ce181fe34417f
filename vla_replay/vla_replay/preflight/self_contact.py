"""Which bodies of the card's arms no check holds apart, as `vla card check` tells it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from vla_contract.card import InterfaceCard
from vla_controller.ros.description import models_from_file
from vla_evidence.console import Console
from vla_evidence.fitted_table import FittedTable
from vla_motion.collision_unchecked import BodyPair, Why, unchecked_pairs


def show(card: InterfaceCard, description: Path, console: Console) -> None:
    """Prints the pairs of each arm that is checked for contact with itself. Raises ModelError for a description of another."""
    for arm, model in zip(card.arms, models_from_file(str(description), card)):
        wish = arm.limits.collision
        if not wish.self_collision:
            words = f"{arm.name}: contact of the arm with itself is not checked: the card's self_collision is false"
            console.print(Text(words), soft_wrap=True)
            continue
        pairs = unchecked_pairs(model.source, model, table_height=wish.table_height)
        console.print(table(arm.name, description.name, pairs))


def table(arm: str, description: str, pairs: list[BodyPair]) -> RenderableType:
    """The pairs, but for those that never move against each other, which are no more than a line; then what to do."""
    rows = [pair for pair in pairs if pair.why is not Why.FIXED]
    made = FittedTable(f"{arm}: pairs of bodies that are not held apart, or that {description} excludes")
    made.add_column("bodies", wraps=True)
    made.add_column("", wraps=True)
    made.add_column("touch in", right=True)
    made.add_column("unseen in", right=True)
    for pair in rows:
        share, unseen = (percent(x) if x == x else "" for x in (pair.share, pair.unseen))
        made.add_row(Text(f"{pair.first}, {pair.second}"), words_of(pair), share, unseen)
    lines: list[RenderableType] = [made] if rows else [Text(f"{arm}: all bodies that move are held apart")]
    fixed = [pair for pair in pairs if pair.why is Why.FIXED]
    if fixed:
        named = "; ".join(f"{pair.first}, {pair.second}" for pair in fixed)
        lines.append(Text(f"never move against each other: {named}"))
    return Group(*lines, *(Text(f"to do: {words}") for words in to_do(pairs)))


def words_of(pair: BodyPair) -> str:
    """Why a pair is not looked at, and what comes of the file's exclusion."""
    if pair.why is None:
        return "held apart: the file's exclusion is not followed"
    part = f"{pair.unchecked} of {pair.shapes} shapes' pairs " if 0 < pair.unchecked < pair.shapes else ""
    words = f"{part}not looked at: {pair.why.value}"
    return f"{words}; excluded by the file, too" if pair.excluded else words


def to_do(pairs: list[BodyPair]) -> list[str]:
    """What to do about exclusions that are not followed, and about shapes that are never apart."""
    found = []
    for pair in pairs:
        names = f"{pair.first} and {pair.second}"
        if pair.why is None and pair.share > 0.0:
            found.append(
                f"{names} touch in {percent(pair.share)} of postures, and motion into those is refused: take the exclusion "
                "out of the file; where the real links are apart, draw their shapes closer to them (capsules, convex hulls)"
            )
        elif pair.why is None:
            found.append(f"{names} were met in no posture: take the exclusion out of the file, it has no effect")
    return found


def percent(share: float) -> str:
    """A share of postures; what is neither none nor all of them is not rounded to it."""
    if 0.0 < share < 0.001:
        return "below 0.1 %"
    return f"{share:.1%}".replace("%", " %") if not 0.999 < share < 1.0 else "above 99.9 %"
