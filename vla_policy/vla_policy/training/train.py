"""Training, in one sitting: demonstrations in, a checkpoint out.

Everything random comes from a seed and the step, so that a run that was interrupted goes on as it would have.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch

from vla_contract.files import write_text
from vla_policy.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from vla_policy.native.embodiment import Embodiment
from vla_policy.native.encoders.registry import build_language
from vla_policy.training.batches import Batches
from vla_policy.training.build import build_embodiments, build_model
from vla_policy.training.compute import Compute
from vla_policy.training.config import TrainConfig
from vla_policy.training.gradients import GradientWorkers
from vla_policy.training.mixture import Mixture
from vla_policy.training.progress import Progress
from vla_policy.training.reference_images import images_of
from vla_policy.training.run import Run
from vla_policy.training.validation import validate


def train(
    mixture: Mixture,
    config: TrainConfig,
    work: Path,
    out: Path,
    *,
    command: str = "",
    sources: Sequence[str] = (),
    resume: bool = False,
    init: Path | None = None,
    quiet: bool = False,
) -> dict:
    """Trains within the budget and writes ``out``; log, curve and resumable state lie in ``work``. Returns the summary.

    ``init``: a checkpoint to start from; its statistics are kept, and parts whose shapes differ (another head) start fresh.

    Raises:
        TrainingError: An option that this model or device cannot do.
        CheckpointError: ``init`` cannot be read, or does not fit the card.
        DeviceError, HeadError, CodecError, EncoderError, LanguageModelError: Something named that is not there.
    """
    compute = Compute.of(config.device, config.dtype, config.compiled)
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    start = read_checkpoint(init) if init else None
    embodiments = build_embodiments(mixture, config, start)
    model = build_model(embodiments, mixture, config, start).to(compute.device)
    batches = Batches([part.frames for part in mixture.parts], embodiments, model.config, build_language(model.config))
    run = open_run(Run(model, config), work, resume)
    check = partial(validate, run.averaged, batches, mixture, embodiments, compute)
    interrupted = loop(run, mixture, batches, compute, check, work, quiet)
    summary = {
        "command": command,
        "data": list(sources),
        "episodes": sum(len(part.frames.episodes) for part in mixture.parts),
        "frames": sum(len(part.learn) for part in mixture.parts),
        "held_out_frames": sum(len(part.held) for part in mixture.parts),
        "steps": run.step,
        "minutes": round(run.spent / 60, 2),
        "samples_per_second": round(run.step * config.batch / max(run.spent, 1e-9), 1),
        "init": str(init) if init else None,
        "config": asdict(config),
        "validation": run.history[-1]["validation"] if run.history else None,
    }
    save_checkpoint(Checkpoint(run.weights(), model.config, with_images(embodiments, mixture), summary), out)
    write_text(work / "summary.json", json.dumps(summary, indent=2))
    return summary | {"interrupted": interrupted}


def open_run(run: Run, work: Path, resume: bool) -> Run:
    """Goes on with the run that lies in ``work``, or begins anew there."""
    work.mkdir(parents=True, exist_ok=True)
    if resume and state_file(work).exists():
        run.restore(state_file(work))
    else:
        (work / "log.jsonl").unlink(missing_ok=True)
    return run


def loop(
    run: Run, mixture: Mixture, batches: Batches, compute: Compute, check: Callable[[], dict], work: Path, quiet: bool
) -> bool:
    """Steps until the budget is used up, with a validation now and then. Returns whether the user interrupted it."""
    config = run.config
    draws = mixture.draw(config.batch, config.seed, run.step)
    workers = GradientWorkers(
        run.model, batches, config.augmentation, config.batch, config.seed, config.process_count(), compute
    )
    progress = Progress(run, work, quiet)
    due = math.floor(run.used * config.validations)
    began = time.monotonic() - run.spent
    try:
        while run.used < 1.0:
            loss = workers.backward(next(draws), run.step)
            run.advance()
            compute.finish()
            run.spent = time.monotonic() - began
            progress.stepped(loss)
            now = math.floor(run.used * config.validations)
            if run.used >= 1.0 or now > due:
                due = now
                progress.validated(check())
                run.keep(state_file(work))
    except KeyboardInterrupt:
        run.keep(state_file(work))
        return True
    finally:
        workers.close()
        progress.close()
    return False


def state_file(work: Path) -> Path:
    """Where a run is kept."""
    return work / "state.safetensors"


def with_images(embodiments: Sequence[Embodiment], mixture: Mixture) -> list[Embodiment]:
    """Each with small images of its demonstrations."""
    return [
        replace(one, images=images_of(part.frames.episodes, one.cameras))
        for one, part in zip(embodiments, mixture.parts, strict=True)
    ]
