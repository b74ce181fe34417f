"""Gradients of a batch: on a CPU from several processes of one thread each, on an accelerator from this one.

On a few CPU cores this is more than twice as fast as one process of several threads, which meet at every operation: most of all
where something else wants a core now and then.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import parent_process
from multiprocessing.synchronize import Semaphore

import torch
from torch import Tensor, multiprocessing, nn

from vla_policy.errors import TrainingError
from vla_policy.native.trainable import trainable
from vla_policy.training.augment import Augmentation
from vla_policy.training.batches import Batches
from vla_policy.training.compute import Compute
from vla_policy.training.mixture import Draw


@dataclass(frozen=True, eq=False)
class Work:
    """What every process has: the weights and the orders in shared memory, the data by the paths of its files."""

    model: nn.Module
    batches: Batches
    how: Augmentation
    seed: int
    compute: Compute
    rows: Tensor
    """Frames that each process takes. Shape (processes, batch / processes), int64."""
    turn: Tensor
    """Step and part of the mixture. Shape (2,), int64."""
    losses: Tensor
    """Shape (processes,)."""

    def gradients(self, rank: int, forward: nn.Module) -> None:
        """Fills ``parameter.grad`` of the trainable parameters that this batch concerns; of the others it is None."""
        step, part = self.turn.tolist()
        seed = (self.seed * 1_000_003 + step) * len(self.rows) + rank
        torch.manual_seed(seed)  # of heads that draw noise
        batch = self.batches.augmented(Draw(part, self.rows[rank].numpy()), self.how, torch.Generator().manual_seed(seed))
        for parameter in trainable(self.model).values():
            parameter.grad = None
        with self.compute.autocast():
            loss = forward(**self.compute.move(batch))
        loss.backward()
        self.losses[rank] = loss.detach()


class GradientWorkers:
    """Fills ``parameter.grad`` of the trainable parameters with the mean over a batch, each process taking an equal part of it.

    Processes are spawned, not forked: a lock that a thread of PyTorch or of a renderer holds at that moment would stay locked.
    """

    def __init__(
        self, model: nn.Module, batches: Batches, how: Augmentation, batch: int, seed: int, processes: int, compute: Compute
    ) -> None:
        """Raises TrainingError where ``processes`` does not divide ``batch``, or is not 1 on an accelerator."""
        if processes < 1 or batch % processes:
            raise TrainingError(f"--batch {batch}: allowed are multiples of the {processes} processes")
        if processes > 1 and (compute.device.type != "cpu" or compute.compiled):
            what = "a compiled model" if compute.compiled else f"device {compute.device}"
            raise TrainingError(f"--processes {processes}: {what} allows 1")
        orders = (torch.zeros(processes, batch // processes, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
        model = model.share_memory() if processes > 1 else model
        shared = (tensor.share_memory_() for tensor in (*orders, torch.zeros(processes)))
        self._work = Work(model, batches, how, seed, compute, *shared)
        self._parameters = list(trainable(model).values())
        self._forward = compute.compile(model)
        context = multiprocessing.get_context("spawn")
        self._others = [_Other(context, self._work, rank) for rank in range(1, processes)]
        with _interrupts_ignored():
            for other in self._others:
                other.process.start()
        for other in self._others:
            other.wait()  # until it has started, which takes seconds that are no training

    def backward(self, draw: Draw, step: int) -> float:
        """Returns the loss of the batch. Raises RuntimeError where a process has died."""
        work = self._work
        work.rows.copy_(torch.from_numpy(draw.rows).reshape(work.rows.shape))
        work.turn.copy_(torch.tensor([step, draw.part]))
        for other in self._others:
            other.go.release()
        work.gradients(0, self._forward)
        for other in self._others:
            other.wait()
            other.sums.add_to(self._parameters)
        torch._foreach_mul_([p.grad for p in self._parameters if p.grad is not None], 1.0 / len(work.rows))
        return float(work.losses.mean())

    def close(self) -> None:
        """Ends the processes."""
        for other in self._others:
            other.process.terminate()
            other.process.join()


class SharedGradients:
    """One process's gradients, where the first one can read them. One block of memory: each would take a file descriptor."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._values = torch.zeros(sum(p.numel() for p in parameters)).share_memory_()
        self._there = torch.zeros(len(parameters), dtype=torch.bool).share_memory_()

    def _views(self, parameters: list[nn.Parameter]) -> list[Tensor]:
        """Laid out in memory as the parameters are: adding two that are not is many times slower."""
        parts = self._values.split([p.numel() for p in parameters])
        return [part.as_strided(p.shape, p.stride()) for part, p in zip(parts, parameters, strict=True)]

    def put(self, parameters: list[nn.Parameter]) -> None:
        """Copies what is there: a parameter that the batch did not concern has no gradient."""
        self._there.copy_(torch.tensor([p.grad is not None for p in parameters]))
        pairs = [(view, p.grad) for view, p in zip(self._views(parameters), parameters, strict=True) if p.grad is not None]
        if pairs:
            torch._foreach_copy_([view for view, _ in pairs], [grad for _, grad in pairs])

    def add_to(self, parameters: list[nn.Parameter]) -> None:
        """Adds to the gradients there, or brings those that are not."""
        pairs = []
        for there, view, p in zip(self._there.tolist(), self._views(parameters), parameters, strict=True):
            if there and p.grad is None:
                p.grad = view.clone(memory_format=torch.preserve_format)
            elif there:
                pairs.append((p.grad, view))
        if pairs:
            torch._foreach_add_([grad for grad, _ in pairs], [view for _, view in pairs])


class _Other:
    """One of the other processes, as the first one sees it."""

    def __init__(self, context: multiprocessing.SpawnContext, work: Work, rank: int) -> None:
        self.go, self._done = context.Semaphore(0), context.Semaphore(0)
        self.sums = SharedGradients(list(trainable(work.model).values()))
        self.process = context.Process(target=_serve, args=(work, rank, self.sums, self.go, self._done), daemon=True)

    def wait(self) -> None:
        """Until it has started, or taken its step. Raises RuntimeError where it has died."""
        while not self._done.acquire(timeout=1.0):
            if not self.process.is_alive():
                raise RuntimeError(f"a training process ended with exit code {self.process.exitcode}")


def _serve(work: Work, rank: int, sums: SharedGradients, go: Semaphore, done: Semaphore) -> None:
    torch.set_num_threads(1)
    parameters = list(trainable(work.model).values())
    done.release()
    while True:
        while not go.acquire(timeout=1.0):
            if not parent_process().is_alive():
                return
        work.gradients(rank, work.model)
        sums.put(parameters)
        done.release()


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ctrl-C is for the first process, which ends the others; those that start in here never hear of it."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread: then nobody can
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
