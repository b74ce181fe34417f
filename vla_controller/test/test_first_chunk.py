"""The first chunk of a process is planned as fast as the others: nothing is found out about types in its time."""

import subprocess
import sys
from pathlib import Path

FIRST = """
import functools
from cells import Rig, straight
rig = Rig()
rig.run(200)
found_out = []
original = functools._compose_mro
functools._compose_mro = lambda cls, types: (found_out.append(cls.__name__), original(cls, types))[1]
output = rig.send(straight((0.0, 0.1, 0.0)))
print(output.reports[0].verdict.name, found_out)
"""


def test_nothing_is_found_out_about_types_while_the_first_chunk_is_planned():
    done = subprocess.run([sys.executable, "-c", FIRST], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=100)
    assert done.stdout == "ACCEPTED []\n", done.stdout + done.stderr
