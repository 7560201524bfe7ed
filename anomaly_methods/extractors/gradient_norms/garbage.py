"""Python's collector of cyclic garbage, out of the way for a moment."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collection_paused"]


@contextmanager
def collection_paused() -> Iterator[None]:
    """Let no garbage collection begin by itself.

    One pass makes thousands of objects that hold each other and are freed without the collector when it is
    over. Collections on the way find nothing, but promote them, and so bring about collections of all that
    the process holds: a tenth of the time of a pass, measured.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
