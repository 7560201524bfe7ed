"""Looking up the statistics that a figure shows; what is missing is named with the command that makes it.

    finder = Finder(Selection(limit=2000, group_size=5), compute=False)
    finder.require([Need(run, ("cifar10", "svhn"), ("likelihood", "gradients"))])  # all, before any work
    statistics = finder.statistics(run, "svhn", "gradients")
    found = finder.sources({"specific": run}, "svhn", method.sources.values())  # as evaluation.py takes it

No model is read: with `compute=True` what is missing is made by that very command, in a process of its own.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anomaly_methods.meta import COMPLEXITY_KINDS, MODEL_FIELDS
from anomaly_methods.methods.sources import Source
from anomaly_methods.statistics import Statistics
from anomaly_methods.stored import Selection

__all__ = ["Finder", "Need", "is_outdated", "require_alike"]

_ROOT = Path(__file__).parents[1]
_WEIGHTS = "model.safetensors"
# What must agree between the statistics that one figure compares.
_ALIKE = (*MODEL_FIELDS, "split")


@dataclass(frozen=True)
class Need:
    """Statistics of these kinds of each of these sets under one run."""

    run: Path
    specs: Sequence[str]
    kinds: Sequence[str] = ("likelihood",)


@dataclass(frozen=True)
class Finder:
    """Finds statistics in the folders of runs.

    Attributes:
        selection: which images, prepared how, judged how many at a time.
        compute: whether to make what is missing.
    """

    selection: Selection = field(default_factory=Selection)
    compute: bool = False

    def require(self, needs: Iterable[Need]) -> None:
        """Make sure that everything is there, so that a figure fails before any work or not at all.

        Raises:
            FileNotFoundError: some is missing; the sentence holds the command to copy.
            ValueError: with `compute`, that command did not succeed.
        """
        commands = [command for need in needs if (command := self._command(need)) is not None]
        if commands and not self.compute:
            lines = " && ".join(shlex.join(["python", *words]) for words in commands)
            raise FileNotFoundError(
                "Statistics for this figure are missing: make them with --compute, or with this command: "
                f"{lines}"
            )
        for words in commands:
            _run(words)

    def statistics(self, run: Path, spec: str, kind: str = "likelihood") -> Statistics:
        """Return the statistics of one kind of a set under a run.

        Raises:
            FileNotFoundError: there are none; the sentence holds the command to copy.
            ValueError: the file is damaged, or of other weights than the run has now.
        """
        self.require([Need(run, (spec,), (kind,))])
        path = self.selection.path(run, spec, kind)
        statistics = Statistics.load(path)
        if kind not in COMPLEXITY_KINDS and is_outdated(statistics, run):
            again = shlex.join(["python", *self.selection.command(run, [spec], [kind]), "--recompute"])
            raise ValueError(f"{path} is of other weights than {run} has now: compute it again with {again}")
        return statistics

    def sources(
        self, models: Mapping[str, Path], spec: str, sources: Iterable[Source]
    ) -> dict[Source, Statistics]:
        """Return all that there is to know about one set, as `anomaly_methods.evaluation` takes it.

        Args:
            models: {role: run}, "specific" among them.
            spec: the set.
            sources: what is wanted, of these roles.
        """
        return {source: self.statistics(models[source.role], spec, source.kind) for source in sources}

    def _command(self, need: Need) -> list[str] | None:
        """Return the words of the command that makes what is missing, or None where nothing is."""
        missing = [
            (spec, kind)
            for spec in dict.fromkeys(need.specs)
            for kind in dict.fromkeys(need.kinds)
            if not self.selection.path(need.run, spec, kind).is_file()
        ]
        if not missing:
            return None
        specs, kinds = (list(dict.fromkeys(words)) for words in zip(*missing, strict=True))
        return self.selection.command(need.run, specs, kinds)


def require_alike(statistics: Sequence[Statistics]) -> None:
    """Refuse to compare statistics of different models, kinds, group sizes or settings in one figure.

    Raises:
        ValueError: naming what differs, and both values; or there are none.
    """
    if not statistics:
        raise ValueError("A figure needs the statistics of at least one set, got none.")
    first = statistics[0].meta
    for meta in (item.meta for item in statistics[1:]):
        for name in _ALIKE:
            one, other = getattr(first, name), getattr(meta, name)
            if one != other:
                raise ValueError(
                    f"A figure compares statistics that were computed alike, but {name} is {one!r} of "
                    f"{first.dataset!r} ({first.model!r}) and {other!r} of {meta.dataset!r} "
                    f"({meta.model!r}): draw two figures, or compute one of them again."
                )


def _run(words: Sequence[str]) -> None:
    """Run main.py with this Python; its output goes where ours goes."""
    print("Computing:", shlex.join(["python", *words]), flush=True)
    code = subprocess.run([sys.executable, str(_ROOT / words[0]), *words[1:]], check=False).returncode
    if code:
        raise ValueError(f"This did not succeed (exit code {code}): {shlex.join(['python', *words])}")


def is_outdated(statistics: Statistics, run: Path) -> bool:
    """Return whether the run says that its weights are others; a run without a checkpoint says nothing."""
    try:
        recorded = json.loads((run / "checkpoint.json").read_text())["sha256"][_WEIGHTS]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(recorded != statistics.meta.checkpoint_sha256)
