"""Judging many images, a piece at a time: which come first, which are flagged, and the table of all."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control

from anomaly_methods.calibration import Detection
from invglow.files import replacing

__all__ = ["discoveries", "most_anomalous_first", "put_together", "write_table"]


def put_together(pieces: Sequence[Detection]) -> Detection:
    """Return what was said about the images of all pieces, one after the other.

    Raises:
        ValueError: there is no piece.
    """
    if not pieces:
        raise ValueError("There are no judged images to put together.")
    return Detection(
        scores=_concatenated([piece.scores for piece in pieces]),
        p_values=_concatenated([piece.p_values for piece in pieces]),
        statistic=np.concatenate([piece.statistic for piece in pieces]),
        combined=np.concatenate([piece.combined for piece in pieces]),
    )


def most_anomalous_first(detection: Detection) -> NDArray[np.int64]:
    """Return the images' places (N,) by rising combined p-value; where it is the same, by the statistic.

    Images that agree in both stay in their order.
    """
    order: NDArray[np.int64] = np.lexsort((-detection.statistic, detection.combined)).astype(np.int64)
    return order


def discoveries(p_values: ArrayLike, rate: float) -> NDArray[np.bool_]:
    """Return which images to flag, (N,), so that of all flagged ones a share of at most `rate` is normal.

    The share is an expectation, over images and calibration images. p-values that share their calibration
    images depend on each other, but positively, which the Benjamini-Hochberg procedure allows.

    Args:
        p_values: (N,), conformal.
        rate: in (0, 1).

    References:
        Controlling the false discovery rate (Benjamini & Hochberg, 1995); for conformal p-values: Testing for
        outliers with conformal p-values (Bates et al., 2023), theorem 2.
    """
    adjusted = np.asarray(false_discovery_control(p_values, method="bh"))
    return adjusted <= rate


def write_table(
    path: Path, names: Sequence[str], detection: Detection, flagged: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Write a CSV file, one row per image, the most anomalous first, and return the order.

    Columns: path, p_value and score (of all methods together), flagged (True or False), and for each method m
    `m_score` and `m_p_value`. Names that are no text in UTF-8 are written byte for byte.

    Args:
        path: of the file, which is written whole or not at all.
        names: what to call the images, N.
        detection: of N images.
        flagged: (N,).

    Raises:
        OSError: the file cannot be written; an earlier one stays as it was.
    """
    order = most_anomalous_first(detection)
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        columns = [f"{name}_{what}" for name in detection.scores for what in ("score", "p_value")]
        writer.writerow(["path", "p_value", "score", "flagged", *columns])
        writer.writerows(_row(int(place), names, detection, flagged) for place in order)
    return order


def _row(place: int, names: Sequence[str], found: Detection, flagged: NDArray[np.bool_]) -> list[object]:
    together = [float(found.combined[place]), float(found.statistic[place]), bool(flagged[place])]
    return [names[place], *together, *_each_method(place, found)]


def _each_method(place: int, found: Detection) -> Iterator[float]:
    for name, scores in found.scores.items():
        yield float(scores[place])
        yield float(found.p_values[name][place])


def _concatenated(pieces: Sequence[Mapping[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
