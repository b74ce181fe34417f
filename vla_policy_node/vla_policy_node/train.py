"""Training, in one sitting: demonstrations in, a checkpoint out.

Everything random comes from a seed and the step, so that a run that was interrupted goes on as it would have.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from vla_contract.card import InterfaceCard
from vla_policy_node.augment import Augmentation
from vla_policy_node.batches import Batches, draw_rows
from vla_policy_node.checkpoint import Checkpoint, check_contract, read_checkpoint, save_checkpoint
from vla_policy_node.codec import ActionCodec, fit_state
from vla_policy_node.curves import draw_curves
from vla_policy_node.data import Frames, split_episodes
from vla_policy_node.gradients import GradientWorkers
from vla_policy_node.model.config import ModelConfig
from vla_policy_node.model.language import SentenceEncoder
from vla_policy_node.model.vla import VlaModel
from vla_policy_node.pictures import small_pictures
from vla_policy_node.preprocess import Preprocessor
from vla_policy_node.train_state import keep_state, restore_state


@dataclass
class TrainConfig:
    """Budget, optimiser, augmentation. The learning rate follows the share of the budget that is used up."""

    head: str = "regression"
    minutes: float | None = None
    steps: int | None = None
    batch: int = 32
    learning_rate: float = 8e-4
    weight_decay: float = 0.02
    warm_up_steps: int = 300
    clip: float = 1.0
    average: float = 0.999
    """Decay of the running average of the weights, which is what gets saved."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    normalisation: str = "mean_std"
    validation_share: float = 0.04
    validations: int = 12
    seed: int = 0
    processes: int = 2
    """Processes of one thread that share the work of a batch."""
    model: dict = field(default_factory=dict)
    """Sizes that differ from ModelConfig's."""


@torch.inference_mode()
def validate(model: VlaModel, batches: Batches, rows: np.ndarray, codec: ActionCodec, names: list[str]) -> dict:
    """Loss, and mean absolute error of each column in its own unit: of the first four steps, and of all."""
    model.eval()
    loss, errors = 0.0, []
    for part in torch.from_numpy(rows).split(128):
        batch = batches.take(part)
        torch.manual_seed(0)
        loss += float(model(**batch)) * len(part)
        generator = torch.Generator().manual_seed(0)
        given = model.act(batch["images"], batch["state"], batch["words"], batch["mask"], generator)
        errors.append(np.abs(codec.decode(given.numpy()) - codec.decode(batch["actions"].numpy())))
    model.train()
    error = np.concatenate(errors)
    return {
        "loss": loss / len(rows),
        "first": dict(zip(names, error[:, :4].mean(axis=(0, 1)).tolist())),
        "all": dict(zip(names, error.mean(axis=(0, 1)).tolist())),
    }


def describe(errors: dict[str, float]) -> str:
    """Mean errors in words: position [mm], angles [deg], grippers [%] wrong."""
    groups: dict[str, list[float]] = {}
    for name, value in errors.items():
        kind = name.rsplit(".", 1)[-1]
        if kind in ("x", "y", "z"):
            groups.setdefault("mm", []).append(1e3 * value)
        elif kind == "gripper":
            groups.setdefault("% gripper", []).append(1e2 * value)
        else:
            groups.setdefault("deg", []).append(math.degrees(value))
    return " ".join(f"{np.mean(values):.2f} {unit}" for unit, values in groups.items())


def train(
    frames: Frames,
    card: InterfaceCard,
    config: TrainConfig,
    work: Path,
    out: Path,
    *,
    command: str = "",
    sources: list[str] = (),
    resume: bool = False,
    init: Path | None = None,
    quiet: bool = False,
) -> dict:
    """Trains within the budget and writes ``out``; log, curve and resumable state lie in ``work``. Returns the summary.

    ``init``: a checkpoint to start from; its statistics are kept, and parts whose shapes differ (another head) start fresh.
    """
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    state_file, log_file = work / "state.safetensors", work / "log.jsonl"
    start = read_checkpoint(init) if init else None
    if start:
        check_contract(start, card)
    work.mkdir(parents=True, exist_ok=True)
    learn, held = split_episodes(frames, config.validation_share, config.seed)
    held = held[:: max(1, len(held) // 1024)]
    codec = start.codec if start else ActionCodec.fit(card, frames.actions[learn], config.normalisation)
    state_normaliser = start.state_normaliser if start else fit_state(card, frames.state[learn])
    names = list(card.action.names)
    sizes = start.model.to_dict() if start else {}
    sizes |= {
        "cameras": card.camera_names,
        "state_dim": card.state_dim,
        "action_dim": card.action_dim,
        "horizon": card.action.horizon,
        "gripper_columns": card.gripper_columns,
        "head": config.head,
        "head_options": sizes.get("head_options", {}) if sizes.get("head") == config.head else {},
    } | config.model
    model_config = ModelConfig.from_dict(sizes)
    model = VlaModel(model_config)
    if start:
        own = model.state_dict()
        model.load_state_dict(
            {name: start.weights[name] if _fits(start.weights, name, own[name]) else own[name] for name in own}
        )
    batches = Batches(
        frames, Preprocessor(model_config.cameras, state_normaliser, tuple(card.state.fields)), codec, SentenceEncoder()
    )
    averaged = VlaModel(model_config).requires_grad_(False)
    averaged.load_state_dict(model.state_dict())
    parameters = dict(model.named_parameters())
    decayed = [p for p in parameters.values() if p.ndim >= 2]
    others = [p for p in parameters.values() if p.ndim < 2]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=config.learning_rate, betas=(0.9, 0.98), fused=True,
    )  # fmt: skip
    step, spent, history = 0, 0.0, []
    if resume and state_file.exists():
        step, spent, history = restore_state(state_file, model, averaged, optimiser)
    else:
        log_file.unlink(missing_ok=True)
    used = _share_used(config, step, spent)
    mark = math.floor(used * config.validations)
    first_step, first_spent, losses, done = step, spent, [], used >= 1.0
    began = time.monotonic() - spent
    bar = tqdm(
        total=100,
        initial=int(100 * used),
        desc="training",
        unit="%",
        disable=quiet,
        bar_format="{l_bar}{bar}| {postfix}",
    )
    stream = draw_rows(learn, frames.weight, config.batch, config.seed, step)
    interrupted = False
    workers = GradientWorkers(model, batches, config.augmentation, config.batch, config.seed, config.processes)
    try:
        while not done:
            rate = config.learning_rate * min(1.0, (step + 1) / config.warm_up_steps)
            rate *= 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(used, 1.0)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            losses.append(workers.backward(next(stream), step))
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimiser.step()
            step += 1
            decay = min(config.average, (1 + step) / (10 + step))
            torch._foreach_lerp_(list(averaged.parameters()), [p.detach() for p in parameters.values()], 1 - decay)
            spent = time.monotonic() - began
            used = _share_used(config, step, spent)
            done = used >= 1.0
            if step % 20 == 0:
                bar.n = min(100, round(100 * used, 1))
                speed = (step - first_step) * config.batch / (spent - first_spent)
                bar.set_postfix_str(
                    f"step {step} loss {np.mean(losses[-50:]):.4f}  {speed:.0f} samples/s", refresh=True
                )
            if done or math.floor(used * config.validations) > mark:
                mark = math.floor(used * config.validations)
                row = {
                    "step": step,
                    "seconds": round(spent, 1),
                    "learning_rate": rate,
                    "train_loss": float(np.mean(losses)),
                }
                row |= {"validation": validate(averaged, batches, held, codec, names)}
                history.append(row)
                losses.clear()
                with open(log_file, "a") as file:
                    file.write(json.dumps(row) + "\n")
                tqdm.write(
                    f"step {step}: loss {row['train_loss']:.4f}, held out {row['validation']['loss']:.4f}; "
                    f"first steps {describe(row['validation']['first'])}; all {describe(row['validation']['all'])}"
                ) if not quiet else None
                draw_curves(history, work / "loss.png")
                keep_state(state_file, model, averaged, optimiser, step, spent, history)
    except KeyboardInterrupt:
        interrupted = True
        keep_state(state_file, model, averaged, optimiser, step, spent, history)
    finally:
        workers.close()
    bar.close()
    summary = {
        "command": command,
        "data": list(sources),
        "episodes": len(frames.episode_paths),
        "frames": len(learn),
        "held_out_frames": len(held),
        "steps": step,
        "minutes": round(spent / 60, 2),
        "samples_per_second": round(step * config.batch / max(spent, 1e-9), 1),
        "init": str(init) if init else None,
        "config": asdict(config),
        "validation": history[-1]["validation"] if history else None,
    }
    checkpoint = Checkpoint(
        averaged.state_dict(), model_config, card.policy_contract(), card.policy_hash, card.name,
        state_normaliser, codec, summary, small_pictures([Path(p) for p in frames.episode_paths], card.camera_names),
    )  # fmt: skip
    save_checkpoint(checkpoint, out)
    (work / "summary.json").write_text(json.dumps(summary, indent=2))
    return summary | {"interrupted": interrupted}


def _fits(weights: dict[str, Tensor], name: str, own: Tensor) -> bool:
    return name in weights and weights[name].shape == own.shape


def _share_used(config: TrainConfig, step: int, seconds: float) -> float:
    """Of the budget; the tighter of the two limits counts."""
    by_time = seconds / (60 * config.minutes) if config.minutes else 0.0
    by_steps = step / config.steps if config.steps else 0.0
    return max(by_time, by_steps)
