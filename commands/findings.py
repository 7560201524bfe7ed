"""What `main.py detect` says and draws."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from commands.detecting import Flagging

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anomaly_methods.calibration import CalibratedMethods, Detection
    from invglow.data.image_set import ImageSet

__all__ = ["Findings", "plain_warnings", "print_calibration", "print_findings", "save_sheet"]

# So many pictures are named on the terminal.
_NAMED = 5


@dataclass(frozen=True)
class Findings:
    """What was found about N pictures.

    Args:
        images: the pictures.
        detection: scores and p-values.
        flagged: (N,).
    """

    images: ImageSet
    detection: Detection
    flagged: NDArray[np.bool_]

    @property
    def names(self) -> Sequence[str]:
        """Paths of the pictures, or the numbers of their rows, from 0, where a set has no paths."""
        return self.images.paths or [str(row) for row in range(len(self.images))]

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Places of the pictures, the most anomalous first, (N,)."""
        from anomaly_methods.detection import most_anomalous_first

        return most_anomalous_first(self.detection)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print warnings, such as those about pictures that cannot be read, without their place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield
    for warning in caught:
        print(_printable(str(warning.message)))


def print_calibration(calibrated: CalibratedMethods, reference: ImageSet) -> None:
    """Say which methods judge, on how many images they were calibrated, and how low p-values can be."""
    groups, total = calibrated.groups, len(reference)
    print(f"Methods: {', '.join(calibrated.scorers)}.")
    print(
        f"Calibrated on {groups:,} of the {total:,} images of {reference.name} ({reference.split}); the "
        f"methods learnt from the other {total - groups:,}. The lowest p-value is 1/{groups + 1:,}."
    )
    if bad := _nonfinite(calibrated.calibration):
        print(f"Not finite: scores of {bad:,} of the {groups:,}, which count as the most anomalous.")


def print_findings(found: Findings, flagging: Flagging, calibrated: CalibratedMethods) -> None:
    """Say how many pictures are flagged, what that means, and which are the most anomalous."""
    flagged, count = int(found.flagged.sum()), len(found.flagged)
    if bad := _nonfinite(found.detection.scores):
        print(f"Not finite: scores of {bad:,} of the {count:,} pictures, which count as the most anomalous.")
    print(f"Flagged: {flagged:,} of {count:,} pictures of {found.images.name}, {_meaning(flagging, count)}")
    if (least := flagging.least_together(calibrated, count)) > 1:
        print(
            f"With so few calibration images, nothing is flagged unless {least:,} pictures together are as "
            "anomalous as can be told: calibrate on more."
        )
    print("The most anomalous:")
    for place in found.order[:_NAMED]:
        print(f"  p = {found.detection.combined[place]:.2g}  {_printable(found.names[place])}")


def save_sheet(path: Path, found: Findings, count: int) -> None:
    """Draw the most anomalous as the model sees them, with rank and p-value; flagged ones are framed."""
    from plots.contact_sheet import save_contact_sheet

    places = found.order[:count]
    pixels = found.images.batch(places).permute(0, 2, 3, 1).numpy()
    p_values = found.detection.combined[places]
    captions = [f"{rank}  p = {p:.2g}" for rank, p in enumerate(p_values, start=1)]
    save_contact_sheet(path, pixels, captions, found.flagged[places])


def _meaning(flagging: Flagging, count: int) -> str:
    if flagging.false_discoveries is not None:
        return f"of which a share of at most {flagging.rate:g} is normal, on average."
    return f"with p <= {flagging.rate:g}; if all were normal, about {count * flagging.rate:.0f} would be."


def _nonfinite(scores: Mapping[str, NDArray[np.float64]]) -> int:
    """Return for how many images any method's score is NaN or infinite."""
    import numpy as np

    return int(np.count_nonzero(~np.isfinite(list(scores.values())).all(axis=0)))


def _printable(text: str) -> str:
    """Return text that any terminal takes: a name need not be text in any encoding."""
    return text.encode("utf-8", "backslashreplace").decode()
