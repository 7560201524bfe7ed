"""What a report says of a run, read from its folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anomaly_methods.meta import COMPLEXITY_KINDS
from commands.repeating import outline, shell
from commands.repeating_training import train_command
from commands.report_evaluations import Evaluated, read_rows
from commands.report_statistics import Saved, saved_statistics
from invglow.checkpoints import (
    Checkpoint,
    load_training_state,
    newest_checkpoint,
    read_config,
    weights_sha256,
)
from models.runs import general_run_of
from plots.report.content import EvaluationReport, Picture, RunReport, StatisticsReport
from plots.report.curves import last_values, training_pictures
from plots.report.pictures import saved_picture
from plots.training_metrics import TrainingMetrics, read_training_metrics

__all__ = ["RunReader"]


@dataclass
class RunReader:
    """Reads a run, and collects sentences about what is missing or cannot be read.

    Args:
        folder: of the run.
        named: the run as the user names it.
        general: the general model, if named.
        tables: files of `main.py evaluate`; by default those in the folder.
    """

    folder: Path
    named: str
    general: Path | None = None
    tables: Sequence[Path] = ()
    missing: dict[str, str] = field(default_factory=dict, init=False)
    problems: list[str] = field(default_factory=list, init=False)

    def report(self) -> RunReport:
        """Return all that a page says.

        Raises:
            FileNotFoundError: there is no such run, or a table that was named is not there.
            ValueError: the run's configuration, or a table that was named, is damaged.
        """
        config = read_config(self.folder)
        checkpoint, weights = self._checkpoint()
        own = saved_statistics(self.folder, "specific", self.problems)
        general = self._general_statistics()
        if not own:
            self.missing["statistics"] = "The folder holds no statistics files; evaluate computes them."
        metrics = self._metrics()
        return RunReport(
            name=self.folder.resolve().name,
            config=config,
            step=checkpoint.step if checkpoint else None,
            weights=weights,
            seconds=self._seconds(checkpoint),
            metrics=last_values(metrics) if metrics else {},
            evaluations=self._evaluations([*own, *general]),
            evaluate_command=outline(self.named),
            sample_command=shell(
                ["sample", "--run", self.named, "--output", str(self.folder / "samples.png")]
            ),
            train_command=self._train_command(config),
            statistics=[_described(item, weights) for item in own],
            curves=self._curves(metrics),
            samples=self._samples(),
            missing=self.missing,
            problems=self.problems,
        )

    def _checkpoint(self) -> tuple[Checkpoint | None, str]:
        """Return the newest checkpoint, if any, and the SHA-256 of the weights, if any."""
        try:
            checkpoint = newest_checkpoint(self.folder)
            self.problems += checkpoint.problems if checkpoint else ()
            return checkpoint, weights_sha256(self.folder)
        except (ValueError, OSError) as error:
            self.problems.append(str(error))
            return None, ""

    def _seconds(self, checkpoint: Checkpoint | None) -> float | None:
        if checkpoint is None:
            return None
        try:
            seconds = load_training_state(checkpoint).get("seconds")
        except (ValueError, OSError) as error:
            self.problems.append(str(error))
            return None
        return float(seconds) if isinstance(seconds, int | float) and math.isfinite(seconds) else None

    def _general_statistics(self) -> list[Saved]:
        try:
            folder = self.general or general_run_of(self.folder)
        except (ValueError, OSError) as error:
            self.problems.append(f"No statistics of the general model are read. {error}")
            return []
        return saved_statistics(folder, "general", self.problems) if folder else []

    def _evaluations(self, saved: Sequence[Saved]) -> list[EvaluationReport]:
        """Return the tables; a damaged one is told of, unless it was asked for."""
        named = None if self.general is None else str(self.general)
        maker = Evaluated(self.named, named, saved)
        if self.tables:
            return [maker.report(path, read_rows(path)) for path in self.tables]
        found = []
        for path in sorted(self.folder.glob("evaluation-*.json")):
            try:
                found.append(maker.report(path, read_rows(path)))
            except (ValueError, OSError) as error:
                self.problems.append(str(error))
        return found

    def _train_command(self, config: dict[str, Any]) -> str:
        try:
            return train_command(self.named, config)
        except ValueError as error:
            self.missing["train"] = str(error)
            return ""

    def _metrics(self) -> TrainingMetrics | None:
        if not (self.folder / "metrics.jsonl").is_file():  # of an imported run, or deleted
            self.missing["curves"] = "There are no training curves: the folder holds no metrics.jsonl."
            return None
        try:
            return read_training_metrics(self.folder, self.folder.resolve().name)
        except (ValueError, OSError) as error:
            self.missing["curves"] = f"There are no training curves. {error}"
            return None

    def _curves(self, metrics: TrainingMetrics | None) -> list[Picture]:
        try:
            return training_pictures(metrics) if metrics else []
        except ValueError as error:
            self.missing["curves"] = f"There are no training curves. {error}"
            return []

    def _samples(self) -> list[Picture]:
        found = []
        for path in sorted(self.folder.glob("samples*.png")):
            try:
                found.append(saved_picture(path))
            except (ValueError, OSError) as error:
                self.problems.append(str(error))
        return found


def _described(item: Saved, weights: str) -> StatisticsReport:
    meta = item.meta
    return StatisticsReport(
        file=item.path.name,
        kind=meta.kind,
        dataset=meta.dataset,
        split=meta.split,
        rows=item.rows,
        group_size=meta.group_size,
        dropped=meta.dropped,
        nonfinite=item.nonfinite,
        seconds=meta.seconds,
        of_these_weights=None if meta.kind in COMPLEXITY_KINDS else meta.checkpoint_sha256 == weights,
        versions={str(name): str(version) for name, version in meta.versions.items()},
    )
