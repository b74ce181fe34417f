"""Devices and types of numbers by the names that users give."""

from __future__ import annotations

import torch

from vla_policy.errors import DeviceError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def available_devices() -> list[str]:
    """cpu, then what this machine has beside it."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *cuda, *["mps"] * torch.backends.mps.is_available()]


def find_device(name: str) -> torch.device:
    """`cpu`, `cuda` (the first), `cuda:1`, `mps`. Raises DeviceError naming those that there are."""
    there = available_devices()
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in there:
        raise DeviceError(f"device '{name}' is not there, this machine has: {', '.join(there)}")
    return torch.device(wanted)


def find_dtype(name: str) -> torch.dtype:
    """`float32` or `bfloat16`. Raises DeviceError."""
    if name not in DTYPES:
        raise DeviceError(f"dtype '{name}' is unknown, there are: {', '.join(DTYPES)}")
    return DTYPES[name]


def finish(device: torch.device) -> None:
    """Waits until the device has done all that it was given: clocks may stop only then."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
