"""Where the statistics of a run are kept, by which name, and the command that computes them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_methods.fisher_options import FISHER_KINDS, FisherOptions
from anomaly_methods.meta import COMPLEXITY_KINDS

__all__ = ["Selection", "checksum", "evaluation_label", "run_folder", "slug"]


@dataclass(frozen=True)
class Selection:
    """Which images of a set, prepared how and judged how many at a time.

    Attributes:
        split: "test" or "train".
        limit: the first N images only.
        grey: whether colours become luma.
        noise_draws: 0 for the centres of the bins, else draws of noise to take the mean over.
        seed: of the noise and of the images of the Fisher information.
        group_size: images that are judged together.
        fisher: how the Fisher information is estimated, for the kinds that need it.
        evaluation: {setting: value} that the model is evaluated with instead of its run's own.
    """

    split: str = "test"
    limit: int | None = None
    grey: bool = False
    noise_draws: int = 0
    seed: int = 0
    group_size: int = 1
    fisher: FisherOptions = field(default_factory=FisherOptions)
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    def path(self, run: Path, spec: str, kind: str, part: str = "") -> Path:
        """Return where statistics of a set lie in a run's folder; `part` names some of its images."""
        of_model = kind not in COMPLEXITY_KINDS
        settings = [
            self.split,
            f"first{self.limit}" if self.limit else "",
            part,
            "grey" if self.grey else "",
            f"noise{self.noise_draws}-seed{self.seed}" if self.noise_draws and of_model else "",
            evaluation_label(self.evaluation) if of_model else "",
            f"groups{self.group_size}" if self.group_size != 1 else "",
            f"{kind}-{self.fisher.label}" if kind in FISHER_KINDS else kind,
        ]
        name = "-".join([slug(spec), *(part for part in settings if part)])
        return run / "statistics" / f"{name}.npz"

    def command(self, run: Path, specs: Sequence[str], kinds: Sequence[str]) -> list[str]:
        """Return the words after `python` of the command that computes statistics of sets under a run."""
        sets = ["--run", str(run), "--data", *specs, "--statistics", *kinds]
        return ["main.py", "statistics", *sets, *self._options(kinds)]

    def _options(self, kinds: Sequence[str]) -> Iterator[str]:
        standard = Selection()
        for name in ("split", "limit", "noise_draws", "seed", "group_size"):
            if (value := getattr(self, name)) != getattr(standard, name):
                yield from (f"--{name.replace('_', '-')}", str(value))
        if self.grey:
            yield "--grey"
        if self.evaluation:
            yield "--evaluation-setting"
            yield from (f"{name}={value}".lower() for name, value in sorted(self.evaluation.items()))
        if set(kinds) & set(FISHER_KINDS):
            for name in ("source", "images", "damping"):
                if (value := getattr(self.fisher, name)) != getattr(standard.fisher, name):
                    yield from (f"--fisher-{'from' if name == 'source' else name}", str(value))


def evaluation_label(settings: Mapping[str, Any]) -> str:
    """Name settings of evaluation in file names; empty without any."""
    return "-".join(f"{name}_{value}".lower() for name, value in sorted(settings.items()))


def run_folder(name: str, runs: Path) -> Path:
    """Return the folder of a run that is to be read: a path, or else a name in the folder of runs."""
    path = Path(name).expanduser()
    in_runs_folder = runs / path
    holds_run = (path / "config.json").exists() or not (in_runs_folder / "config.json").exists()
    return path if holds_run else in_runs_folder


def slug(spec: str) -> str:
    """Return a file name for a set or a run: its last words, and a checksum where it holds a path."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", spec).strip("-")
    return f"{words[-40:].lstrip('-')}-{checksum(spec)}" if "/" in spec else words


def checksum(text: str) -> str:
    """Return eight letters that tell one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]
