"""A card small enough to break on purpose, and ways to break it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import yaml

CARD = """
name: cell
arms:
  - name: left
    base_frame: base
    tool_frame: tool
    joints: [j1, j2, j3]
    trajectory_topic: arm/joint_trajectory
    replacement_rule: legacy
    home: [0.0, 0.5, 0.0]
    gripper:
      name: hand
      interface: jtc
      topic: hand/joint_trajectory
      joint: finger
      open_position: 0.04
      closed_position: 0
      open_value: 1
      closed_value: 0
    limits:
      position_lower: [-1, -2, -3]
      position_upper: [1, 2, 3]
      velocity: [2, 2, 2]
      acceleration: [10, 10, 10]
      jerk: [1000, 1000, 1000]
      workspace_min: [0.2, -0.4, 0.0]
      workspace_max: [0.7, 0.4, 0.6]
      tool_speed: 0.7
      tool_angular_speed: 2.0
      tracking_tolerance: 0.15
      collision: {self_collision: true, table_height: 0.0}
cameras:
  - {name: front, topic: front/image_raw, frame: front_optical, width: 224, height: 160, encoding: rgb8, rate: 30, max_age: 0.2}
  - {name: wrist, topic: wrist/image_raw, frame: wrist_optical, width: 96, height: 96, encoding: rgb8, rate: 30, max_age: 0.25}
state:
  topic: joint_states
  fields: [j1.position, j2.position, j3.velocity, finger.position]
  max_age: 0.2
  max_skew: 0.05
action:
  space: EE_DELTA
  names: [left.x, left.y, left.z, left.rx, left.ry, left.rz, left.gripper]
  step_period: 0.1
  horizon: 16
max_open_loop: 2.0
tasks:
  - name: pick
    wording: ["pick up the {color} block", "grab it"]
    slots: {color: [red, green]}
    success_metric: held above the table
    time_limit: 15
dataset: {licence: Apache-2.0, source: generated}
failure_modes: ["wrong object"]
"""

REMOVE = object()


@pytest.fixture
def card_text() -> str:
    return CARD


@pytest.fixture
def changed() -> Callable[..., dict]:
    """``changed("arms", 0, "home", value)``: the content of the card with one place replaced, or removed."""

    original = yaml.safe_load(CARD)

    def change(*path_and_value: Any) -> dict:
        *path, value = path_and_value
        content = deepcopy(original)
        place: Any = content
        for key in path[:-1]:
            place = place[key]
        if value is REMOVE:
            del place[path[-1]]
        else:
            place[path[-1]] = value
        return content

    change.REMOVE = REMOVE
    return change
