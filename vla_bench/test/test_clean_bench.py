import numpy as np
import pytest
from shipped_paths import CARD

from vla_bench.controller.clean import CleanCount, Watch, count_clean
from vla_bench.rig.panda import panda_bench
from vla_bench.rig.run import MS, IdealArm, bench_chunk


def move(card, model, steps: np.ndarray, wrap=lambda controller: controller) -> CleanCount:
    """One chunk from rest and another after 0.6 s; what the watch makes of the first."""
    from vla_controller.controller import ChunkController

    count = CleanCount()
    watch = Watch(wrap(ChunkController(card, model)), model, count)
    arm = IdealArm(card, watch, np.array(card.arms[0].home))
    for sequence in range(2):
        watch.on_chunk(bench_chunk(card, steps, arm.now_ns, sequence), arm.now_ns)
        arm.run_to(arm.now_ns + 600 * MS, lambda _: None)
    return count


@pytest.fixture(scope="module")
def model(card):
    return panda_bench(card, 16).models[0]


def gentle() -> np.ndarray:
    steps = np.zeros((16, 6))
    steps[:, 1] = 0.01 * np.sin(np.pi * (np.arange(16) + 0.5) / 16)
    return steps


def test_a_gentle_chunk_is_left_alone(card, model):
    count = move(card, model, gentle())
    assert count.judged == 4 and count.executed == 6, "those of the first 200 ms are not judged"
    assert count.off == 0 and count.clamped_steps == 0


def test_a_motion_elsewhere_is_seen(card, model):
    class Elsewhere:
        def __init__(self, controller):
            self._controller = controller

        def __getattr__(self, name):
            return getattr(self._controller, name)

        def commanded_at(self, t_ns):
            commanded = self._controller.commanded_at(t_ns)
            return None if commanded is None else (commanded[0] + 0.01, *commanded[1:])

    count = move(card, model, gentle(), Elsewhere)
    assert count.off == count.judged == 4 and count.causes == {"smoothing": 4}


def test_what_a_limit_takes_is_counted_with_its_name(card, model):
    steps = np.zeros((16, 6))
    steps[:, 2] = 0.2  # [m] a step: up and out of the workspace
    count = move(card, model, steps)
    assert count.off == count.judged > 0 and count.clamped_steps >= count.off
    assert not any(cause == "smoothing" for cause in count.causes)


def test_an_expert_trial_is_counted():
    count = count_clean(str(CARD), range(70_000, 70_001), tasks=("pick",))
    assert count.executed > count.judged > 8
    assert len(count.errors_m) == count.judged and np.median(count.errors_m) < 1e-3
