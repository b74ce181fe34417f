"""Runs XML launch files where there is no `ros2 launch`."""

from vla_graph.launch.arguments import arguments_of, parse_assignments
from vla_graph.launch.description import plan_launch
from vla_graph.launch.errors import LaunchError
from vla_graph.launch.plan import Argument, LaunchPlan, ProcessSpec
from vla_graph.launch.supervisor import Supervisor

__all__ = ["Argument", "LaunchError", "LaunchPlan", "ProcessSpec", "Supervisor", "arguments_of", "parse_assignments",
           "plan_launch"]
