"""The `policy` node: a thin lifecycle shell over PolicySession."""

from __future__ import annotations

import contextlib
import importlib
import os
import traceback

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from vla_contract.awaited import Awaited
from vla_contract.camera_view import CameraView
from vla_contract.card import load_card
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.instructions import meanings
from vla_contract.rivals import Claim
from vla_contract.ros.awaited import tell_awaited
from vla_contract.ros.convert import chunk_to_msg, info_to_msg, report_from_msg
from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_contract.ros.rival_watch import RivalWatch
from vla_contract.ros.stamps import ns_to_duration, stamp_to_ns
from vla_contract.ros.timers import create_timer
from vla_contract.status import PolicyState, RunError
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import PolicyInfo as InfoMsg
from vla_msgs.msg import PolicyStatus, TaskState
from vla_policy.errors import in_words
from vla_policy.observing.assembler import ObservationAssembler
from vla_policy.policy import DescribedPolicy
from vla_policy.running.run_record import TaskTruth
from vla_policy.running.session import PolicySession, SessionState
from vla_policy_node.ros.parameters import declare_parameters
from vla_policy_node.ros.results import status_of
from vla_policy_node.ros.run_task import RunTaskServer
from vla_policy_node.ros.subscriptions import awaited_of, subscribe

STATUS_S = 0.2
CLAIM = Claim("vla/policy_status", "is a policy of this namespace")
ADVICE = "end it first, or start this policy in another namespace or ROS_DOMAIN_ID"


class PolicyNode(LifecycleNode):
    """Configure loads the checkpoint and checks it against the card, activate warms it up; inference runs only during a goal.

    The executor's thread feeds the assembler and answers; the session's thread infers and publishes chunks. Raises rclpy's
    ParameterException and ValueError for wrong parameters, RivalError where the namespace has a policy already.
    """

    def __init__(self) -> None:
        super().__init__("policy")
        self._rivals, self._rival = RivalWatch(self, [CLAIM], ADVICE, named=True), ""
        self._given = declare_parameters(self)
        if self._given.autostart:
            with contextlib.suppress(ImportError):  # told by _configure
                importlib.import_module("vla_policy.opening")  # torch, which takes seconds: the graph becomes known meanwhile
        self._rivals.before_start()
        self._state = SessionState(PolicyState.UNCONFIGURED)
        self._policy: DescribedPolicy | None = None
        self._session: PolicySession | None = None
        self._tasks: RunTaskServer | None = None
        self._inputs: list = []
        self._awaited: Awaited | None = None
        self.failure = ""
        """Why configuring or activating failed, in one line."""
        self._chunks = self.create_publisher(ChunkMsg, "vla/action_chunk", RELIABLE)
        self._status = self.create_publisher(PolicyStatus, "vla/policy_status", RELIABLE)
        self._info = self.create_publisher(InfoMsg, "vla/policy_info", LATCHED)
        create_timer(self, STATUS_S, self._on_status)
        tell_awaited(self, lambda: self._awaited)

    def start(self) -> bool:
        """Configures and activates where ``autostart`` says so. False where that failed."""
        if not self._given.autostart:
            return True
        done = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == done and self.trigger_activate() == done

    @property
    def running(self) -> bool:
        """A goal is under way, or its result not yet sent."""
        return self._tasks is not None and self._tasks.running

    @property
    def state(self) -> SessionState:
        """What the session does, or CONTENDED while another policy is there."""
        if self._rival and self._state.state is not PolicyState.ERROR:
            return SessionState(PolicyState.CONTENDED, "", f"{self._rival}: no chunk is sent until it is gone")
        return self._state

    def end_run(self, error: RunError, wait: bool = True, why: str = "") -> None:
        """Ends the run under way; ``wait`` until its brake chunk has been sent. why: in words, for its result."""
        if self._tasks is not None:
            self._tasks.end_run(error, wait, why)

    # Life cycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads card and checkpoint. FAILURE, with ``failure`` set, whatever goes wrong: rclpy would say nothing of it."""
        try:
            self._configure()
        except Exception as error:
            self._fail("not configured", error)
            self._forget()
            return TransitionCallbackReturn.FAILURE
        self._on_state(SessionState(PolicyState.INACTIVE))
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        given = self._given
        given.check_paths()
        card = load_card(given.card)
        from vla_policy.opening import Opening, load_policy  # torch, which takes seconds

        self._policy = load_policy(given.checkpoint, card, Opening(given.seed, given.threads, given.device, given.dtype))
        assembler = ObservationAssembler(card)
        from vla_policy.native.neighbours import SentenceNeighbours

        nearest = SentenceNeighbours()
        nearest.prepare(list(meanings(card)))
        self._session = PolicySession(
            card, self._policy, assembler, self._now_ns, self._publish_chunk, self._on_state, given.session, nearest
        )
        self._tasks = RunTaskServer(self, self._session, lambda: self.state)
        self._awaited = awaited_of(card)
        self._inputs = subscribe(self, card, assembler, awaited=self._awaited)
        self._inputs += [
            self.create_subscription(ReportMsg, "vla/chunk_report", self._on_report, RELIABLE),
            self.create_subscription(TaskState, "vla/task_state", self._on_task_state, RELIABLE),
        ]
        self._publish_info()
        self.get_logger().info(f"checkpoint '{given.checkpoint}' fits card '{card.name}' ({card.policy_hash})")
        sees = getattr(self._policy, "sees", "; ".join(f"{c.name} {CameraView.of(c).words()}" for c in card.cameras))
        self.get_logger().info(f"images: {sees}")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Warms the model up and offers ``vla/run_task``. FAILURE, with ``failure`` set, where the policy cannot do that."""
        self._on_state(SessionState(PolicyState.WARMING_UP))
        try:
            warm_ns = self._policy.warm_up()
            self._publish_info(warm_ns)
        except Exception as error:
            self._fail("not activated", error)
            return TransitionCallbackReturn.FAILURE
        self._tasks.open()
        self._on_state(SessionState(PolicyState.IDLE))
        self.get_logger().info(f"ready: one inference takes {warm_ns / 1e6:.1f} ms")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends the run under way; the arm brakes."""
        self.end_run(RunError.SHUTDOWN)
        self._tasks.close()
        self._on_state(SessionState(PolicyState.INACTIVE))
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forgets the model."""
        self._forget()
        self._on_state(SessionState(PolicyState.UNCONFIGURED))
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As ``on_deactivate``."""
        self.end_run(RunError.SHUTDOWN)
        return TransitionCallbackReturn.SUCCESS

    def _forget(self) -> None:
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs.clear()
        self._session = self._policy = self._tasks = self._awaited = None

    def _fail(self, what: str, error: Exception) -> None:
        """Says why, in the log and in the status. Our own errors are in words; of others the type is told, too."""
        ours = isinstance(error, ValueError) or type(error).__module__.startswith("vla_")
        self.failure = str(error) if ours else in_words(error)
        trace = f"\n{''.join(traceback.format_exception(error))}" if os.environ.get("VLA_TRACEBACK") else ""
        self.get_logger().error(f"{what}: {self.failure}{trace}")
        self._on_state(SessionState(PolicyState.ERROR, "", f"{what}: {self.failure}"))

    # Topics

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _on_report(self, message: ReportMsg) -> None:
        try:
            self._session.on_report(report_from_msg(message))
        except (ChunkError, ValueError) as error:
            self.get_logger().warning(f"chunk report ignored: {error}", throttle_duration_sec=1.0)

    def _on_task_state(self, message: TaskState) -> None:
        stamp_ns = stamp_to_ns(message.header.stamp)
        self._session.on_truth(TaskTruth(stamp_ns, message.instruction, message.episode, message.success))

    def _publish_chunk(self, chunk: ActionChunk) -> None:
        self._chunks.publish(chunk_to_msg(chunk))

    def _publish_info(self, warm_ns: int = 0) -> None:
        info = info_to_msg(self._policy.info)
        info.stamp, info.warm_inference = self.get_clock().now().to_msg(), ns_to_duration(warm_ns)
        self._info.publish(info)

    def _on_state(self, state: SessionState) -> None:
        self._state = state
        if state.state >= PolicyState.STALE_INPUT:
            self.get_logger().warning(f"{state.state.name} {state.input}: {state.message}", throttle_duration_sec=1.0)
        self._publish_status()

    def _on_status(self) -> None:
        rival, before = self._rivals.look(), self._rival
        self._rival = rival
        if rival and not before:
            self.get_logger().error(self.state.message)
            self.end_run(RunError.CONTENDED, wait=False, why=rival)
        elif before and not rival:
            self.get_logger().info(f"alone again: until now {before}")
        self._publish_status()

    def _publish_status(self) -> None:
        record = self._session.record if self._session is not None else None
        self._status.publish(status_of(self.state, record, self._now_ns()))
