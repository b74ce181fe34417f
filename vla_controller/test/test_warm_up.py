"""What `make setup` compiles is all that a controller needs."""

import os
import subprocess
import sys
from pathlib import Path

import vla_controller
import vla_motion

PROGRAM = "import sys; from vla_controller import warm_up; warm_up.main(); print(*sys.modules)"


def test_every_file_with_kernels_is_compiled():
    roots = [Path(package.__file__).parents[1] for package in (vla_motion, vla_controller)]
    wanted = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for root in roots for path in root.glob("vla_*/**/*.py") if "\n@njit(" in path.read_text()
    }  # fmt: skip
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}  # which modules there are, without a minute of compiling
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert len(wanted) > 8 and wanted - set(done.stdout.split()) == set()
