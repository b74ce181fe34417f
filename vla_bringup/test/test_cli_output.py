"""Output that nobody takes: a reader that has gone, a full disk. One line at most, never a traceback."""

import os
import signal
import subprocess
import sys

import pytest
from launching import python_process, write_launch_file

CHECK = [sys.executable, "-m", "vla_bringup.cli", "card", "check", "panda_tabletop"]


def environment(unbuffered: bool) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**kept, "PYTHONUNBUFFERED": "1"} if unbuffered else kept


@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_reader_that_has_gone_ends_a_verb_without_a_word(unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(CHECK, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment(unbuffered), timeout=60)
    os.close(writer)
    assert ended.returncode == 128 + signal.SIGPIPE and ended.stderr == ""


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("command", [CHECK, [*CHECK[:3], "--help"]], ids=["check", "help"])
def test_a_full_disk_is_told_in_one_line(command, unbuffered):
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment(unbuffered), timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.endswith("error: what was to be written: No space left on device\n") and ended.stderr.count("\n") == 1


def test_a_missing_file_loses_nothing_that_was_printed_before(tmp_path):
    program = (
        "import sys, types; from importlib.metadata import EntryPoint; from vla_bringup import cli; "
        "from vla_contract.plugins import VERBS, registered; m = types.ModuleType('vla_probe'); "
        "m.add_arguments = lambda p: None; m.run = lambda a: (print('before'), open('/no/such/file'))[0]; "
        ""
        "m.HELP = 'x'; sys.modules['vla_probe'] = m; registered(VERBS)['probe'] = EntryPoint('probe', 'vla_probe', VERBS); "
        "sys.exit(cli.main(['probe']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment(False), timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "before\n")
    assert ended.stderr == "vla probe: error: /no/such/file: No such file or directory\n"


def test_a_launch_goes_on_where_its_output_cannot_be_written(tmp_path):
    done = tmp_path / "done"
    code = f"import time; print(1, flush=True); time.sleep(0.5); open('{done}', 'w').close()"
    path = write_launch_file(tmp_path, python_process("works", code, 'on_exit="shutdown"'))
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*CHECK[:3], "up", str(path)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.exists() and "Traceback" not in ended.stderr
    assert ended.stderr == "[launch] output cannot be written: No space left on device; going on without it\n"
