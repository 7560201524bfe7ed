"""Starting over: runs are deleted, and nothing that is not one."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["delete_runs"]


def delete_runs(*runs: Path) -> None:
    """Delete the runs that are there, all of them or, where one is not a run, none.

    Raises:
        FileNotFoundError: a folder holds something else than a run.
        ValueError: the configuration of a run is damaged.
    """
    from invglow.checkpoints import CONFIG, read_config

    there = [run for run in runs if run.exists() and any(run.iterdir())]
    for run in there:
        read_config(run)
    for run in there:
        for path in run.iterdir():
            if path.name != CONFIG:
                _delete(path)
        # Last, so that after a kill it is still known what this folder was.
        (run / CONFIG).unlink()
        run.rmdir()


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
