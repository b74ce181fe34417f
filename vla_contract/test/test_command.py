import os
import shlex

import pytest

from vla_contract.command import Command, CommandError, command_json, running, this_command


def test_a_command_is_known_while_it_runs_and_comes_back_from_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert this_command() is None and command_json() is None
    words = ["vla", "replay", "my bag", "--instruction", "lift 'it'"]
    with running(words):
        stored = command_json()
        with running(["vla", "eval"]):
            assert this_command().argv == ("vla", "eval")
        assert this_command().argv == tuple(words)
    assert this_command() is None
    assert stored == {"argv": words, "text": shlex.join(words), "folder": os.fspath(tmp_path)}
    assert shlex.split(stored["text"]) == words
    assert Command.from_json(stored) == Command(tuple(words), os.fspath(tmp_path)) and Command.from_json(None) is None


def test_a_command_that_failed_is_over():
    with pytest.raises(KeyError), running(["vla"]):
        raise KeyError
    assert this_command() is None


@pytest.mark.parametrize("value", ["vla eval", {"argv": []}, {"argv": ["vla", 3], "folder": "."}, {"argv": ["vla"]}, [1]])
def test_what_is_no_command_is_told(value):
    with pytest.raises(CommandError, match="allowed is null or a mapping with argv"):
        Command.from_json(value)
