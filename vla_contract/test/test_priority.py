"""A process that an arm waits for asks for real time, then for niceness, and goes on where it may have neither."""

import os

import pytest

from vla_contract.priority import raise_priority


@pytest.fixture
def asked(monkeypatch):
    """What is asked of the operating system, which hears none of it, and what each call is to raise, by its name."""
    calls, refusals = [], {}

    def stand_in(name):
        def call(*arguments):
            calls.append((name, *arguments))
            if name in refusals:
                raise refusals[name]

        monkeypatch.setattr(os, name, call)

    stand_in("sched_setscheduler")
    stand_in("setpriority")
    return calls, refusals


def test_the_thread_that_asks_becomes_real_time_with_the_lowest_such_priority(asked):
    calls, _ = asked
    raise_priority()
    ((name, who, policy, parameters),) = calls
    assert (name, who, policy) == ("sched_setscheduler", 0, os.SCHED_FIFO), "0 is the calling thread, sched_setscheduler(2)"
    assert parameters.sched_priority == os.sched_get_priority_min(os.SCHED_FIFO) == 1


@pytest.mark.parametrize("error", [PermissionError("not allowed"), AttributeError("no such call here")])
def test_where_real_time_is_refused_it_is_a_niceness_of_ten_below_the_usual(asked, error):
    calls, refusals = asked
    refusals["sched_setscheduler"] = error
    raise_priority()
    assert calls[1:] == [("setpriority", os.PRIO_PROCESS, 0, -10)]


def test_where_both_are_refused_it_goes_on(asked):
    calls, refusals = asked
    refusals.update(sched_setscheduler=PermissionError("not allowed"), setpriority=PermissionError("not allowed either"))
    raise_priority()
    assert [name for name, *_ in calls] == ["sched_setscheduler", "setpriority"]
