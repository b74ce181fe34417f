"""Where compiled kernels are kept: beside the sources, else in the user's cache, else for a process and those it starts.

Where they are not there yet, the process that compiles them says so: it does nothing else for a minute or two.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Callable

from numba import config, njit
from numba.core import event

_LOG = logging.getLogger(__name__)


class KernelError(RuntimeError):
    """Kernels can be kept nowhere. The message says what has to be writable."""


class _Announcer(event.Listener):
    """Says once that kernels of the suite are being compiled, when the first of them is not found where they are kept."""

    def __init__(self) -> None:
        self._said = False

    def on_start(self, event: event.Event) -> None:
        """A function begins to be compiled, whoever's it is."""
        function = getattr((event.data or {}).get("dispatcher"), "py_func", None)
        if not self._said and getattr(function, "__module__", "").startswith("vla_"):
            self._said = True
            _LOG.warning("compiling kernels, once: a minute or two; until then this process answers nothing, also no stop")

    def on_end(self, event: event.Event) -> None:
        """Nothing is said."""


def announce() -> None:
    """From now on this process says so where it begins to compile kernels. Call it before they are imported."""
    event.register("numba:compile", _Announcer())


def make_room(probe: Callable) -> None:
    """Gives numba a folder of its own where it finds none that it can write to, as in a read-only installation without a home.

    Args:
        probe: A function of the package whose kernels come next; it is not compiled.

    Raises:
        KernelError: There is not even a folder for temporary files.
    """
    try:
        njit(cache=True)(probe)
        return
    except RuntimeError:  # numba: no locator available
        pass
    try:
        folder = tempfile.mkdtemp(prefix="vla_kernels_")
    except OSError as error:
        raise KernelError(
            f"compiled kernels can be kept nowhere: neither the installation, $HOME/.cache nor {tempfile.gettempdir()} can be "
            f"written to ({error.strerror}); set NUMBA_CACHE_DIR to a folder that can"
        ) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"] = folder  # the second for processes that this one starts
    _LOG.warning(
        "neither the installation nor $HOME/.cache can be written to: kernels are compiled at each start, a minute or two; set "
        "NUMBA_CACHE_DIR to a folder that keeps them"
    )
