"""The policy's session and the controller in lockstep: chunks that repeat what is under way are followed without a stop."""

import numpy as np
import pytest

from vla_contract.action_space import ActionSpace
from vla_contract.card import parse_card
from vla_contract.report import Phase, Verdict
from vla_controller.controller import ChunkController
from vla_motion import rotation
from vla_policy.backends.scripted import ScriptedPolicy
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.running.run_record import RunRequest
from vla_policy.running.session import PolicySession, SessionConfig
from vla_trials.lockstep.expert_policy import Disturbance, ExpertPolicy
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell
from vla_trials.lockstep.stitching import StitchingError, check_stitching

MS = 1_000_000
START = 1_700_000_000_000 * MS
FRAME = 33 * MS


class Assembler(ObservationAssembler):
    """Whoever waits for an image lets virtual time go on."""

    cell = None

    def wait(self, after_ns, timeout_s):
        while self.newest_ns() <= after_ns:
            self.cell.go_on(1)
        return True


class Cell:
    """Virtual time, an arm that is where it is commanded to be, cameras, the controller, and a session that decides in
    ``decision_ms`` (fewest, most)."""

    def __init__(self, card, model, strategy, committed_steps, decision_ms=(40, 140), speed_scale=1.0):
        self.card, self.now = card, START
        self.controller = ChunkController(card, model, strategy=strategy, speed_scale=speed_scale)
        self.assembler = Assembler(card)
        self.assembler.cell = self
        self._rng = np.random.default_rng(1)
        self._decision_ms, self._model = decision_ms, model
        self._q = np.array(card.arms[0].home)
        self.joints = [*card.arms[0].joints, card.arms[0].gripper.joint]
        self.reports, self.kept, self.chunks = [], [], []
        config = SessionConfig(settle_s=0.0, refusals=1000, committed_steps=committed_steps)
        policy = ScriptedPolicy(card, self._act)
        self.session = PolicySession(card, policy, self.assembler, lambda: self.now, self._publish, config=config)
        self.speeds = []
        self.go_on(200)

    def go_on(self, ms):
        for _ in range(ms):
            self.now += MS
            since = self.now - START
            if since % (10 * MS) == 0:
                commanded = self.controller.commanded_at(self.now)
                q, v = (self._q, np.zeros(7)) if commanded is None else commanded[:2]
                self.speeds.append(np.abs(v).max())
                self.controller.on_joint_state(self.now, self.joints, [*q, 0.04], [*v, 0.0], self.now)
                self.assembler.add_joint_state(self.now, self.joints, [*q, 0.04])
                self._tell(self.controller.tick(self.now))
            if since % FRAME == 0:
                for camera in self.card.cameras:
                    pixels = self._rng.integers(0, 255, (camera.height, camera.width, 3), dtype=np.uint8)
                    self.assembler.add_image(camera.name, self.now, pixels)

    def _tell(self, output):
        self.reports += output.reports
        for report in output.reports:
            self.session.on_report(report)

    def _act(self, observation):
        """Along a wave in one joint, or sideways with the tool."""
        self.go_on(int(self._rng.integers(*self._decision_ms)))
        due = (observation.stamp_ns - START) * 1e-9 + 0.1 * np.arange(self.card.action.horizon + 1)
        space = self.card.action_space
        wave = 0.15 * np.sin(0.8 * due)
        actions = np.zeros((self.card.action.horizon, self.card.action_dim))
        if space.is_cartesian:
            if space is ActionSpace.EE_POSE:
                T = self._model.forward(np.array(self.card.arms[0].home))
                actions[:, :6] = rotation.pose_to_vector(T)
            actions[:, 1] = np.diff(wave) if space.is_delta else wave[1:]
        else:
            home = np.array(self.card.arms[0].home)
            origin = {ActionSpace.JOINT_POSITION: home, ActionSpace.JOINT_DELTA: 0.0}.get(space, home - observation.state[:7])
            actions[:, :7] = origin
            actions[:, 0] += np.diff(wave) if space.is_delta else wave[1:]
        actions[:, -1] = 1.0
        return actions

    def _publish(self, chunk):
        self.chunks.append(chunk)
        times = self.now + 10 * MS * np.arange(40)
        before = None if self.controller.commanded_at(self.now) is None else self._commanded(times)
        output = self.controller.on_chunk(chunk, self.now)
        self._tell(output)
        scheduled = next(r for r in output.reports if r.sequence == chunk.sequence and r.phase is Phase.SCHEDULED)
        if before is not None and chunk.committed_steps and scheduled.verdict is Verdict.ACCEPTED:
            frozen = times <= scheduled.step_stamps_ns[chunk.committed_steps - 1]
            self.kept.append(np.abs(self._commanded(times) - before)[frozen].max())

    def _commanded(self, times):
        return np.array([self.controller.commanded_at(int(t))[0] for t in times])

    def run(self, seconds=6.0):
        record = self.session.run(self.session.begin(RunRequest("move", int(seconds * 1e9))))
        self.speeds = self.speeds[:-1]
        return record

    @property
    def refused(self):
        return [r.verdict.name for r in self.reports if r.phase is Phase.SCHEDULED and r.verdict.is_refusal]


