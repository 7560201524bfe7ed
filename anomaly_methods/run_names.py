"""What figures and tables call runs: short, and never two of them the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["run_names"]

_CONFIG = "config.json"  # what a folder has that is a run


def run_names(runs: Sequence[Path]) -> list[str]:
    """Name runs by the last parts of their folders, by as few as tell them apart.

    `x/model` alone is "model", with `y/model` beside it "x/model". A run inside another one, as the general
    model that was trained with it, is named with that one too: "cifar10/general". The same folder twice has
    the same name.

    Args:
        runs: their folders, relative to anywhere.
    """
    folders = [Path(os.path.normpath(run.absolute())) for run in runs]  # links keep their names
    return [_name(folder, set(folders) - {folder}) for folder in folders]


def _name(folder: Path, others: set[Path]) -> str:
    least = 2 if (folder.parent / _CONFIG).is_file() else 1
    ends = [folder.parts[-count:] for count in range(least, len(folder.parts) + 1)]
    own = (end for end in ends if not any(other.parts[-len(end) :] == end for other in others))
    return str(Path(*next(own, folder.parts)))
