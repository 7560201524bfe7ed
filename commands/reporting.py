"""What commands say about statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anomaly_methods.meta import COMPLEXITY_KINDS
from commands.fisher_information import FISHER_KINDS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from anomaly_methods.statistics import Statistics

__all__ = ["dropped", "print_statistics"]

# Names of what is not finite that are said; all of them are in the file.
NAMED = 3


def print_statistics(spec: str, statistics: Statistics, path: Path) -> None:
    """Say how much there is, where, what was left out and what is not finite."""
    print(f"{spec}: {_summary(statistics)}, {path}")
    for sentence in filter(None, (dropped(statistics), _standard_error(statistics))):
        print(f"  {sentence}")
    bad = {name: count for name, count in statistics.nonfinite().items() if count}
    if bad:
        few = ", ".join(f"{name} {count}" for name, count in list(bad.items())[:NAMED])
        rest = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        print(f"  not finite: {few}{rest}")


def dropped(statistics: Statistics) -> str:
    """Say how many images at the end of the set are in no row; empty where all of them are."""
    if not statistics.meta.dropped:
        return ""
    return f"left out: the last {statistics.meta.dropped} images, which make no whole group"


def _standard_error(statistics: Statistics) -> str:
    """Say how well log p is known, where it is the mean over random draws; else nothing."""
    import numpy as np

    from anomaly_methods.extractors.likelihood import STANDARD_ERROR

    meta = statistics.meta
    if meta.kind != "likelihood" or STANDARD_ERROR not in statistics.values:
        return ""
    errors, unit = statistics.value(STANDARD_ERROR), ""
    if meta.bound != "surrogate":
        errors, unit = errors / (meta.group_size * np.prod(meta.image_shape) * np.log(2)), " bits/dim"
    one = float(np.sqrt(np.mean(errors**2)))
    rows = "image" if meta.group_size == 1 else "group"
    return (
        f"standard error of the estimate: {one:.3g}{unit} of one {rows}, "
        f"{one / np.sqrt(len(statistics)):.2g}{unit} of the mean"
    )


def _summary(statistics: Statistics) -> str:
    import numpy as np

    from invglow.data.preprocessing import bits_per_dim

    meta = statistics.meta
    alone = meta.group_size == 1
    rows = f"{len(statistics)} images" if alone else f"{len(statistics)} groups of {meta.group_size} images"
    if meta.kind in ("gradients", *FISHER_KINDS, "classes"):
        return f"{rows}, {len(statistics.values)} {'classes' if meta.kind == 'classes' else 'tensors'}"
    dimensions = meta.group_size * int(np.prod(meta.image_shape))
    if meta.kind in COMPLEXITY_KINDS:
        bits = statistics.value("code_length") / (dimensions * np.log(2))
        return f"{rows}, {np.mean(bits):.3f} bits/dim as {meta.model}"
    log_prob = statistics.value("log_prob")
    if meta.bound == "surrogate":
        how = f"{meta.evaluation}; " if meta.evaluation else ""
        return f"{rows}, a mean of {_mean(log_prob)} for log p ({how}surrogate: no likelihood)"
    how = f", {meta.evaluation}" if meta.evaluation else ""
    bound = "" if meta.bound == "exact" else f" (upper bound, {meta.bound}{how})"
    return f"{rows}, {_mean(bits_per_dim(log_prob, dimensions), ' bits/dim')}{bound}"


def _mean(values: NDArray[np.floating[Any]], unit: str = "") -> str:
    """Return the mean of what is finite, and say of how many where that is not all."""
    import numpy as np

    finite = values[np.isfinite(values)]
    if not len(finite):
        return f"no finite{unit or ' value'}"
    part = "" if len(finite) == len(values) else f" (mean of the {len(finite)} that are finite)"
    return f"{finite.mean():.3f}{unit}{part}"
