"""Episodes whose joint states come in parts: the controller passes, what is planted is found, other episodes are as they were."""

import numpy as np
import pytest

from vla_bench.fuzz.episode import Episode
from vla_bench.fuzz.postures import POSTURES, PostureEpisode, posture_cell, run_posture_episode
from vla_bench.fuzz.random_cell import make_cell
from vla_bench.fuzz.robots import ROBOTS, TURNING
from vla_bench.fuzz.runner import episode_of, episode_seeds
from vla_contract.card_state import StateCard
from vla_controller.intake.joint_states import JointStates
from vla_controller.planning.arm import Arm

CHUNKS = 40


def kinds(seed: int, spaces=None) -> set[str]:
    cell = posture_cell(POSTURES + seed) if spaces is None else posture_cell(POSTURES + seed, spaces)
    return {found.kind for found in PostureEpisode(cell, CHUNKS).run().found}


@pytest.mark.parametrize("seed", range(10))
def test_the_controller_stands_states_in_parts(seed):
    result = run_posture_episode(POSTURES + seed, 80)
    assert not result.found and not result.exception_count and not result.unreported
    assert result.accepted > 0.3 * result.chunks


def test_the_kind_of_an_episode_is_in_its_seed():
    assert len({seed < POSTURES for seed in episode_seeds(3, 400)}) == 1 and episode_seeds(3, 400)[0] == 30_000_000
    assert list(episode_seeds(3, 400, postures=True)) == [POSTURES + 30_000_000, POSTURES + 30_000_001]
    assert episode_of(POSTURES + 2).cell.seed == POSTURES + 2


def test_drivers_differ_and_cover_everything():
    robots = {posture_cell(POSTURES + seed).robot.name for seed in range(40)}
    assert robots == set(ROBOTS)
    seen = {"parts": set(), "stamps": set(), "velocities": set()}

    class Listening(PostureEpisode):
        def hear(self, message):
            seen["parts"].add(len(message.names))
            seen["stamps"].add(int(np.sign(message.stamp_ns - self.clock) * (abs(message.stamp_ns - self.clock) > 60_000_000)))
            seen["velocities"].add(None if message.velocities is None else len(message.velocities) - len(message.names))
            super().hear(message)

    for seed in (10, 16, 36, 45, 52):
        Listening(posture_cell(POSTURES + seed), CHUNKS).run()
    assert len(seen["parts"]) >= 6 and seen["stamps"] == {-1, 0, 1} and {0, -1} <= seen["velocities"]


def test_other_episodes_draw_what_they_drew():
    """A cell of another robot is the same but for what the robot says."""
    for seed in (1, 4):
        plain, turning = make_cell(seed), make_cell(seed, robots=TURNING)
        assert plain.card.action.names == turning.card.action.names and plain.interval_ns == turning.interval_ns
        assert plain.state_period_ns == turning.state_period_ns and plain.troubles == turning.troubles
    assert not hasattr(Episode(make_cell(1), 5), "_drivers")


def only_whole(states, names, places=JointStates._places):
    found = places(states, names)
    return found if found is not None and len(found[1]) == len(states.joints) else None


def out_of_place(states, names, places=JointStates._places):
    found = places(states, names)
    return found if found is None else (found[0], np.sort(found[1]))


def newest_alone(states, now_ns):
    return None if states.stamp_ns is None else now_ns - states.newest_ns


@pytest.mark.parametrize(
    ("where", "name", "planted", "seed", "kind"),
    [
        (JointStates, "_places", only_whole, 2, "fresh_but_told_stale"),
        (JointStates, "_places", out_of_place, 3, "position_step"),
        (JointStates, "age_ns", newest_alone, 16, "stale_not_told"),
        (StateCard, "ahead_ns", property(lambda card: 10**12), 36, "not_the_newest"),
        (JointStates, "_unwrapped", lambda states, joints, q: q, 8, "position_step"),
    ],
)
def test_what_is_planted_in_its_way_is_found(monkeypatch, where, name, planted, seed, kind):
    monkeypatch.setattr(where, name, planted)
    assert kind in kinds(seed)


def test_a_joint_that_goes_all_around_for_a_wrapped_angle_is_found(monkeypatch):
    monkeypatch.setattr(Arm, "_without_whole_turns", lambda arm, q, commanded: q)
    assert "turned_all_around" in kinds(37, ("JOINT_POSITION",))


def test_a_state_refused_without_words_is_found(monkeypatch):
    from vla_controller.intake.readiness import Readiness

    monkeypatch.setattr(Readiness, "_what_is_late", lambda *_: "")
    assert any("refused_without_words" in kinds(seed) for seed in (36, 45, 52))
