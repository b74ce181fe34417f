"""A state that keeps the arm from moving has a line in the terminal when it begins, and one when it is over."""

from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger

from vla_contract.status import ControllerState

_TOLD = {
    ControllerState.STALE_STATE: "joint states come again",
    ControllerState.SILENT_CONTROLLER: "the trajectory controller speaks again",
    ControllerState.DESYNC: "measured and commanded motion agree again",
}
_BEFORE_IT = (ControllerState.STOPPED, ControllerState.CONTENDED, ControllerState.WAITING_FOR_STATE)
"""They say nothing of whether it is over."""


class ToldStates:
    """Remembers what was told last."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger, self._told = logger, None

    def look(self, state: ControllerState, words: str) -> None:
        """Tells of a change. words: what the state is about, by name."""
        if state is self._told:
            return
        if state in _TOLD:
            self._logger.warning(f"{state.name}: {words}")
            self._told = state
        elif self._told is not None and state not in _BEFORE_IT:
            self._logger.info(f"{_TOLD[self._told]}: {state.name}")
            self._told = None
