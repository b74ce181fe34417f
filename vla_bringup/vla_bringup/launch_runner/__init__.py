"""Runs XML launch files where there is no `ros2 launch`."""

from vla_bringup.launch_runner.description import arguments_of, parse_assignments, plan_launch
from vla_bringup.launch_runner.errors import LaunchError
from vla_bringup.launch_runner.plan import Argument, LaunchPlan, ProcessSpec
from vla_bringup.launch_runner.supervisor import Supervisor

__all__ = ["Argument", "LaunchError", "LaunchPlan", "ProcessSpec", "Supervisor", "arguments_of", "parse_assignments",
           "plan_launch"]
