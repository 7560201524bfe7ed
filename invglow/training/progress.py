"""The bar that says how far a training is; it measures its speed whether it is shown or not."""

from __future__ import annotations

import sys
from typing import Any

import ignite.distributed as idist
from tqdm import tqdm

__all__ = ["ProgressBar"]


class _Nowhere:
    """A stream whose text is thrown away."""

    def write(self, _: str) -> None:
        pass

    def flush(self) -> None:
        pass


class ProgressBar:
    """Steps of a training, of the first process.

    Args:
        name: of the training.
        steps: in all.
        start: done before.
        shown: draw the bar on standard error, and print messages.
    """

    def __init__(self, name: str, steps: int, start: int, *, shown: bool) -> None:
        self._shown = shown and idist.get_rank() == 0
        stream: Any = sys.stderr if self._shown else _Nowhere()
        self._bar = tqdm(total=steps, initial=start, unit="step", desc=name, file=stream)

    @property
    def steps_per_second(self) -> float:
        """Of the last steps; 0 before there are any."""
        return self._bar.format_dict["rate"] or 0.0

    def update(self) -> None:
        """Count one step."""
        self._bar.update()

    def note(self, text: str) -> None:
        """Show a text behind the bar."""
        self._bar.set_postfix_str(text)

    def print(self, text: str) -> None:
        """Print a line above the bar."""
        if self._shown:
            self._bar.write(text)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
