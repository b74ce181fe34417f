"""Where a recording is over its process ends, or stays and says so, once."""

from types import SimpleNamespace

import pytest

from vla_bags import ending


class Process:
    def __init__(self, monkeypatch, duration: float, *, stays: bool) -> None:
        self.now, self.heard = 100.0, []
        monkeypatch.setattr(ending, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.recording = SimpleNamespace(failure=None)
        self.ending = ending.Ending(
            self.recording, duration, stays=stays, end=lambda: self.heard.append("ends"), stay=self.heard.append
        )

    def look(self) -> list[str]:
        self.ending.look()
        return self.heard


@pytest.mark.parametrize("stays", [True, False])
def test_it_ends_after_its_duration_and_not_before(monkeypatch, stays):
    process = Process(monkeypatch, 5.0, stays=stays)
    process.now = 104.99
    assert process.look() == [] and not process.ending.over
    process.now = 105.0
    assert process.look() == ["ends"] and process.ending.over
    process.now = 106.0
    assert process.look() == ["ends"], "once"


@pytest.mark.parametrize(("stays", "heard"), [(True, "the disk is full; the graph goes on unrecorded"), (False, "ends")])
def test_a_full_disk_ends_what_records_alone_and_is_told_where_the_graph_goes_on(monkeypatch, stays, heard):
    process = Process(monkeypatch, 5.0, stays=stays)
    process.recording.failure = "the disk is full"
    assert process.look() == [heard] and process.ending.over
    process.now = 200.0
    assert process.look() == [heard], "a duration that runs out later ends no graph"


def test_without_a_duration_it_goes_on(monkeypatch):
    process = Process(monkeypatch, 0.0, stays=False)
    process.now = 1e9
    assert process.look() == [] and not process.ending.over
