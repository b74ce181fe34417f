"""The loss curve as an image."""

from __future__ import annotations

from pathlib import Path


def draw_curves(history: list[dict], path: Path) -> None:
    """Training and held-out loss, and held-out error of the first steps, over optimiser steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    steps = [row["step"] for row in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    left.plot(steps, [row["train_loss"] for row in history], marker=".", label="training")
    left.plot(steps, [row["validation"]["loss"] for row in history], marker=".", label="held-out episodes")
    left.set(xlabel="step", ylabel="loss", yscale="log")
    left.legend()
    for name in history[-1]["validation"]["first"]:
        right.plot(steps, [max(row["validation"]["first"][name], 1e-6) for row in history], label=name.split(".")[-1])
    right.set(xlabel="step", ylabel="mean error of steps 1 to 4 [m, rad, share]", yscale="log")
    right.legend(ncols=2, fontsize="small")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
