"""Numbers that `vla demos` and `vla bench` cannot work with are told in one line, before anything starts."""

import pytest

from vla_bringup import cli


@pytest.mark.parametrize(("words", "expected"), [
    (["demos", "--jobs", "0"], "--jobs is 0, allowed is 1 or more"),
    (["demos", "--episodes", "-3"], "--episodes is -3, allowed is 1 or more"),
    (["demos", "--episodes", "0"], "--episodes is 0, allowed is 1 or more"),
    (["demos", "--seed", "-1"], "--seed is -1, allowed is 0 or more"),
    (["demos", "--disturbance", "nan"], "--disturbance is nan, allowed is 0 or more"),
    (["demos", "--expert-share", "1.5"], "--expert-share is 1.5, allowed is 0 to 1"),
    (["bench", "--trials", "0"], "--trials is 0, allowed is 1 or more"),
])  # fmt: skip
def test_a_number_that_is_not_allowed(words, expected, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main([*words, "--out", str(out)]) == cli.USER_ERROR
    assert capsys.readouterr().err == f"vla {words[0]}: error: {expected}\n" and not out.exists()
