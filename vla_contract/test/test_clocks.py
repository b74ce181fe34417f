"""How far one clock leads another, by readings that lie near enough together."""

from itertools import chain, repeat

import pytest

from vla_contract.clocks import clock_lead_ns


def lead(shown, around):
    """shown: by the first clock. around: (before, after) of the steady one for each of them."""
    steady = chain.from_iterable(around)
    return clock_lead_ns(iter(shown).__next__, steady.__next__)


@pytest.mark.parametrize(
    ("shown", "before", "after", "expected"),
    [
        (700_000_321, 10_000_000, 11_400_000, 689_300_321),
        (5_000_000, 90_000_000, 90_600_000, -85_300_000),
        (40_000_000, 40_000_000, 41_999_998, -999_999),
        (40_000_000, 40_000_000, 41_999_999, -999_999),
    ],
)
def test_a_clock_is_held_against_the_middle_of_the_readings_around_it(shown, before, after, expected):
    assert lead([shown], [(before, after)]) == expected


def test_a_reading_that_took_two_milliseconds_and_more_is_made_again():
    slow, quick = (1_000_000, 3_000_000), (60_000_000, 60_200_000)
    assert lead([7, 8, 260_000_000], [slow, slow, quick]) == 199_900_000


def test_a_computer_that_is_always_too_busy_tells_no_lead():
    assert lead(repeat(7), repeat((1_000_000, 9_000_000))) is None
