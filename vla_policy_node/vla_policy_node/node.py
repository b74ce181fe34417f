"""The `policy` node: a thin lifecycle shell over PolicySession."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

os.environ.setdefault(
    "OMP_WAIT_POLICY", "PASSIVE"
)  # threads that spin would take the cores from simulator and controller

import rclpy
from rcl_interfaces.msg import IntegerRange, ParameterDescriptor
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from vla_contract.card import CardError, InterfaceCard, load_card
from vla_contract.chunk import ActionChunk, ChunkError
from vla_contract.ros.convert import chunk_to_msg, info_to_msg, report_from_msg
from vla_contract.ros.qos import LATCHED, RELIABLE
from vla_contract.ros.stamps import ns_to_duration, stamp_to_ns
from vla_contract.ros.timers import create_timer
from vla_contract.status import PolicyState, RunError
from vla_msgs.action import RunTask
from vla_msgs.msg import ActionChunk as ChunkMsg
from vla_msgs.msg import ChunkReport as ReportMsg
from vla_msgs.msg import PolicyInfo as InfoMsg
from vla_msgs.msg import PolicyStatus, TaskState
from vla_policy_node.assembler import ObservationAssembler
from vla_policy_node.errors import CheckpointError, LanguageModelError
from vla_policy_node.policy import Policy
from vla_policy_node.ros_inputs import subscribe
from vla_policy_node.ros_results import feedback_of, result_of, status_of
from vla_policy_node.run_record import RunRecord, RunRequest, TaskTruth
from vla_policy_node.session import PolicySession, SessionConfig, SessionState

STATUS_S = 0.2
WORKER_END_S = 3.0


class PolicyNode(LifecycleNode):
    """Configure loads the checkpoint and checks it against the card, activate warms it up; inference runs only during a goal.

    The executor's thread feeds the assembler and answers; the session's thread infers and publishes chunks.
    """

    def __init__(self) -> None:
        super().__init__("policy")
        self._declare("card", "", "path of the interface card (YAML)")
        self._declare("checkpoint", "", "path of the checkpoint (safetensors)")
        self._declare("autostart", False, "configure and activate without being asked")
        self._declare("replan_steps", 4, "steps between two observations that are decided from", (1, 100))
        self._declare(
            "committed_steps", 0, "steps that repeat the chunk under way, for the strategy committed_prefix; 0: none", (0, 99)
        )
        self._declare("threads", 2, "threads of the CPU for the model", (1, 64))
        self._declare("seed", 0, "of heads that sample")
        self._declare("grace", 1.5, "how long unfit input or a silent controller is borne before a run is aborted [s]")
        self._state = SessionState(PolicyState.UNCONFIGURED)
        self._session: PolicySession | None = None
        self._policy: Policy | None = None
        self._card: InterfaceCard | None = None
        self._worker: threading.Thread | None = None
        self._goals = 0
        self._inputs: list = []
        self._server: ActionServer | None = None
        self.failure = ""
        """Why configuring failed, in one line."""
        self._chunks = self.create_publisher(ChunkMsg, "vla/action_chunk", RELIABLE)
        self._status = self.create_publisher(PolicyStatus, "vla/policy_status", RELIABLE)
        self._info = self.create_publisher(InfoMsg, "vla/policy_info", LATCHED)
        create_timer(self, STATUS_S, self._publish_status)

    def _declare(self, name: str, default, description: str, bounds: tuple[int, int] | None = None) -> None:
        descriptor = ParameterDescriptor(description=description, read_only=True)
        if bounds:
            descriptor.integer_range = [IntegerRange(from_value=bounds[0], to_value=bounds[1], step=1)]
        self.declare_parameter(name, default, descriptor)

    def _value(self, name: str):
        return self.get_parameter(name).value

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    # Life cycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads card and checkpoint. FAILURE, with ``failure`` set, for a mistake of the user's."""
        try:
            for name in ("card", "checkpoint"):
                if not self._value(name):
                    raise ValueError(f"parameter '{name}' is empty; the path of a {name} is needed")
            self._card = load_card(self._value("card"))
            from vla_policy_node.checkpoint import load_checkpoint  # torch, which takes seconds

            path = self._value("checkpoint")
            self._policy = load_checkpoint(path, self._card, seed=self._value("seed"), threads=self._value("threads"))
            assembler = ObservationAssembler(self._card)
            config = SessionConfig(
                replan_steps=self._value("replan_steps"), grace_ns=round(self._value("grace") * 1e9),
                committed_steps=self._value("committed_steps"),
            )  # fmt: skip
            self._session = PolicySession(
                self._card, self._policy, assembler, self._now_ns, self._publish_chunk, self._on_state, config
            )
        except (CardError, CheckpointError, LanguageModelError, ValueError) as error:
            self.failure = str(error)
            self.get_logger().error(f"not configured: {self.failure}")
            return TransitionCallbackReturn.FAILURE
        self._inputs = subscribe(self, self._card, assembler)
        self._inputs += [
            self.create_subscription(ReportMsg, "vla/chunk_report", self._on_report, RELIABLE),
            self.create_subscription(TaskState, "vla/task_state", self._on_task_state, RELIABLE),
        ]
        info = info_to_msg(self._policy.info)
        info.stamp = self.get_clock().now().to_msg()
        self._info.publish(info)
        self.get_logger().info(f"checkpoint '{path}' fits card '{self._card.name}' ({self._card.policy_hash})")
        self._on_state(SessionState(PolicyState.INACTIVE))
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Warms the model up and offers ``vla/run_task``."""
        self._on_state(SessionState(PolicyState.WARMING_UP))
        warm_ns = self._policy.warm_up()
        info = info_to_msg(self._policy.info)
        info.stamp, info.warm_inference = self.get_clock().now().to_msg(), ns_to_duration(warm_ns)
        self._info.publish(info)
        self._server = ActionServer(
            self, RunTask, "vla/run_task", execute_callback=self._execute, goal_callback=self._on_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )  # fmt: skip
        self._on_state(SessionState(PolicyState.IDLE))
        self.get_logger().info(f"ready: one inference takes {warm_ns / 1e6:.1f} ms")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends the run under way; the arm brakes."""
        self.end_run(RunError.SHUTDOWN)
        if self._server is not None:
            self._server.destroy()
            self._server = None
        self._on_state(SessionState(PolicyState.INACTIVE))
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forgets the model."""
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs.clear()
        self._session = self._policy = None
        self._on_state(SessionState(PolicyState.UNCONFIGURED))
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As ``on_deactivate``."""
        self.end_run(RunError.SHUTDOWN)
        return TransitionCallbackReturn.SUCCESS

    def start(self) -> bool:
        """Configures and activates where ``autostart`` says so. False where that failed."""
        if not self._value("autostart"):
            return True
        done = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == done and self.trigger_activate() == done

    @property
    def running(self) -> bool:
        """A goal is under way, or its result not yet sent."""
        return self._goals > 0

    def end_run(self, error: RunError, wait: bool = True) -> None:
        """Ends the run under way; ``wait`` until its brake chunk has been sent."""
        if self._session is not None and self._worker is not None and self._worker.is_alive():
            self._session.cancel(error)
            if wait:
                self._worker.join(WORKER_END_S)

    # vla/run_task

    def _on_goal(self, goal: RunTask.Goal) -> GoalResponse:
        if self.running:
            self.get_logger().warning("goal refused: another run is under way")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    async def _execute(self, handle) -> RunTask.Result:
        self._goals += 1
        try:
            return await self._run(handle)
        finally:
            self._goals -= 1

    async def _run(self, handle) -> RunTask.Result:
        request = RunRequest(handle.request.instruction, stamp_to_ns(handle.request.time_limit))
        try:
            record = self._session.begin(request)
        except ValueError as error:
            handle.abort()
            return RunTask.Result(error_code=int(RunError.REJECTED), message=str(error))
        done = Future(executor=self.executor)

        def work() -> None:
            self._session.run(record)
            done.set_result(True)

        self.get_logger().info(f"run {record.run_id[:8]}: '{request.instruction}'")
        self._worker = threading.Thread(target=work, name="policy_run", daemon=True)
        watch = create_timer(self, STATUS_S / 2, lambda: self._watch(handle, record))
        self._worker.start()
        await done
        self._worker.join()
        self.destroy_timer(watch)
        if record.error == RunError.CANCELED:
            handle.canceled()
        elif record.error != RunError.NONE:
            handle.abort()
        else:
            handle.succeed()
        words = record.message or record.error.name
        self.get_logger().info(
            f"run {record.run_id[:8]}: {record.outcome.name} after {record.elapsed_ns / 1e9:.1f} s: {words}"
        )
        return result_of(record)

    def _watch(self, handle, record: RunRecord) -> None:
        if handle.is_cancel_requested:
            self._session.cancel()
        elif handle.is_active and not record.ended:
            handle.publish_feedback(feedback_of(record, self._state, self._now_ns()))

    # Topics

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

    def _on_state(self, state: SessionState) -> None:
        self._state = state
        if state.state >= PolicyState.STALE_INPUT:
            self.get_logger().warning(f"{state.state.name} {state.input}: {state.message}", throttle_duration_sec=1.0)
        self._publish_status()

    def _publish_status(self) -> None:
        record = self._session.record if self._session is not None else None
        self._status.publish(status_of(self._state, record, self._now_ns()))


def main() -> int:
    """Runs the node until SIGINT or SIGTERM. 1 where it is to start by itself and cannot."""
    # Not rclpy's own handlers: they close the context before the arm could be told to brake.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    told = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: told.set())
    executor = SingleThreadedExecutor()
    node = None
    try:
        node = PolicyNode()
        executor.add_node(node)
        if not node.start():
            return 1
        while not told.is_set():
            executor.spin_once(timeout_sec=STATUS_S)
        node.end_run(RunError.SHUTDOWN, wait=False)
        until = time.monotonic() + WORKER_END_S
        while node.running and time.monotonic() < until:
            executor.spin_once(timeout_sec=0.05)
        for _ in range(10):  # the result has to leave, too
            executor.spin_once(timeout_sec=0.02)
    except ParameterException as error:
        print(f"policy: {error}", file=sys.stderr)
        return 1
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