def card_of(card, space):
    content = card.to_dict()
    arm = content["arms"][0]
    axes = ("x", "y", "z", "rx", "ry", "rz")
    motion = [f"{arm['name']}.{axis}" for axis in axes] if space.startswith("EE") else list(arm["joints"])
    content["action"].update(space=space, names=[*motion, f"{arm['name']}.gripper"])
    return parse_card(content)


@pytest.mark.parametrize("space", ["EE_DELTA", "EE_POSE", "JOINT_DELTA", "JOINT_POSITION", "JOINT_RELATIVE"])
def test_the_arm_moves_on_and_repeated_steps_stay_as_they_were(card, model, space):
    cell = Cell(card_of(card, space), model, "committed_prefix", committed_steps=3)
    record = cell.run()
    assert not cell.refused, cell.refused
    assert record.counts.chunks_accepted >= 10
    assert {chunk.committed_steps for chunk in cell.chunks[1:-1]} == {3}
    assert len(cell.kept) >= 9 and max(cell.kept) < 1e-12
    moving = cell.speeds[40:-10]
    assert len(moving) > 400 and min(moving[20:100]) > 0.01, "no stop before the wave turns"


def test_without_them_every_chunk_in_motion_is_refused(card, model):
    cell = Cell(card, model, "committed_prefix", committed_steps=0)
    cell.run()
    assert set(cell.refused) == {"SHAPE"} and len(cell.refused) > 5


@pytest.mark.parametrize("strategy", ["receding_horizon", "temporal_ensemble"])
def test_other_strategies_take_the_same_chunks(card, model, strategy):
    cell = Cell(card, model, strategy, committed_steps=3)
    record = cell.run(4.0)
    assert not cell.refused and record.counts.chunks_accepted >= 8
    assert max(chunk.committed_steps for chunk in cell.chunks) == 3


def test_at_half_speed_steps_are_repeated_as_they_are_executed(card, model):
    cell = Cell(card, model, "committed_prefix", committed_steps=2, speed_scale=0.5)
    record = cell.run()
    assert not cell.refused and record.counts.chunks_accepted >= 10 and max(cell.kept) < 1e-12


def test_after_a_stop_nothing_of_before_is_repeated(card, model):
    cell = Cell(card, model, "committed_prefix", committed_steps=3)
    publish, stopped = cell._publish, []

    def publish_and_brake(chunk):
        publish(chunk)
        if chunk.sequence == 3:
            cell._tell(cell.controller.stop(cell.now))
            cell._tell(cell.controller.resume(cell.now))
            stopped.append(cell.now)

    cell.session._publish = publish_and_brake
    cell.run()
    after = [chunk for chunk in cell.chunks if chunk.sequence > 3 and chunk.horizon]
    assert after[0].committed_steps == 0 and after[-1].committed_steps == 3
    assert set(cell.refused) <= {"SHAPE"} and len(cell.refused) <= 2, "only while it brakes"


