"""Streams of random chunks and faults through the controller, each as one digest of all that it handed back."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator, Sequence

from vla_bench.behaviour.digest import Digest
from vla_bench.fuzz.episode import Episode
from vla_bench.fuzz.guard import guarded
from vla_bench.fuzz.random_cell import RULES, SPACES, make_cell

CHUNKS = 100
"""In a stream."""


class _Heard(Episode):
    """An episode of the fuzz whose controller's answers are fed into a digest."""

    def __init__(self, seed: int) -> None:
        super().__init__(make_cell(seed, SPACES, RULES), CHUNKS)
        self.digest = Digest()

    def call(self, cause: str, function, *arguments):
        output = super().call(cause, function, *arguments)
        if output is not None:
            status = getattr(output.status, "name", output.status)
            for part in (output.trajectories, output.grippers, output.reports, output.accepted, output.message, status):
                self.digest.feed(part)
        return output


def stream_digest(seed: int) -> tuple[int, str]:
    """Seed and digest of one stream."""
    gc.disable()  # a stream makes millions of objects and few cycles
    try:
        with guarded():
            episode = _Heard(seed)
            episode.run()
    finally:
        gc.enable()
        gc.collect()
    return seed, episode.digest.hexdigest()


def stream_digests(seeds: Sequence[int], processes: int) -> Iterator[tuple[int, str]]:
    """Of all streams, in the order in which they are done."""
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes' own thread pools
    try:
        with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=200) as pool:
            yield from pool.imap_unordered(stream_digest, seeds)
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads
