"""What was measured on: processor, memory, versions, how busy; and the peak memory of a process."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import sys
from pathlib import Path

import torch

__all__ = ["describe_machine", "peak_memory"]

_LIBRARIES = ("torch", "numpy", "normflows")
_KIB = 1024


def describe_machine() -> dict[str, object]:
    """Return the facts that a measurement means little without."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _LIBRARIES},
        "load_before": round(os.getloadavg()[0], 2),
    }


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes.

    Linux's `getrusage` starts a child at the peak of its parent, so its own count is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * _KIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIB


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", maxsplit=1)[1].strip()
    return platform.processor() or platform.machine()


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None
