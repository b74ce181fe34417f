"""The node's parameters: declared, described, bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from vla_controller.controller import BRAKE_MARGIN_NS, PLANNING_MARGIN_NS
from vla_controller.planning.stitcher import SLOWEST
from vla_controller.planning.strategy import STRATEGIES

SPEED_SCALE = "speed_scale"
CLOCK_STEP_NS = 10_000_000
"""The simulator's /clock comes this far apart: a node that follows it may be as much behind the joint trajectory controller."""


@dataclass(frozen=True)
class Parameters:
    """What the node was started with. Margins [ns]; speed_scale may be changed later."""

    card: str
    model: str
    dry_run: bool
    strategy: str
    planning_margin_ns: int
    brake_margin_ns: int
    speed_scale: float


def declare_parameters(node: Node) -> Parameters:
    """Declares and reads all parameters. Raises ValueError and rclpy's ParameterException, which say what is allowed."""

    def declare(
        name: str, default: Any, description: str, bounds: tuple[float, float] | None = None, **more: bool
    ) -> Any:
        descriptor = ParameterDescriptor(description=description, **{"read_only": True, **more})
        if bounds is not None:
            descriptor.floating_point_range = [FloatingPointRange(from_value=bounds[0], to_value=bounds[1], step=0.0)]
        return node.declare_parameter(name, default, descriptor).value

    card = declare("card", "", "path of the interface card (YAML)")
    if not card:
        raise ValueError("parameter 'card' is empty; the path of an interface card (YAML) is needed")
    strategy = declare("strategy", "receding_horizon", f"how chunks follow each other: {', '.join(STRATEGIES)}")
    if strategy not in STRATEGIES:
        raise ValueError(f"parameter 'strategy' is {strategy!r}, allowed are {', '.join(STRATEGIES)}")
    scale = declare(
        SPEED_SCALE,
        1.0,
        "speed of a chunk's steps as a share of what they ask for; may be changed while the node runs",
        (SLOWEST, 1.0),
        read_only=False,
        dynamic_typing=True,  # so that `ros2 param set ... speed_scale 1` is as good as 1.0
    )
    problem = speed_scale_problem(scale)
    if problem:
        raise ValueError(f"parameter {problem}")
    clock_step_ns = CLOCK_STEP_NS if node.get_parameter("use_sim_time").value else 0
    return Parameters(
        card=card,
        strategy=strategy,
        speed_scale=float(scale),
        dry_run=declare("dry_run", False, "plan and report everything, publish no trajectory"),
        planning_margin_ns=_ns(
            declare(
                "planning_margin",
                PLANNING_MARGIN_NS * 1e-9,
                "from a chunk's arrival to the instant its motion takes over [s]",
                (0.0, 0.5),
            )
        ),
        brake_margin_ns=_ns(
            declare(
                "brake_margin",
                (BRAKE_MARGIN_NS + clock_step_ns) * 1e-9,
                "from a stop to the first setpoint that brakes [s]; under use_sim_time by default a step of /clock more",
                (0.0, 0.1),
            )
        ),
        model=declare("model", "", "path of a URDF or MJCF; empty: read from the topic robot_description"),
    )


def speed_scale_problem(value: Any) -> str:
    """Why this is no speed scale, with what is; empty where it is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not SLOWEST <= value <= 1.0:
        return f"{SPEED_SCALE} is {value}, allowed is a number from {SLOWEST:g} to 1"
    return ""


def on_speed_scale(node: Node, use: Callable[[float], None]) -> None:
    """Calls ``use`` with each new speed scale; a bad one is refused with the reason."""

    def changed(parameters: Sequence[Parameter]) -> SetParametersResult:
        scales = [parameter.value for parameter in parameters if parameter.name == SPEED_SCALE]
        problem = next(filter(None, map(speed_scale_problem, scales)), "")
        if not problem and scales:
            use(float(scales[-1]))
        return SetParametersResult(successful=not problem, reason=problem)

    node.add_on_set_parameters_callback(changed)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
