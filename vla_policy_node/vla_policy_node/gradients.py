"""Gradients from several processes of one thread each.

On a few CPU cores this is more than twice as fast as one process of several threads, which meet at every operation: most of all
where something else wants a core now and then.
"""

from __future__ import annotations

import multiprocessing

import torch
from torch import Tensor

from vla_policy_node.augment import Augmentation
from vla_policy_node.batches import Batches
from vla_policy_node.model.vla import VlaModel


class GradientWorkers:
    """Fills ``parameter.grad`` of the model with the mean over a batch, each process taking an equal part of it.

    Processes are forked: they see the frames and, in shared memory, the weights, without a copy.
    """

    def __init__(
        self, model: VlaModel, batches: Batches, how: Augmentation, batch: int, seed: int, processes: int
    ) -> None:
        """Raises ValueError where ``processes`` does not divide ``batch``."""
        if processes < 1 or batch % processes:
            raise ValueError(f"batch is {batch}, allowed are multiples of the {processes} processes")
        torch.set_num_threads(1)
        self._model, self._batches, self._how, self._seed, self._count = (
            model.share_memory(),
            batches,
            how,
            seed,
            processes,
        )
        self._parameters = list(model.parameters())
        self._rows = torch.zeros(processes, batch // processes, dtype=torch.int64).share_memory_()
        self._step = torch.zeros(1, dtype=torch.int64).share_memory_()
        self._losses = torch.zeros(processes).share_memory_()
        self._gradients = [
            [torch.zeros_like(p, requires_grad=False).share_memory_() for p in self._parameters]
            for _ in range(processes - 1)
        ]
        context = multiprocessing.get_context("fork")
        self._go = [context.Semaphore(0) for _ in range(processes - 1)]
        self._done = [context.Semaphore(0) for _ in range(processes - 1)]
        self._processes = [context.Process(target=self._serve, args=(i,), daemon=True) for i in range(processes - 1)]
        for process in self._processes:
            process.start()

    def backward(self, rows: Tensor, step: int) -> float:
        """Returns the loss of the batch. Raises RuntimeError where a process has died."""
        self._rows.copy_(rows.reshape(self._count, -1))
        self._step.fill_(step)
        for go in self._go:
            go.release()
        self._work(0)
        for done, process, gradients in zip(self._done, self._processes, self._gradients, strict=True):
            while not done.acquire(timeout=1.0):
                if not process.is_alive():
                    raise RuntimeError(f"a training process ended with exit code {process.exitcode}")
            torch._foreach_add_([p.grad for p in self._parameters], gradients)
        torch._foreach_mul_([p.grad for p in self._parameters], 1.0 / self._count)
        return float(self._losses.mean())

    def close(self) -> None:
        """Ends the processes."""
        for process in self._processes:
            process.terminate()
            process.join()

    def _work(self, rank: int) -> None:
        seed = (self._seed * 1_000_003 + int(self._step)) * self._count + rank
        torch.manual_seed(seed)  # of heads that draw noise
        batch = self._batches.augmented(self._rows[rank], self._how, torch.Generator().manual_seed(seed))
        for parameter in self._parameters:
            parameter.grad = None
        loss = self._model(**batch)
        loss.backward()
        self._losses[rank] = loss.detach()

    def _serve(self, index: int) -> None:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process, which ends this one
        while True:
            self._go[index].acquire()
            self._work(index + 1)
            torch._foreach_copy_(self._gradients[index], [p.grad for p in self._parameters])
            self._done[index].release()
