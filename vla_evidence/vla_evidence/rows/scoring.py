"""The score of some episodes: successes over trials with an outcome, with its interval, beside the share of clamped steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vla_evidence.rows.rows import EpisodeRow
from vla_evidence.statistics.intervals import wilson_interval


@dataclass(frozen=True)
class Score:
    """A success rate.

    Attributes:
        trials: Episodes with outcome SUCCESS or FAILURE.
        unknown: Episodes without an outcome: in neither count.
        rate: successes / trials, None where there are no trials.
        interval: 95 % Wilson interval, None where there are no trials.
        clamped_share: Clamped over executed steps of the trials, None where no step was executed.
    """

    trials: int
    successes: int
    unknown: int
    rate: float | None
    interval: tuple[float, float] | None
    clamped_share: float | None

    def as_dict(self) -> dict:
        """Ready for JSON."""
        return {**vars(self), "interval": list(self.interval) if self.interval else None}

    def __str__(self) -> str:
        unknown = f", {self.unknown} unknown and not scored" if self.unknown else ""
        if self.rate is None:
            return f"no episode with an outcome{unknown}"
        low, high = self.interval
        clamped = "no step executed" if self.clamped_share is None else f"{self.clamped_share:.1%} of steps clamped"
        return f"{self.successes}/{self.trials} = {self.rate:.0%} (95 % {low:.0%} to {high:.0%}), {clamped}{unknown}"


def score(episodes: Iterable[EpisodeRow]) -> Score:
    """Over all episodes given. One with outcome UNKNOWN changes `unknown` and nothing else."""
    episodes = list(episodes)
    scored = [e for e in episodes if e.outcome in ("SUCCESS", "FAILURE")]
    successes = sum(e.outcome == "SUCCESS" for e in scored)
    executed = sum(e.steps_executed for e in scored)
    return Score(
        trials=len(scored),
        successes=successes,
        unknown=len(episodes) - len(scored),
        rate=successes / len(scored) if scored else None,
        interval=wilson_interval(successes, len(scored)) if scored else None,
        clamped_share=sum(e.steps_clamped for e in scored) / executed if executed else None,
    )
