"""Episodes in which trajectory controllers speak: the controller passes, and what is planted in its way is found."""

import dataclasses
from functools import partial

import numpy as np
import pytest

from vla_bench.fuzz.claims import Claims
from vla_bench.fuzz.curve import Executed
from vla_bench.fuzz.episode import CHUNKS, Episode
from vla_bench.fuzz.leaps import Leaps
from vla_bench.fuzz.random_cell import MS, make_cell
from vla_bench.fuzz.runner import episode_of
from vla_bench.fuzz.speech import Manner
from vla_bench.fuzz.spoken import SpokenEpisode, run_spoken_episode, speaks
from vla_contract.report import ChunkReport, Phase, Verdict
from vla_controller import chunk_intake
from vla_controller.intake.confirmation import Confirmation
from vla_controller.intake.deviation import Deviation
from vla_controller.intake.trajectory_controllers import TrajectoryControllers
from vla_motion.trajectory import JointTrajectory

CALM = 23


@pytest.fixture
def even(monkeypatch):
    """All speak at 100 Hz, a control period ahead, and are heard at once."""
    monkeypatch.setattr(Manner, "draw", lambda rng: Manner(10 * MS, MS, 0, 0, 0))


def spoken(*troubles, rule="legacy", chunks=60, every_ms=700):
    """A calm episode in which these troubles of the link, each a function of it, come one after the other."""
    cell = make_cell(CALM, ("JOINT_POSITION",), (rule,))
    cell = dataclasses.replace(
        cell, troubles=0.0, noise=0.0, sag=0.0, lag_ns=0, jitter_ns=0, strategy="receding_horizon", speed_scale=1.0
    )
    episode = SpokenEpisode(cell, chunks)
    episode.link.rate = 0.0
    for i, trouble in enumerate(troubles):
        episode.at(episode.now + (1000 + every_ms * i) * MS, trouble, episode.link)
    return episode.run()


def lose(link):
    link._lost(0)


def blink(link):
    link._off(0, link._episode.now + 60 * MS)


def switch(link):
    link._off(0, link._episode.now + 600 * MS)


def silence(link):
    link.voices[0].fall_silent(link._episode.now + 600 * MS)
    link._episode.struck(0, link._episode.now + 600 * MS)


ALL = (lose, blink, switch, silence)


def kinds(result) -> set[str]:
    return {found.kind for found in result.found}


@pytest.mark.parametrize(
    ("seed", "chunks"),
    [
        (134, 20),  # stamps of another clock: an arm that sped up from rest was braked from where it had been
        (107, 40),  # before a new plan took over its trajectory controller was said to have dropped it
        (164, 60),  # of two arms the one on its plan bent where the other was braked from what was told
        (208, 60),  # one that stood near its plan taught a wrong lead, and was never believed again
        (241, 25),  # of two arms one had dropped the plan, and the other, which went on slowly, was taken to stand
        (10, 140),  # a single word while joint states stayed away was taken for standing, and the arm stopped at once
        (106, 150),  # a message that was lost, of a slow way that went on, passed for a clock that was set
        (120000012, 125),  # a stop before a new plan took over went back to where the arm had been held
        (120000032, 45),  # an arm that still went on, slowly, with an older message was taken to stand
        (110000058, 80),  # of two sources one stood apart: the arm was held where it was measured, not where its controller was
        (30000057, 115),  # the first word after a silence was of an arm that was on its way to rest, and a motion began there
        (410000064, 85),  # a message that came 300 ms late brought the arm back to its plan just before the next: nobody's fault
    ],
)
def test_what_a_run_once_found_stays_mended(seed, chunks):
    result = run_spoken_episode(seed, chunks)
    assert not result.found and not result.exception_count and not result.unreported


def test_a_share_speaks_and_the_others_are_as_they_were():
    assert 0.55 < np.mean([speaks(seed) for seed in range(2000)]) < 0.65
    assert episode_of.__module__ == "vla_bench.fuzz.runner" and CHUNKS == 200
    plain, other = Episode(make_cell(4), 10), SpokenEpisode(make_cell(4), 10)
    assert np.array_equal(plain.rng.random(5), other.rng.random(5))


