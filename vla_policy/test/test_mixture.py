"""Several data sets, one stream of batches."""

from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vla_policy.errors import DatasetError
from vla_policy.training.mixture import Mixture, Part, Source, draw_rows, open_mixture


def part(frames: int, weight: float) -> Part:
    """Of one long episode; nobody reads it."""
    made_up = SimpleNamespace(weight=np.array([weight], np.float32), episode_of=lambda rows: np.zeros(len(rows), int))
    return Part(made_up, np.arange(frames), np.array([0]))


def test_weights_set_how_often_frames_are_drawn_and_resuming_goes_on_in_the_same_order():
    weight = np.repeat([1.0, 0.25], 1000)
    stream = draw_rows(np.arange(2000), weight, 10, seed=3, start=0)
    drawn = [next(stream) for _ in range(500)]
    rows = np.concatenate(drawn)
    assert 0.2 < (rows >= 1000).sum() / (rows < 1000).sum() < 0.3
    later = draw_rows(np.arange(2000), weight, 10, seed=3, start=200)
    assert np.array_equal(next(later), drawn[200])


def test_each_epoch_has_an_order_of_its_own_by_its_number():
    rows = np.arange(40)
    drawn = np.concatenate(list(islice(draw_rows(rows, np.ones(40), 10, seed=5, start=0), 12))).reshape(3, 40)
    for epoch, order in enumerate(drawn):
        random = np.random.default_rng((5, epoch))
        random.random(40)
        assert np.array_equal(order, random.permutation(rows))


def test_embodiments_take_turns_by_frames_and_weights_and_resuming_goes_on():
    mixture = Mixture((part(600, 1.0), part(400, 0.5)))
    draws = list(islice(mixture.draw(4, seed=1), 2000))
    assert np.mean([draw.part for draw in draws]) == pytest.approx(200 / 800, abs=0.03)
    largest = [max(draw.rows.max() for draw in draws if draw.part == part) for part in (0, 1)]
    assert largest[1] < 400 <= largest[0]
    first = [draw.rows for draw in draws if draw.part == 1][:100]
    assert len(np.unique(np.concatenate(first))) == 400, "an epoch of a part takes each of its frames once"
    for wanted, draw in zip(draws[700:720], mixture.draw(4, seed=1, start=700), strict=False):
        assert wanted.part == draw.part and np.array_equal(wanted.rows, draw.rows)


def test_sources_are_parsed_and_wrong_weights_named():
    assert Source.parse("out/demos/pick") == Source(Path("out/demos/pick"))
    assert Source.parse("out/demos/stack:0.5") == Source(Path("out/demos/stack"), 0.5)
    with pytest.raises(DatasetError, match="'half' is no number"):
        Source.parse("out/demos/stack:half")
    with pytest.raises(DatasetError, match="weight -1"):
        Source.parse("out/demos/stack:-1")


def test_a_card_that_is_given_twice_or_has_no_data_is_named(card, tmp_path):
    with pytest.raises(DatasetError, match="panda_tabletop, panda_tabletop: two are the same to a policy"):
        open_mixture([], [card, card])
    with pytest.raises(DatasetError, match="card panda_tabletop: none of the data sets is of it"):
        open_mixture([], [card])


def test_fewer_frames_than_a_batch_are_drawn_again_and_again():
    stream = draw_rows(np.array([10, 20, 30]), np.ones(3), 8, seed=1, start=0)
    drawn = [next(stream) for _ in range(6)]
    for rows in drawn:
        assert len(rows) == 8 and set(rows) == {10, 20, 30} and np.bincount(rows).max() <= 4
    assert np.array_equal(next(draw_rows(np.array([10, 20, 30]), np.ones(3), 8, seed=1, start=4)), drawn[4])
