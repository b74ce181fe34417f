"""Chunks, reports and stamps in, a ledger out. No ROS, no clock of its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from vla_contract.card import InterfaceCard, seconds_to_ns
from vla_contract.chunk import ActionChunk
from vla_contract.node_settings import REPLAN_STEPS
from vla_contract.report import ChunkReport
from vla_evidence.ledger.accounts import Account
from vla_evidence.ledger.cadence import Cadence
from vla_evidence.ledger.content import Ledger
from vla_evidence.ledger.section import lines_of_run
from vla_evidence.ledger.stamps import WALL_EPOCH_NS, LedgerError, stamps_of_chunk, stamps_of_report

MOST_IN_WINDOW = 20_000
_CLOCKS = 20_000


class LedgerBuilder:
    """Collects what a ledger is made of, in the order heard.

    ``heard_ns`` and ``received_ns`` are of the listener's own clock (log time of a bag), and only say what is in the window.

    Args:
        card: Names the cameras, and says at what rate they should come. None: cameras are named by the policy, or numbered, and
            nothing is expected.
        window_ns: Only what was heard within this time is kept [ns], at most MOST_IN_WINDOW chunks a run. None: all of it,
            some 500 bytes a chunk and 8 bytes an image or joint state.
        replan_steps: Steps from one decision to the next that the policy was started with.

    Raises:
        LedgerError: replan_steps or window_ns is not above 0.
    """

    def __init__(
        self, card: InterfaceCard | None = None, *, window_ns: int | None = None, replan_steps: int = REPLAN_STEPS
    ) -> None:
        if replan_steps < 1:
            raise LedgerError(f"replan_steps is {replan_steps}, allowed are 1 and above")
        if window_ns is not None and window_ns <= 0:
            raise LedgerError(f"window_ns is {window_ns}, allowed is above 0")
        self._card, self._window_ns = card, window_ns
        self._cameras = tuple(card.camera_names) if card is not None else ()
        self._accounts: OrderedDict[str, Account] = OrderedDict()
        self._cadence: dict[str, Cadence] = {"chunks": self._chunk_cadence(replan_steps)}
        for camera in card.cameras if card is not None else ():
            period, limit = round(1e9 / camera.rate), seconds_to_ns(camera.max_age)
            self._cadence[camera.name] = Cadence(period, limit, window_ns)
        limit = seconds_to_ns(card.state.max_age) if card is not None else None
        self._cadence["joint_states"] = Cadence(None, limit, window_ns)
        self._sources = {source.topic: source.max_age for source in card.state.sources} if card is not None else {}
        for topic, max_age in self._sources.items():
            self._cadence[topic] = Cadence(None, seconds_to_ns(max_age), window_ns)
        self._clocks: OrderedDict[int, None] = OrderedDict()
        self._run_of_chunks = ""
        self._first_ns: int | None = None
        self._newest_ns = 0

    def _chunk_cadence(self, replan_steps: int) -> Cadence:
        if self._card is None:
            return Cadence(None, None, self._window_ns)
        return Cadence(replan_steps * self._card.step_period_ns, self._card.max_open_loop_ns, self._window_ns)

    @property
    def chunks(self) -> int:
        """How many chunks are held now, of all runs."""
        return sum(len(account.entries) for account in self._accounts.values())

    def on_chunk(self, chunk: ActionChunk, received_ns: int) -> None:
        """A chunk, a brake included."""
        self._hear(received_ns)
        stamps = stamps_of_chunk(chunk)
        is_new = self._account(chunk.run_id).add_chunk(chunk.sequence, stamps, received_ns, self._is_simulated(stamps))
        if is_new and stamps.horizon:
            if chunk.run_id != self._run_of_chunks:
                self._cadence["chunks"].begin_anew()
                self._run_of_chunks = chunk.run_id
            self._cadence["chunks"].add(stamps.stamp_ns, received_ns)

    def on_report(self, report: ChunkReport, received_ns: int | None = None) -> None:
        """A report of either phase; it may come before its chunk. received_ns: None is as of the newest before it."""
        heard_ns = self._newest_ns if received_ns is None else received_ns
        if received_ns is not None:
            self._hear(received_ns)
        if self._window_ns is not None and report.run_id not in self._accounts:
            return  # about chunks sent before this listener began
        self._account(report.run_id).add_report(
            report.sequence, report.phase, stamps_of_report(report), heard_ns, only_known=self._window_ns is not None
        )

    def on_policy_info(self, camera_names: Sequence[str]) -> None:
        """The policy's own names of its cameras, in the order of a chunk's image stamps; a card's go before."""
        if self._card is None:
            self._cameras = tuple(camera_names)

    def on_image(self, camera: str, stamp_ns: int, received_ns: int) -> None:
        """An image's header stamp [ns]. LedgerError for a camera that the card does not have."""
        if camera not in self._cameras:
            raise LedgerError(f"camera {camera!r} is not in the card; it has {', '.join(self._cameras) or 'none'}")
        self._hear(received_ns)
        self._cadence[camera].add(stamp_ns, received_ns)

    def on_joint_state(self, stamp_ns: int, received_ns: int, topic: str = "") -> None:
        """A joint state's header stamp [ns]. topic: of the source of the card that it came from; another is the state's own."""
        self._hear(received_ns)
        self._cadence[topic if topic in self._sources else "joint_states"].add(stamp_ns, received_ns)

    def on_clock(self, clock_ns: int) -> None:
        """/clock. A chunk stamped exactly by it is in simulated time; so is one from before WALL_EPOCH_NS."""
        self._clocks[clock_ns] = None
        while len(self._clocks) > _CLOCKS:
            self._clocks.popitem(last=False)

    def ledger(self, now_ns: int | None = None, **about) -> Ledger:
        """What is known. now_ns: leave out chunks that may yet be closed, and what has left the window; None: all was said.

        about: ``source``, ``unreadable``, ``notes`` and ``cut_short`` of the Ledger.
        """
        if now_ns is not None:
            self._drop(now_ns)
        runs = tuple(lines_of_run(account, self._cameras, now_ns) for account in self._accounts.values())
        card = None if self._card is None else {"name": self._card.name, "card_hash": self._card.card_hash}
        seconds = (self._newest_ns - self._first_ns) / 1e9 if self._first_ns is not None else 0.0
        if self._window_ns is not None:
            seconds = min(seconds, self._window_ns / 1e9)
        cadence = {name: c.as_dict() for name, c in self._cadence.items()}
        if self._card is None and not cadence["joint_states"]["messages"]:
            del cadence["joint_states"]  # only a card says where they are: nobody listened
        return Ledger(runs, cadence, card, seconds=seconds, **about)

    def _is_simulated(self, stamps) -> bool:
        start, end = stamps.inference_start_ns, stamps.inference_end_ns
        return 0 < start < WALL_EPOCH_NS or start in self._clocks or end in self._clocks

    def _account(self, run_id: str) -> Account:
        return self._accounts.setdefault(run_id, Account(run_id))

    def _hear(self, heard_ns: int) -> None:
        self._first_ns = heard_ns if self._first_ns is None else min(self._first_ns, heard_ns)
        self._newest_ns = max(self._newest_ns, heard_ns)
        self._drop(heard_ns)

    def _drop(self, now_ns: int) -> None:
        if self._window_ns is None:
            return
        for run_id, account in list(self._accounts.items()):
            account.drop_before(now_ns - self._window_ns, MOST_IN_WINDOW)
            if not account.entries and run_id != self._run_of_chunks:
                del self._accounts[run_id]
        for cadence in self._cadence.values():
            cadence.drop_before(now_ns)
