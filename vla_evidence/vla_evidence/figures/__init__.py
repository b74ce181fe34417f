"""What the JSON files of a run folder hold, as types: their writers and the report share them."""

from vla_evidence.figures.evaluation import EvalFigures
from vla_evidence.figures.evidence import EvidenceFigures
from vla_evidence.figures.ledger import LedgerFigures
from vla_evidence.figures.paired import PairedFigures
from vla_evidence.figures.preflight import PreflightFigures
from vla_evidence.figures.reading import FiguresError
from vla_evidence.figures.replay import GraphReplayFigures, ReplayFigures

__all__ = [
    "EvalFigures", "EvidenceFigures", "FiguresError", "GraphReplayFigures", "LedgerFigures", "PairedFigures", "PreflightFigures",
    "ReplayFigures",
]  # fmt: skip