class Seams:
    """Stands before a controller, and measures what each chunk that it accepts in motion changes."""

    def __init__(self, controller):
        self._controller = controller
        self.changes, self.jumps, self.repeated = [], [], []

    def __getattr__(self, name):
        return getattr(self._controller, name)

    def _curve(self, times, derivative):
        return np.array([self._controller.commanded_at(int(t))[derivative] for t in times])

    def on_chunk(self, chunk, now_ns):
        times = now_ns + MS * np.arange(500)
        before = None if self._controller.commanded_at(now_ns) is None else self._curve(times, 0)
        output = self._controller.on_chunk(chunk, now_ns)
        scheduled = next(r for r in output.reports if r.sequence == chunk.sequence and r.phase is Phase.SCHEDULED)
        if before is not None and scheduled.verdict is Verdict.ACCEPTED:
            self.repeated.append(chunk.committed_steps)
            frozen = times <= scheduled.step_stamps_ns[max(chunk.committed_steps, 1) - 1]
            self.changes.append(np.abs(self._curve(times, 0) - before)[frozen].max())
            self.jumps.append(np.abs(np.diff(self._curve(times, 2), axis=0)).max())
        return output


def lockstep(card, strategy, committed_steps):
    """A lockstep trial: its result, its seams, and what each decision was asked with."""
    cell = SimulatedCell(card, strategy=strategy)
    noise = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    cell.world.render = lambda camera: np.roll(noise, cell.world.now_ns // MS % 224, axis=0)
    policy = ExpertPolicy(
        cell.world, cell.model, lambda: runner.controller, lambda: Disturbance(np.random.default_rng(5), 0.1)
    )
    infer, asks = policy.infer, []
    policy.infer = lambda observation, ask: asks.append(ask) or infer(observation, ask)
    runner = LockstepRunner(card, cell.world, lambda: Seams(cell.new_controller()), policy, committed_steps=committed_steps)
    result = runner.run("pick", 77)
    cell.world.close()
    return result, runner.controller, asks


def test_in_lockstep_the_steps_under_way_are_repeated_and_no_seam_is_worse(card):
    result, plain, asks = lockstep(card, "receding_horizon", 0)
    assert result.success and not any(plain.repeated) and all(ask.committed is None for ask in asks)
    result, committed, asks = lockstep(card, "committed_prefix", 3)
    assert result.success and not result.refused, "every chunk in motion repeats enough"
    assert len(committed.repeated) >= 7 and set(committed.repeated) == {3}
    assert max(committed.changes) < 1e-12 < max(plain.changes)
    assert max(committed.jumps) <= max(plain.jumps)
    assert [len(ask.committed) for ask in asks[1:]] == committed.repeated
    assert asks[0].delay_ns == 0 and all(ask.delay_ns > 50 * MS for ask in asks[1:])


def test_in_lockstep_a_prefix_that_is_forgotten_stops_the_arm_before_each_chunk(card):
    result, _, _ = lockstep(card, "committed_prefix", 0)
    assert result.refused["SHAPE"] > 5 and result.steps_skipped == 0


@pytest.mark.parametrize(("given", "words"), [
    (("hold", 0, 4), "strategy is 'hold', allowed are receding_horizon, temporal_ensemble, committed_prefix"),
    (("committed_prefix", 0, 4), "strategy committed_prefix needs committed_steps of 1 or more"),
    (("committed_prefix", 13, 4), "committed_steps is 13, allowed are 0 to 12: the horizon, 16, without the replan_steps, 4"),
    (("receding_horizon", 0, 17), "replan_steps is 17, allowed are 1 to the horizon, 16"),
])  # fmt: skip
def test_what_does_not_fit_is_told(card, given, words):
    with pytest.raises(StitchingError, match=words):
        check_stitching(card, *given)
    check_stitching(card, "committed_prefix", 12, 4)
