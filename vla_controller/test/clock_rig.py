"""A controller node and its arm in one process, whose system clock can be set: run by test_controller_clock.py.

    LD_PRELOAD=<the shim> python clock_rig.py <domain> <card> <model>    prints what was seen, as JSON
"""

from __future__ import annotations

import ctypes
import json
import sys
import time

import numpy as np
import rclpy
from cells import HOME, JOINTS
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from vla_contract.ros.qos import RELIABLE, SENSOR
from vla_contract.status import ControllerState
from vla_controller.ros.node import ControllerNode
from vla_msgs.msg import ControllerStatus

SHIM = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long long ahead_ns;
void set_wall_clock(long long by_ns) { ahead_ns += by_ns; }
int clock_gettime(clockid_t id, struct timespec *out) {
    int result = (int)syscall(SYS_clock_gettime, id, out);
    if (result == 0 && id == CLOCK_REALTIME) {
        long long ns = out->tv_sec * 1000000000LL + out->tv_nsec + ahead_ns;
        out->tv_sec = ns / 1000000000LL;
        out->tv_nsec = ns % 1000000000LL;
    }
    return result;
}
"""
"""Of C, in the place of the system's own clock_gettime."""


class NodeAndArm:
    """The controller, and an arm that is where it is commanded to be."""

    def __init__(self) -> None:
        self.node = ControllerNode()
        self.arm = rclpy.create_node("arm", use_global_arguments=False)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.arm)
        self.statuses: list[ControllerStatus] = []
        self.connected = True
        self._q = np.array(HOME) + [0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0]
        self._states = self.arm.create_publisher(JointState, "joint_states", SENSOR)
        self.arm.create_subscription(JointTrajectory, "panda_arm_controller/joint_trajectory", lambda message: None, RELIABLE)
        self.arm.create_subscription(ControllerStatus, "vla/controller_status", self.statuses.append, RELIABLE)
        self.arm.create_timer(0.01, self._tell, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _tell(self) -> None:
        now = self.arm.get_clock().now()
        commanded = self.node._core.commanded_at(now.nanoseconds)
        self._q, velocity = (self._q, np.zeros(7)) if commanded is None else commanded[:2]
        if self.connected:
            message = JointState(name=JOINTS, position=self._q.tolist(), velocity=velocity.tolist())
            message.header.stamp = now.to_msg()
            self._states.publish(message)

    def until(self, condition, seconds: float) -> float | None:
        """Spins until the condition holds. After how long it did [s]."""
        begin = time.monotonic()
        while time.monotonic() < begin + seconds:
            self.executor.spin_once(timeout_sec=0.02)
            if condition():
                return time.monotonic() - begin
        return None

    def seen(self, state: ControllerState, ready: bool = False) -> bool:
        return bool(self.statuses) and self.statuses[-1].state == state and not (ready and self.statuses[-1].message)

    def home(self) -> None:
        client = self.arm.create_client(Trigger, "vla/home")
        assert client.wait_for_service(10.0)
        answer = client.call_async(Trigger.Request())
        assert self.until(answer.done, 10.0) is not None and answer.result().success, answer.result()
        assert self.until(lambda: self.seen(ControllerState.HOMING), 2.0) is not None

    def set_clock(self, by_s: float) -> None:
        before = time.time()
        ctypes.CDLL(None).set_wall_clock(ctypes.c_longlong(int(by_s * 1e9)))
        assert abs(time.time() - before - by_s) < 1.0, "the shim is not there"
        self.statuses.clear()


def main() -> None:
    domain, card, model = sys.argv[1:]
    rclpy.init(args=["--ros-args", "-p", f"card:={card}", "-p", f"model:={model}"], domain_id=int(domain))
    rig = NodeAndArm()
    assert rig.until(lambda: rig.seen(ControllerState.IDLE, ready=True), 15.0) is not None
    rig.home()
    rig.set_clock(-3.0)
    ten_after = rig.until(lambda: len(rig.statuses) >= 10, 6.0)
    after = rig.statuses[2:]
    seen = {
        "ten_after": ten_after,
        "ages": [s.state_age.sec + s.state_age.nanosec * 1e-9 for s in after],
        "messages": [s.message for s in after],
        "ready_after": rig.until(lambda: rig.seen(ControllerState.IDLE, ready=True), 6.0),
    }
    rig.connected = False
    rig.set_clock(-3.0)
    seen["stale_after"] = rig.until(lambda: rig.seen(ControllerState.STALE_STATE), 2.0)
    print(json.dumps(seen))
    rig.executor.shutdown()
    rig.node.destroy_node()
    rig.arm.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
