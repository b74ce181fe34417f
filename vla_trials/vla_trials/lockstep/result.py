"""What one trial was and how it went."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrialResult:
    """What one trial was and how it went.

    Attributes:
        seconds: Virtual time until success, or the whole trial [s].
        virtual_seconds: Virtual time that was simulated [s].
        steps_executed, steps_clamped, steps_skipped: Over all chunks.
        refused: Chunks that the controller did not run, by verdict.
        pushes, moves: Times that the hand was pushed and the target moved; see `Circumstances`.
        distractors: Objects that were added to the table.
        blind_frames: Frames on which a decision was due, and an image that it needs had been held back.
        latency_p50_ms, latency_p99_ms: Of the injected latencies [ms]; None without a chunk.
    """

    task: str
    seed: int
    instruction: str
    success: bool
    seconds: float
    virtual_seconds: float
    first_touched: str
    target: str
    chunks: int
    steps_executed: int
    steps_clamped: int
    refused: dict[str, int] = field(default_factory=dict)
    pushes: int = 0
    moves: int = 0
    distractors: int = 0
    blind_frames: int = 0
    steps_skipped: int = 0
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None

    def as_row(self) -> dict:
        """Ready for JSON."""
        return dict(vars(self))
