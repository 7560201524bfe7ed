"""Running modules as programs, in this process."""

from __future__ import annotations

import runpy
import sys
from importlib.util import find_spec

__all__ = ["run_module"]


def run_module(name: str) -> None:
    """Run a module or a package as `python -m NAME` does, though it may have been imported before."""
    spec = find_spec(name)
    is_package = spec is not None and spec.submodule_search_locations is not None
    program = f"{name}.__main__" if is_package else name
    imported = sys.modules.pop(program, None)  # or runpy warns that it runs it twice
    try:
        runpy.run_module(name, run_name="__main__")
    finally:
        if imported is not None:
            sys.modules[program] = imported
