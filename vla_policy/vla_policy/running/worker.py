"""Runs of a session in a thread of their own, so that whoever feeds it never waits for an inference. No ROS, no torch."""

from __future__ import annotations

import threading
from collections.abc import Callable

from vla_contract.status import RunError
from vla_policy.running.run_record import RunRecord, RunRequest
from vla_policy.running.session import PolicySession


class SessionWorker:
    """One run at a time."""

    def __init__(self, session: PolicySession) -> None:
        self._session = session
        self._thread: threading.Thread | None = None
        self._cancelled: tuple[RunError, str] | None = None

    def start(
        self, request: RunRequest, on_begun: Callable[[RunRecord | ValueError], None], on_done: Callable[[], None]
    ) -> None:
        """Begins a run, which may take as long as encoding its words does, and carries it out.

        on_begun: Called from the run's thread with its record, or with why the session refuses the request: then that was all.
        on_done: Called from the run's thread when it has ended.
        """
        self._cancelled = None

        def work() -> None:
            try:
                record = self._session.begin(request)
            except ValueError as error:
                on_begun(error)
                return
            if self._cancelled is not None:
                self._session.cancel(*self._cancelled)
            on_begun(record)
            self._session.run(record)
            on_done()

        self._thread = threading.Thread(target=work, name="policy_run", daemon=True)
        self._thread.start()

    def cancel(self, error: RunError = RunError.CANCELED, why: str = "") -> None:
        """Ends the run under way, or about to begin, at its next look. why: in words, for its result."""
        if self._thread is not None and self._thread.is_alive():
            self._cancelled = error, why
            self._session.cancel(error, why)

    def join(self, timeout_s: float | None = None) -> None:
        """Waits until the run under way has ended [s]; its last chunk, a brake, has been sent then."""
        if self._thread is not None:
            self._thread.join(timeout_s)
