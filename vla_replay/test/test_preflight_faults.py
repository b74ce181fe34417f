"""Twelve planted faults are found, ten clean runs are left in peace."""

import pytest
from preflight_samples import CLEAN_SEEDS, Runs

from vla_bench.preflight.faults import MORE, TWELVE
from vla_replay.preflight.console import as_text
from vla_replay.preflight.finding import Severity


@pytest.fixture(scope="module")
def runs():
    return Runs()


def told(result):
    return {(finding.check, finding.field) for finding in result.findings}


@pytest.mark.images
@pytest.mark.parametrize("number", range(len(CLEAN_SEEDS)))
def test_nothing_is_found_in_a_clean_run(runs, number):
    result = runs.check(runs.clean[number])
    assert result.findings == (), as_text(result)
    assert result.unchecked == ("two publishers on one topic: a bag does not say who published",)


def test_there_are_twelve_faults_of_twelve_kinds():
    assert len({fault.name for fault in TWELVE}) == len({fault.check for fault in TWELVE}) == 12


@pytest.mark.images
@pytest.mark.parametrize("fault", [*TWELVE, *MORE], ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_and_nothing_else(runs, fault):
    result = runs.check_with(fault, runs.clean[0])
    assert any(f.check == fault.check and fault.field in f.field.split(", ") for f in result.findings), as_text(result)
    assert {finding.check for finding in result.findings} == {fault.check}, as_text(result)
    assert all(f.severity is Severity.ERROR for f in result.findings if f.check not in ("rate", "jitter"))
    assert all(finding.seen and finding.expected and finding.todo for finding in result.findings)
