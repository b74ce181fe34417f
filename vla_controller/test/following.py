"""A controller and the joint trajectory controller that it talks to."""

import numpy as np
from cells import HOME, MS, make_card, make_chunk, panda_model

from vla_controller.controller import ChunkController
from vla_sim.jtc import JointTrajectoryEndpoint

CYCLE = 2 * MS


class Bench:
    """A controller and the joint trajectory controller that it talks to, cycle by cycle of 2 ms; states at 100 Hz.

    hears: False, and messages are lost on their way to it. references: it publishes its state, each every_ns; late_ns later it
    is heard, stamped ahead_ns ahead of its time. states_come: joint states do. sag [rad]: the arm is measured so far off its set
    point.
    """

    def __init__(self, rule="legacy", references=False, every_ns=CYCLE, late_ns=0, ahead_ns=0, sag=0.0, **options):
        self.steady_ns, self.lead_ns = 10**9, 10**18
        self.card = make_card(rule=rule)
        self.controller = ChunkController(
            self.card, panda_model(), planning_margin_ns=40 * MS, clock=self.clock, steady=lambda: self.steady_ns, **options
        )
        self.names = self.card.arms[0].joints
        self.jtc = JointTrajectoryEndpoint(self.names, CYCLE, rule)
        self.references, self.every_ns, self.late_ns, self.told = references, every_ns, late_ns, []
        self.ahead_ns, self.sag = ahead_ns, sag
        self.q, self.v, self.blocked = HOME.copy(), np.zeros(7), False
        self.setpoints, self.sent, self.states = [], [], []
        self.active, self.hears, self.states_come = True, True, True

    def clock(self):
        return self.steady_ns + self.lead_ns

    def take(self, output):
        for message in output.trajectories:
            if "arm_controller" in message.topic:
                self.sent.append(message)
                if not (self.active and self.hears):
                    continue
                result = self.jtc.submit(message, self.clock())
                assert result.accepted, result.reason
        return output

    def activate(self, active):
        """As a controller manager does: dropped is what comes meanwhile, and where it stands it holds afterwards."""
        if active and not self.active:
            self.jtc.reset()
        self.active = active

    def cycle(self):
        self.steady_ns += CYCLE
        if not self.active:  # the drives hold what they were commanded last
            self.v = np.zeros(7)
            self.setpoints.append(self.setpoints[-1])
            return self.setpoints[-1]
        setpoint = self.jtc.update(self.clock(), CYCLE, self.q, self.v)[0].copy()
        self.setpoints.append(setpoint)
        if not self.blocked:
            self.v, self.q = (setpoint - self.q) / (CYCLE * 1e-9), setpoint
        else:
            self.v = np.zeros(7)
        return setpoint

    def run(self, ms):
        for _ in range(ms * MS // CYCLE):
            setpoint = self.cycle()
            now = self.clock()
            if self.references and self.active and self.steady_ns % self.every_ns == 0:
                self.told.append((now, setpoint))
            while self.told and now >= self.told[0][0] + self.late_ns:
                stamp, at = self.told.pop(0)
                self.take(self.controller.on_controller_state(0, self.names, at, 1.0, now, stamp + self.ahead_ns))
            if self.steady_ns % (10 * MS) == 0:
                if self.states_come:
                    self.controller.on_joint_state(now, self.names, self.q + self.sag, self.v, now)
                self.take(self.controller.tick(now))
                self.states.append(self.controller.snapshot(now).state)

    def send(self, actions, sequence=0):
        now = self.clock()
        return self.take(self.controller.on_chunk(make_chunk(self.card, actions, now, sequence), now))

    def largest_step(self, since):
        return float(np.abs(np.diff(np.array(self.setpoints[since - 1 :]), axis=0)).max())
