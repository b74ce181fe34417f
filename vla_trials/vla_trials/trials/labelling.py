"""Failure labels of lockstep trials, from the simulator's ground truth."""

from __future__ import annotations

from collections.abc import Callable

from vla_contract.report import ChunkReport
from vla_evidence.labels.labels import label_truth
from vla_evidence.labels.track import EpisodeTrack, TrackInfo
from vla_sim.world import SimWorld
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.trials.result import TrialLabel


class Labeller:
    """Follows one trial of a runner, from its first tick on.

    Args:
        perturbation: In words.
        also: Gets the controller's reports too.
    """

    def __init__(
        self,
        runner: LockstepRunner,
        world: SimWorld,
        perturbation: str,
        time_limit_s: float | None,
        *,
        also: Callable[[list[ChunkReport]], None] = lambda _: None,
    ) -> None:
        self._world, self._perturbation, self._limit_s, self._also = world, perturbation, time_limit_s, also
        self._track: EpisodeTrack | None = None
        runner.on_tick = self._tick
        runner.on_reports = self._reports

    def _started(self) -> EpisodeTrack:
        if self._track is None:
            task = self._world.task
            self._track = EpisodeTrack(
                TrackInfo.from_card(
                    self._world.card,
                    task=task.name,
                    instruction=task.instruction,
                    target=task.target,
                    destination=task.destination,
                    time_limit_s=self._limit_s,
                    perturbation=self._perturbation,
                )
            )
        return self._track

    def _tick(self, now_ns: int) -> None:
        self._started().sample_world(self._world)

    def _reports(self, reports: list[ChunkReport]) -> None:
        for report in reports:
            self._started().add_report(report)
        self._also(reports)

    def figures(self, success: bool, nominal: Callable[[], bool] | None = None) -> TrialLabel:
        """Of the trial that has ended.

        Args:
            nominal: Runs a failed trial again without the moved camera, and tells whether that succeeded.
        """
        track = self._started()
        track.finish(self._world.now_ns, success=success)
        start_ns, end_ns = track.start_ns, track.end_ns  # before the trial runs once more
        finding = label_truth(track, nominal_success=nominal() if nominal and not success else None)
        if finding is None:
            return TrialLabel(start_ns, end_ns)
        return TrialLabel(start_ns, end_ns, str(finding.label), finding.sequence, finding.stamp_ns)
