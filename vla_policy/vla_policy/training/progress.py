"""What a training shows while it runs: a bar, a line for each validation, the log and the curve."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vla_contract.files import fresh, open_append
from vla_policy.training.curves import draw_curves
from vla_policy.training.run import Run
from vla_policy.training.validation import describe

SHOWN_EVERY = 20
"""Steps."""


class Progress:
    """Of one sitting; ``quiet``: files only."""

    def __init__(self, run: Run, work: Path, quiet: bool) -> None:
        self._run, self._work, self._quiet = run, work, quiet
        self._losses: list[float] = []
        self._first_step, self._first_spent = run.step, run.spent
        self._bar = tqdm(
            total=100, initial=int(100 * run.used), desc="training", unit="%", disable=quiet, bar_format="{l_bar}{bar}| {postfix}"
        )

    def stepped(self, loss: float) -> None:
        """A step was taken."""
        run = self._run
        self._losses.append(loss)
        if run.step % SHOWN_EVERY == 0:
            self._bar.n = min(100, round(100 * run.used, 1))
            speed = (run.step - self._first_step) * run.config.batch / (run.spent - self._first_spent)
            loss = np.mean(self._losses[-50:])
            self._bar.set_postfix_str(f"step {run.step} loss {loss:.4f}  {speed:.0f} samples/s", refresh=True)

    def validated(self, errors: dict) -> None:
        """A validation was made; its row goes into the run's history and the log."""
        run = self._run
        row = {
            "step": run.step,
            "seconds": round(run.spent, 1),
            "learning_rate": run.rate,
            "train_loss": float(np.mean(self._losses)),
            "validation": errors,
        }
        self._losses.clear()
        run.history.append(row)
        with open_append(self._work / "log.jsonl") as file:
            file.write(f"{json.dumps(row)}\n".encode())
        with fresh(self._work / "loss.png") as draft:
            draw_curves(run.history, draft)
        if not self._quiet:
            tqdm.write(
                f"step {run.step}: loss {row['train_loss']:.4f}, held out {errors['loss']:.4f}; "
                f"first steps {describe(errors['first'])}; all {describe(errors['all'])}"
            )

    def close(self) -> None:
        """Ends the bar."""
        self._bar.close()
