"""What a page shows, as plain data: made by whoever reads the run, drawn by this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["EvaluationReport", "Picture", "RunReport", "StatisticsReport"]


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Attributes:
        data: its bytes.
        media_type: "image/svg+xml" or "image/png".
        alternative: what it shows, for those who cannot see it.
        caption: below it.
        pixelated: whether it is made of pixels that are to be seen as such.
    """

    data: bytes
    media_type: str
    alternative: str
    caption: str = ""
    pixelated: bool = False


@dataclass(frozen=True)
class EvaluationReport:
    """One table of `main.py evaluate`, with its figures.

    Attributes:
        file: its name.
        rows: as `anomaly_methods.table.Row.to_json` gives them; at least one.
        command: what repeats it.
        is_certain: whether the command has all options; else it is an outline.
        likelihoods: histograms of raw likelihood and ratio.
        scores: a histogram of the scores of each method.
        notes: sentences about what could not be drawn.
    """

    file: str
    rows: Sequence[Mapping[str, Any]]
    command: str
    is_certain: bool
    likelihoods: Sequence[Picture] = ()
    scores: Sequence[Picture] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class StatisticsReport:
    """One statistics file.

    Attributes:
        file: its name, with the folder where that is not the run's own.
        kind: name of the extractor.
        dataset: name of the set.
        split: of the set.
        rows: images, or groups of images.
        group_size: images in a row.
        dropped: images in no row.
        nonfinite: values that are not finite.
        seconds: time to compute it, if known.
        of_these_weights: whether it is of the weights that the run has now; None where no model is involved.
        versions: by library.
    """

    file: str
    kind: str
    dataset: str
    split: str
    rows: int
    group_size: int
    dropped: int
    nonfinite: int
    seconds: float | None
    of_these_weights: bool | None
    versions: Mapping[str, str]


@dataclass(frozen=True)
class RunReport:
    """All that a page says.

    Attributes:
        name: of the run.
        config: content of its config.json.
        step: training steps done; None where there is no checkpoint to tell.
        weights: SHA-256 of the weights, "" where there are none.
        seconds: time of training, if recorded.
        metrics: how well the model fits, from the last evaluation while training, by name.
        evaluations: tables.
        evaluate_command: what adds a table.
        sample_command: what adds pictures of samples.
        train_command: what repeats the training, or "" where no command does.
        statistics: files.
        curves: of the training.
        samples: pictures that the run holds.
        missing: {section: sentence} of what is not there, and why: "curves", "statistics", "train".
        problems: sentences about files that could not be read.
    """

    name: str
    config: Mapping[str, Any]
    step: int | None
    weights: str
    seconds: float | None
    metrics: Mapping[str, float]
    evaluations: Sequence[EvaluationReport]
    evaluate_command: str
    sample_command: str
    train_command: str
    statistics: Sequence[StatisticsReport]
    curves: Sequence[Picture]
    samples: Sequence[Picture]
    missing: Mapping[str, str]
    problems: Sequence[str]
