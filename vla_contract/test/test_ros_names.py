import pytest

from vla_contract.ros.names import namespace_problem, topic_problem


@pytest.mark.parametrize("name", ["", "/", "left", "/left", "cell/left", "_a1"])
def test_namespaces_that_ros_allows(name):
    assert namespace_problem(name) == ""


@pytest.mark.parametrize("name", ["le ft", "1left", "le-ft", "a//b", "left/", "~", "{x}"])
def test_namespaces_that_it_does_not_allow_are_told_in_a_line(name):
    problem = namespace_problem(name)
    assert problem and "\n" not in problem


def test_topics():
    assert topic_problem("/left/vla/action_chunk") == ""
    assert "\n" not in topic_problem("/left/vla/action chunk") != ""
    assert topic_problem("relative"), "an absolute name is meant"
