"""The machine that figures were measured on, named beside them."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy  # noqa: F401 - its linear algebra is what is asked for
from numba.core.registry import cpu_target
from threadpoolctl import threadpool_info


def describe_machine() -> dict:
    """Processor, cores, memory [GiB], operating system and Python, ready for JSON.

    linear_algebra: the kernels that sum. compiled_for: the kind of processor that numba's functions are compiled for. Two kinds
    may bear the same name of the processor, and round otherwise.
    """
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "linear_algebra": _kernels(),
        "compiled_for": cpu_target.target_context.codegen().magic_tuple()[1],
        "load_before": round(os.getloadavg()[0], 2),
    }


def _kernels() -> str:
    """Which kernels the linear algebra chose for this processor: sums are rounded by them."""
    found = {f"{info.get('internal_api')} {info.get('architecture', '')}".strip() for info in threadpool_info()}
    return ", ".join(sorted(name for name in found if name.startswith(("openblas", "mkl", "blis")))) or "unknown"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
