import os
import subprocess
import sys

import pytest

from vla_graph.domains import free_domain
from vla_graph.transport import COMMANDS, NODES, PROFILES, use_udp_alone

MAPPED = """
import os
from vla_graph.ros.robot_client import RobotClient
with RobotClient(""):
    mapped = sum("/dev/shm/fastdds_" in line for line in open("/proc/self/maps"))
    print("mapped:", mapped, os.environ["FASTDDS_DEFAULT_PROFILES_FILE"])
"""


def test_a_command_opens_no_shared_memory():
    """What a killed node has left there cannot crash a stop."""
    environment = {**os.environ, "ROS_DOMAIN_ID": str(free_domain())}
    assert environment[PROFILES].endswith(NODES)
    done = subprocess.run([sys.executable, "-c", MAPPED], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("mapped: 0 ") and done.stdout.strip().endswith(COMMANDS), done.stdout + done.stderr


@pytest.mark.parametrize("given", [None, "own.xml", NODES])
def test_a_profile_of_the_users_own_or_a_missing_one_stays(tmp_path, given):
    environment = {} if given is None else {PROFILES: str(tmp_path / given)}
    before = dict(environment)
    use_udp_alone(environment)
    assert environment == before


def test_ours_is_replaced_by_the_one_beside_it(tmp_path):
    (tmp_path / COMMANDS).touch()
    environment = {PROFILES: str(tmp_path / NODES), "OTHER": "1"}
    use_udp_alone(environment)
    assert environment == {PROFILES: str(tmp_path / COMMANDS), "OTHER": "1"}
