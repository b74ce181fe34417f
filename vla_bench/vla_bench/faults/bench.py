"""What a fault is measured with: it hears all that the graph says, moves the arm, gives orders to the relay, and judges."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from vla_bench.faults.curve import Late, deviation_ns, holds, is_brake, seams, violations
from vla_bench.faults.graph import FaultGraph
from vla_bench.faults.stream import ChunkStream
from vla_bench.ros.fault_heard import DEEP, Heard, Listener
from vla_bench.ros.fault_topics import Sent
from vla_contract.card import InterfaceCard
from vla_contract.report import Phase, Verdict
from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_contract.status import ControllerState, PolicyState
from vla_graph.ros.client import GraphClient, GraphError
from vla_motion.model import RobotModel
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_sim.scene import robot_mjcf

REST_S = 0.3
REST_RANGE = 3e-3  # [rad]
_MOMENT_NS, _MOVING = 120_000_000, 0.015  # [rad]
_SAG = 0.004  # [m] a measured tool may hang below a commanded one inside the workspace


@dataclass
class Row:
    """One fault and what came of it. Times in [ms] from the fault; None where the fault has no such instant."""

    fault: str
    named: str = ""
    first_braking_ms: float | None = None
    allowed_ms: float | None = None
    to_rest_ms: float | None = None
    alive: bool = True
    problems: list[str] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    """Messages that came too late for a seam without a step."""
    notes: dict = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Nothing was found wrong."""
        return not self.problems

    def to_dict(self) -> dict:
        """For a file of results."""
        return {**vars(self), "late": [vars(late) for late in self.late], "passed": self.passed}


