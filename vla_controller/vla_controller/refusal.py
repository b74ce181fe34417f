"""Why a chunk is not executed, or the arm not set in motion."""

from __future__ import annotations

from typing import NamedTuple

from vla_contract.report import Verdict


class Refusal(NamedTuple):
    """The verdict of the report, and the reason in words."""

    verdict: Verdict
    message: str