def test_links_differ_and_cover_everything():
    manners, rates = [], []
    for seed in range(60):
        link = SpokenEpisode(make_cell(seed), 5).link
        manners += [voice.manner for voice in link.voices]
        rates.append(link.rate)
    periods = [manner.period_ns for manner in manners]
    assert min(periods) < 4 * MS and max(periods) > 60 * MS and 0.0 in rates and max(rates) > 0.7
    assert min(m.lead_ns for m in manners) < 0 < max(m.latency_ns for m in manners)


@pytest.mark.parametrize("rule", ["legacy", "splice"])
def test_troubles_end_in_names_and_chunks_are_accepted_again(even, rule):
    result = spoken(*ALL, rule=rule)
    assert kinds(result) == set() and not result.exception_count and not result.unreported
    assert result.verdicts["DESYNC"] and result.verdicts["NO_STATE"], "they were noticed"
    assert result.excused.keys() <= {"not told", "stop from what was told"}
    assert result.accepted > 0.3 * result.chunks


def test_a_controller_that_waits_for_nobody_makes_leaps_that_no_trouble_excuses(even, monkeypatch):
    monkeypatch.setattr(Confirmation, "missing", lambda *_: "")
    monkeypatch.setattr(Deviation, "off_plan", lambda *_: iter(()))
    assert {"position_step", "velocity_step"} <= kinds(spoken(lose, lose, blink, blink))


def test_a_silence_that_is_not_told_is_found(even, monkeypatch):
    monkeypatch.setattr(TrajectoryControllers, "fell_silent", lambda *_: [])
    assert "silence_not_told" in kinds(spoken(switch))


def test_a_chunk_that_waits_for_ever_is_found(even, monkeypatch):
    monkeypatch.setattr(chunk_intake, "_PATIENCE_NS", 10**12)
    monkeypatch.setattr(Confirmation, "missing", lambda *_: "a word")
    assert "waits_too_long" in kinds(spoken(chunks=30))


def test_one_that_never_takes_chunks_again_is_found(even, monkeypatch):
    given = Confirmation.see

    def grudging(self, arm, q, stamp_ns, now_ns, *plan):
        if not getattr(self, "offended", False):
            given(self, arm, q, stamp_ns, now_ns, *plan)
        self.offended = getattr(self, "offended", False) or self.is_off(arm)

    monkeypatch.setattr(Confirmation, "see", grudging)
    monkeypatch.setattr(Deviation, "standing_off", lambda *_: None)
    assert "accepts_nothing_any_more" in kinds(spoken(blink))


def test_steps_that_were_not_done_and_are_reported_are_found():
    """The arm never got the message by which it was to move half a radian in a second."""
    start, joints = np.zeros((1, 7)), tuple(f"joint{i}" for i in range(7))
    way = np.zeros((2, 7))
    way[1, 0] = 0.5
    still = np.zeros_like(way)
    message = JointTrajectory("arm", 1000 * MS, joints, np.array([0, 1000 * MS]), way, still, still)
    leaps = Leaps([Executed("legacy", start[0])], start, [None], [Manner(10 * MS, 0, 0, 0, 0)])
    leaps.strike(0, 1000 * MS)
    leaps.asked[0].take(message, 1000 * MS, 0, 0)
    report = partial(ChunkReport, stamp_ns=0, run_id="a", sequence=0, chunk_stamp_ns=0, verdict=Verdict.ACCEPTED, message="")
    found = []
    for steps in (2, 9):
        claims = Claims(leaps, [0.01], [50 * MS])
        for t in range(1000, 2000, 10):
            claims.heard(0, t * MS, t * MS)
        claims.take(report(phase=Phase.SCHEDULED, step_stamps_ns=np.arange(1100, 2001, 100) * MS), 0, 1000 * MS)
        found.append(claims.take(report(phase=Phase.CLOSED, steps_executed=steps), 0, 2000 * MS))
    assert found[0] is None and found[1][0] > 0.5 and "step 8" in found[1][1]