class FaultBench:
    """Binds a running graph and a client of it. sim_time: the graph runs on the simulator's clock, through the relay."""

    def __init__(self, graph: FaultGraph, client: GraphClient, card: InterfaceCard, *, sim_time: bool) -> None:
        self.graph, self.client, self.card = graph, client, card
        arm = card.arms[0]
        self.model = RobotModel.from_mjcf(
            robot_mjcf(), joints=list(arm.joints), tool_frame=arm.tool_frame, base_frame=arm.base_frame
        )
        self._relay: dict = {}
        self._streams: list[ChunkStream] = []
        node = client.node
        self._listener = Listener(node, card, sim_time=sim_time)
        self._chunks = node.create_publisher(ChunkMsg, "vla/action_chunk", DEEP)
        self._orders = node.create_publisher(String, "fault/order", RELIABLE)
        self._services = {name: node.create_client(Trigger, f"vla/{name}") for name in ("stop", "resume", "home")}
        self._switch = node.create_client(SetBool, "vla_sim/set_active")
        node.create_subscription(String, "fault/state", self._on_relay, LATCHED)

    # what is heard

    @property
    def open_loop_ms(self) -> float:
        """Longest motion on one chunk, as the card says [ms]."""
        return self.card.max_open_loop * 1e3

    @property
    def heard(self) -> Heard:
        """Since the last fault began."""
        return self._listener.heard

    def sent(self) -> list[Sent]:
        """The trajectories since then."""
        return self._listener.sent()

    def clock_ns(self) -> int:
        """ROS time of controller and policy [ns]."""
        return self._listener.clock_ns()

    def _on_relay(self, message: String) -> None:
        self._relay = json.loads(message.data)

    # what is done

    def wait(self, condition: Callable[[], bool], what: str, timeout: float = 5.0) -> None:
        """Raises GraphError where `what` does not come true in time."""
        self.client.wait_until(condition, what, timeout)

    def order(self, **order) -> int:
        """What the relay is to do from now on; returns the steady clock [ns] at which it began to."""
        self._orders.publish(String(data=json.dumps(order)))
        self.wait(lambda: self._relay.get("order") == order, "the relay to obey")
        return int(self._relay["steady_ns"])

    def call(self, name: str, timeout: float = 5.0) -> Trigger.Response:
        """A service of the controller: stop, resume, home."""
        if not self._services[name].wait_for_service(timeout):
            raise GraphError(f"no service vla/{name}")
        future = self._services[name].call_async(Trigger.Request())
        self.wait(future.done, f"vla/{name}", timeout)
        return future.result()

    def set_active(self, active: bool) -> int:
        """Activates or deactivates the trajectory controllers; returns the ROS time [ns], of off before, of on after."""
        before_ns = self.clock_ns()
        if not self._switch.wait_for_service(5.0):
            raise GraphError("no service vla_sim/set_active")
        future = self._switch.call_async(SetBool.Request(data=active))
        self.wait(future.done, "vla_sim/set_active")
        return self.clock_ns() if active else before_ns

    def press_stop(self) -> int:
        """vla/stop; returns the steady clock [ns] just before the request."""
        now = time.monotonic_ns()
        future = self._services["stop"].call_async(Trigger.Request())
        self.wait(future.done, "vla/stop")
        return now

    def publish(self, message: ChunkMsg) -> None:
        """A chunk, as a policy would."""
        self._chunks.publish(message)

    def new_stream(self, alter=None) -> ChunkStream:
        """A stream that swings toward the middle of the table; not started."""
        self.wait(lambda: bool(self.heard.motion), "joint states")
        tool = self.model.forward(self.heard.motion[-1][1])[:3, 3]
        self._streams.append(
            ChunkStream(self.card, self.publish, self.clock_ns, -1.0 if tool[1] > 0.0 else 1.0, alter)
        )
        return self._streams[-1]

    def end_streams(self) -> None:
        """No stream goes on, whatever has gone wrong with a fault."""
        while self._streams:
            self._streams.pop().stop()

    def moving_stream(self) -> ChunkStream:
        """A stream under way, with the arm in motion."""
        stream = self.new_stream()
        stream.start()
        self.wait_moving()
        return stream

    def wait_moving(self, timeout: float = 8.0) -> None:
        """Until the arm moves briskly."""
        self.wait(self.is_moving, "the arm to move", timeout)

    def is_moving(self) -> bool:
        """A joint has gone some way in the last moments."""
        moves = self.range_since(time.monotonic_ns() - _MOMENT_NS)
        return bool(np.isfinite(moves).all() and moves.max() > _MOVING)

    def wait_state(self, state: ControllerState, timeout: float = 8.0) -> None:
        """Until the controller says that it is in a state."""
        self.wait(lambda: bool(self.heard.states) and self.heard.states[-1][1] is state, f"controller {state.name}", timeout)

    def begin(self) -> None:
        """Everything in order, the arm at rest and near home, nothing heard yet."""
        self.order()
        if self.heard.states and self.heard.states[-1][1] is ControllerState.STOPPED:
            self.call("resume")
        self.wait_state(ControllerState.IDLE)
        self._listener.forget()
        self.wait(lambda: bool(self.heard.motion and self.heard.states), "joint states and status")

    def wait_rest(self, timeout: float = 6.0) -> bool:
        """Until the measured joints have stayed where they are for REST_S; a servo may tremble."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.range_since(time.monotonic_ns() - int(REST_S * 1e9)).max() < REST_RANGE:
                return True
            time.sleep(0.02)
        return False

    def range_since(self, at_steady_ns: int) -> np.ndarray:
        """How far each joint has gone to and fro since then, measured (J,) [rad]; infinite where too little was heard."""
        recent = [q for at, q, _ in self.heard.motion[-200:] if at > at_steady_ns]
        if len(recent) < 6:
            return np.full(len(self.card.arms[0].joints), np.inf)
        return np.ptp(recent, axis=0)

    # judgement

    def brake_after(self, at_steady_ns: int) -> tuple[Sent, Sent] | None:
        """The first message since then that brings the arm to rest sooner, behind the one that it replaced."""
        sent = self.sent()
        for before, after in zip(sent, sent[1:]):
            if after.arrival_steady_ns >= at_steady_ns and is_brake(before, after):
                return before, after
        return None

    def braking_ms(self, at_steady_ns: int) -> float | None:
        """From then to the first setpoint that deviates toward rest: it has to be sent, and to be due. None: no brake came."""
        pair = self.brake_after(at_steady_ns)
        if pair is None:
            return None
        before, after = pair
        deviates = deviation_ns(before, after)
        if deviates is None:
            return None
        due = after.arrival_steady_ns + max(0, deviates - after.arrival_ns)
        return (due - at_steady_ns) * 1e-6

    def last_step_ms(self, at_steady_ns: int) -> float | None:
        """From then to the end of the last step that was executed, where the stop begins that every trajectory carries."""
        stamps = [
            r.last_executed_ns for _, r in self.heard.reports if r.phase is Phase.CLOSED and r.verdict is Verdict.ACCEPTED
        ]
        if not stamps:
            return None
        return (max(stamps) - self.clock_ns() + time.monotonic_ns() - at_steady_ns) * 1e-6

    def judge(
        self, fault: str, at_steady_ns: int, *, state: ControllerState | None = None, verdict: Verdict | None = None,
        policy: PolicyState | None = None, braking_ms: float | None = None, allowed_ms: float | None = None,
        problems: list[str] | None = None,
    ) -> Row:  # fmt: skip
        """Waits for rest, and looks at all that was said and done since the fault.

        state, verdict, policy: what has to have been named. allowed_ms: the latest first braking setpoint.
        """
        row = Row(fault, problems=list(problems or ()), first_braking_ms=braking_ms, allowed_ms=allowed_ms)
        if not self.wait_rest():
            moves = self.range_since(time.monotonic_ns() - int(REST_S * 1e9))
            joint = self.card.arms[0].joints[int(np.argmax(moves))]
            row.problems.append(f"the arm does not come to rest: {joint} goes to and fro by {moves.max():.4f} rad")
        heard = self.heard
        final = heard.motion[-1][1]
        moved = [at for at, q, _ in heard.motion if np.abs(q - final).max() > REST_RANGE]
        row.to_rest_ms = max(0.0, (moved[-1] - at_steady_ns) * 1e-6) if moved else 0.0
        names = []
        for wanted, seen, kind in (
            (state, {s for at, s, _ in heard.states if at >= at_steady_ns}, "controller"),
            (verdict, self.heard.verdicts(at_steady_ns), "chunks"),
            (policy, {s for at, s in heard.policy_states if at >= at_steady_ns}, "policy"),
        ):
            if wanted is None:
                continue
            names.append(f"{kind} {wanted.name}")
            if wanted not in seen:
                said = ", ".join(sorted(s.name for s in seen)) or "nothing"
                row.problems.append(f"{kind}: {wanted.name} was not named, but {said}")
        row.named = ", ".join(names)
        if allowed_ms is not None and (braking_ms is None or braking_ms > allowed_ms):
            late = "never came" if braking_ms is None else f"came after {braking_ms:.1f} ms"
            row.problems.append(f"the first braking setpoint {late}, allowed are {allowed_ms:.0f} ms")
        row.problems += self._limits(row)
        dead = self.graph.unexpected_deaths()
        row.alive = not dead and self.graph.returncode is None
        if not row.alive:
            row.problems.append(f"died: {', '.join(dead) or 'the launch'}")
        if self.graph.tracebacks():
            row.problems.append(f"{self.graph.tracebacks()} tracebacks in the log")
        return row

    def _limits(self, row: Row) -> list[str]:
        """Of what was commanded, and of where the arm came to rest."""
        parts: list[list[Sent]] = [[]]
        for sent in self.sent():  # where the clock was set back, or the arm is held where it stands, another curve begins
            set_back = parts[-1] and sent.arrival_ns < parts[-1][-1].arrival_ns
            if set_back or holds(sent, self.heard.motion):
                parts.append([])
            parts[-1].append(sent)
        found = [text for part in parts for text in violations(part, self.card.arms[0], self.model)]
        for part in parts:
            steps, late = seams(part)
            found += steps
            row.late += late
        limits, q = self.card.arms[0].limits, self.heard.motion[-1][1]
        tool = self.model.forward(q)[:3, 3]
        if np.any(tool < np.array(limits.workspace_min) - _SAG) or np.any(tool > np.array(limits.workspace_max) + _SAG):
            found.append(f"the tool rests outside the workspace, at {np.round(tool, 3).tolist()}")
        if np.any(q < limits.position_lower) or np.any(q > limits.position_upper):
            found.append("a joint rests outside its limits")
        return found[:5]
