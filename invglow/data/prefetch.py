"""Compute a few items ahead in a background thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

Item = TypeVar("Item")


def ahead(make: Callable[[int], Item], indices: Iterable[int], depth: int = 4) -> Iterator[Item]:
    """Yield make(index) for each of `indices` (which may have no end), computed up to `depth` ahead.

    An error in `make` is raised at the item it belongs to. The thread ends when the iterator does.
    """
    waiting: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as pool:
        try:
            for index in indices:
                waiting.append(pool.submit(make, index))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
