"""Choosing the device by name."""

from __future__ import annotations

import ignite.distributed as idist
import torch

__all__ = ["resolve_device"]


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; `auto` is a GPU where there is one, else the CPU.

    In a data-parallel run, `auto` is this process's own device.

    Raises:
        ValueError: if the name is unknown or the device is not on this machine.
    """
    if name == "auto":
        if idist.get_world_size() > 1:
            return idist.device()
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"Device {name!r} cannot be used here ({reason}): use auto, cpu or cuda.") from error
    return device
