"""The image beside the table: the tool at the seams, ours and the baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vla_bench.rig.run import MS, Executed, SeamRun
from vla_bench.seams.figures import tool_positions

_OURS, _THEIRS, _INK, _FAINT = "#0b6e99", "#e08a2e", "#333333", "#c4c4c4"
_SECONDS = 3.0
_PANELS = ("position [mm]", "velocity [mm/s]", "acceleration [m/s²]", "jerk [m/s³]")
_SCALES = (1e3, 1e3, 1.0, 1.0)


def plot_seams(run: SeamRun, baseline: Executed, path: Path, *, axis: int | None = None) -> None:
    """Position to jerk of the tool along one axis of the base frame (the one it moves most along, by default) over a few
    seconds in which it moves; derivatives are differences at 100 Hz, as in the table.

    Dots: the targets that were asked for, of the chunk that ruled. Dashed lines: arrivals of chunks, where the baseline
    replaces its trajectory.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    begin = _busy(run)
    end = begin + int(_SECONDS * 1e9)
    curves = [_derivatives(run, executed, begin, end) for executed in (baseline, run.executed())]
    if axis is None:
        axis = int(np.argmax(np.ptp(curves[1][0][1], axis=0)))
    with plt.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": _FAINT,
                         "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK}):  # fmt: skip
        figure, axes = plt.subplots(4, 1, figsize=(9.0, 8.6), sharex=True)
        for order, ax in enumerate(axes):
            for change in run.changes:
                if begin <= change.now_ns < end:
                    ax.axvline((change.now_ns - begin) * 1e-9, color=_FAINT, lw=0.9, ls=(0, (3, 2)), zorder=0)
            styles = ((_THEIRS, 1.1, "cubics, replaced on arrival"), (_OURS, 1.8, "this controller"))
            for (color, width, label), curve in zip(styles, curves):
                t, values = curve[order]
                ax.plot(t, values[:, axis] * _SCALES[order], color=color, lw=width, label=label)
            ax.set_ylabel(_PANELS[order])
            ax.set_xlim(0.0, _SECONDS)
        t, points = _targets(run, begin, end)
        axes[0].plot(t, points[:, axis] * 1e3, ".", color=_INK, ms=4.5, label="requested", zorder=3)
        axes[0].legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, frameon=False)
        axes[0].set_title("dashed: a chunk arrives", loc="right", fontsize=8.5, color="#777777")
        axes[3].set_xlabel("time [s]")
        figure.suptitle(
            f"Tool along {'xyz'[axis]}: the same noisy chunks, 0 to 300 ms late", x=0.02, ha="left", fontsize=12.5
        )
        figure.align_ylabels(axes)
        figure.tight_layout(rect=(0.0, 0.0, 1.0, 0.99))
        figure.savefig(path, dpi=130)
        plt.close(figure)


def _derivatives(run: SeamRun, executed: Executed, begin: int, end: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For orders 0 to 3: times (N,) [s] from begin and values (N, 3) of the tool, at 100 Hz, in SI."""
    step = 10 * MS
    times = np.arange(begin - 2 * step, end + 3 * step, step)
    p = tool_positions(run.model, executed.sample(times)[0])
    t = (times - begin) * 1e-9
    curves = [(t, p)]
    for _ in range(3):
        t, p = curves[-1]
        curves.append(((t[1:] + t[:-1]) / 2.0, np.diff(p, axis=0) / (step * 1e-9)))
    return curves


def _targets(run: SeamRun, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Times [s] from begin and positions (N, 3) [m] of the targets due while their chunk ruled."""
    t, points = [], []
    for change, following in zip(run.changes[:-1], run.changes[1:]):
        due, T = change.targets()
        here = (due > max(change.splice_ns, begin)) & (due <= min(following.splice_ns, end))
        t.append((due[here] - begin) * 1e-9)
        points.append(T[here, :3, 3])
    return np.concatenate(t), np.concatenate(points)


def _busy(run: SeamRun) -> int:
    """A start for the window, in the first minute, so that the arm moves throughout [ns]."""
    last = min(run.end_ns, run.begin_ns + 60_000 * MS) - int(_SECONDS * 1e9)
    executed = run.executed()

    def speed(begin: int) -> float:
        times = np.arange(begin, begin + int(_SECONDS * 1e9), 50 * MS)
        return float(np.abs(executed.sample(times)[1]).max(axis=1).mean())

    return max(range(run.begin_ns + 1_000 * MS, last, 250 * MS), key=speed, default=run.begin_ns)
