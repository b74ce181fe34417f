"""Kernels where nothing can be written: they are compiled for the process, and what is lacking is said in a line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
from numba.core import caching
caching.InTreeCacheLocator.ensure_cache_path = lambda self: (_ for _ in ()).throw(OSError(30, "Read-only file system"))
try:
    from vla_motion.kernels.sample import sample_segments
    from numba import config
    print(config.CACHE_DIR, len(sample_segments.signatures))
except RuntimeError as error:
    print(type(error).__name__, error)
"""


COMPILING = "compiling kernels, once: a minute or two; until then this process answers nothing"


def run(tmp_path, program=PROGRAM, **environment):
    """In an installation that cannot be written to. Nor can HOME: what is below a file can be made by nobody, root included."""
    (tmp_path / "file").touch()
    kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    kept |= {"HOME": str(tmp_path / "file" / "home"), "TMPDIR": str(tmp_path), **environment}
    done = subprocess.run([sys.executable, "-c", program], env=kept, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done


def test_without_any_folder_of_its_own_a_kernel_is_compiled_for_the_process(tmp_path):
    done = run(tmp_path)
    folder, count = done.stdout.split()
    assert Path(folder).parent == tmp_path and count == "1" and not Path(folder).exists(), "used, and gone with the process"
    lacking, compiling = done.stderr.splitlines()
    assert "set NUMBA_CACHE_DIR to a folder that keeps them" in lacking and COMPILING in compiling


@pytest.mark.parametrize("name", ["HOME", "NUMBA_CACHE_DIR"])
def test_one_folder_that_can_be_written_to_is_enough(tmp_path, name):
    done = run(tmp_path, **{name: str(tmp_path)})
    assert list(tmp_path.rglob("*sample_segments*.nbi")), "and it stays there"
    assert done.stderr.count("\n") == 1 and COMPILING in done.stderr
    assert run(tmp_path, **{name: str(tmp_path)}).stderr == "", "nothing is compiled, and nothing said"


def test_what_others_compile_is_not_announced(tmp_path):
    program = "import logging\nimport vla_motion.kernels\nfrom numba import njit\nnjit('int64(int64)')(lambda x: x)"
    assert run(tmp_path, program, NUMBA_CACHE_DIR=str(tmp_path)).stderr == ""
