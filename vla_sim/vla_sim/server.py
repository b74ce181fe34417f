"""Runs a world in real time: one thread for physics, one for the cameras, and callbacks for whoever publishes. No ROS here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from vla_contract.node_settings import RATES
from vla_sim.pacing import Pacer
from vla_sim.tasks import TaskInstance
from vla_sim.world import TIMESTEP_NS, SimWorld

TICK_NS = 10_000_000
"""Period of joint states and clock [ns]."""


@dataclass
class Callbacks:
    """What the server gives, each from one of its threads. All times are the world's [ns]."""

    on_state: Callable[[int, tuple[str, ...], np.ndarray, np.ndarray], None]
    on_image: Callable[[str, int, np.ndarray], None]
    on_slip: Callable[[int], None] = field(default=lambda _: None)
    on_clock_set: Callable[[int], None] = field(default=lambda _: None)
    on_error: Callable[[BaseException], None] = field(default=lambda _: None)


class SimServer:
    """Paces a world against the steady clock.

    Args:
        world: The simulator; touch it only through `locked()` once started.
        callbacks: Receivers.
        rate: Seconds of the world for one second of the wall.
        clock: Whose time the world has, cut to a multiple of `TICK_NS`, also after it was set [ns]. None: the world's own.
    """

    def __init__(
        self, world: SimWorld, callbacks: Callbacks, *, rate: float = 1.0, clock: Callable[[], int] | None = None
    ) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(f"rate: {rate}, allowed are {RATES[0]:g} to {RATES[1]:g}")
        self._world = world
        self._callbacks = callbacks
        self._rate = rate
        self._clock = clock
        self._begin()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._frame_due = threading.Event()
        self.frames_dropped = 0
        """Camera instants at which the renderer was still busy."""
        self.slipped_ns = 0
        """Time skipped because the machine was too slow [ns]."""
        self._threads = [
            threading.Thread(target=self._guarded, args=(loop,), name=name, daemon=True)
            for loop, name in ((self._physics, "physics"), (self._cameras, "cameras"))
        ]

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads and wait for them."""
        self._stopping.set()
        self._frame_due.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=5.0)

    def locked(self) -> threading.Lock:
        """The lock around the world: `with server.locked(): ...`."""
        return self._lock

    def reset(self, task: str, seed: int) -> TaskInstance:
        """Lay out a task; see `SimWorld.reset`."""
        with self._lock:
            return self._world.reset(task, seed)

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:
            if not self._stopping.is_set():
                self._callbacks.on_error(error)

    def _begin(self) -> None:
        if self._clock is not None:
            now_ns = self._clock()
            self._world.now_ns = now_ns - now_ns % TICK_NS

    def _physics(self) -> None:
        world = self._world
        with self._lock:
            self._begin()  # once more: what has passed since would make every stamp too old by as much
        period = 1e9 / self._world.card.cameras[0].rate
        next_frame = float(world.now_ns)
        pacer = Pacer(world.now_ns, TICK_NS, rate=self._rate, clock=self._clock)
        while not self._stopping.is_set():
            turn = pacer.turn(world.now_ns)
            if turn.wait_s:
                time.sleep(turn.wait_s)
                continue
            if turn.set_ns:
                with self._lock:
                    world.set_clock(turn.set_ns)
                next_frame += turn.set_ns
                self._callbacks.on_clock_set(turn.set_ns)
                continue
            if turn.slipped_ns:
                with self._lock:
                    world.now_ns += turn.slipped_ns
                self.slipped_ns += turn.slipped_ns
                self._callbacks.on_slip(turn.slipped_ns)
            with self._lock:
                world.step(TICK_NS // TIMESTEP_NS)
                now = world.now_ns
                state = world.joint_state()
            self._callbacks.on_state(now, *state)
            if now >= next_frame:
                if self._frame_due.is_set():
                    self.frames_dropped += 1
                self._frame_due.set()
                next_frame = max(next_frame + period, now - period)

    def _cameras(self) -> None:
        while not self._stopping.is_set():
            if not self._frame_due.wait(0.2):
                continue
            self._frame_due.clear()
            with self._lock:
                stamp = self._world.now_ns
                staged = [(c.name, self._world.stage(c.name)) for c in self._world.card.cameras]
            # Policies decide when the card's first camera arrives: it comes last, so that the others are there by then.
            for name, renderer in reversed(staged):
                self._callbacks.on_image(name, stamp, renderer.render())
        self._world.close()
