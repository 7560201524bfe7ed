"""Figures and samples as pictures inside a page."""

from __future__ import annotations

import io
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from plots.layout import laid_out
from plots.likelihood_histograms import Panel, make_figure
from plots.report.content import Picture
from plots.style import short_name, style

__all__ = ["data_uri", "drawn", "histogram", "saved_picture"]

_MOST_BYTES = 5_000_000
_MOST_PIXELS = 4096 * 4096


@contextmanager
def _for_a_page() -> Iterator[None]:
    """Draw for a page inside this context."""
    with mpl.rc_context(
        {
            "svg.fonttype": "path",  # the same letters everywhere, and no font to fetch
            "svg.hashsalt": "report",  # equal figures give equal bytes
            "axes.facecolor": "none",  # the page's own ground shows
        }
    ):
        yield


def drawn(draw: Callable[[], Figure], alternative: str, caption: str = "") -> Picture:
    """Return a figure as SVG.

    Args:
        draw: makes the figure.
        alternative: what it shows, for those who cannot see it.
        caption: below it.

    Raises:
        ValueError: the figure cannot be drawn.
    """
    content = io.BytesIO()
    with warnings.catch_warnings(), _for_a_page():
        # A letter that the font lacks is shown as a box; the caption and the tables have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = laid_out(draw())
        with style(), _for_a_page():
            figure.savefig(content, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Picture(content.getvalue(), "image/svg+xml", alternative, caption)


def histogram(panel: Panel, caption: str = "") -> Picture:
    """Return the histogram of one set of scores per image set, with its numbers in words.

    Raises:
        ValueError: a set has no finite score, or there are more sets than colours.
    """
    sets = panel.sets()
    inside, *_ = sets
    aurocs = panel.aurocs()
    words = [f"{short_name(inside)} (in-distribution): {_middle(panel, inside)}"]
    words += [
        f"{short_name(name)} (out-of-distribution): {_middle(panel, name)}, AUROC {auroc:.3f}"
        for name, auroc in aurocs.items()
    ]
    alternative = f"Histograms. {panel.title}; horizontal axis: {panel.axis}. {'; '.join(words)}."
    return drawn(lambda: make_figure([panel]), alternative, caption)


def saved_picture(path: Path) -> Picture:
    """Return a PNG file as a picture, without whatever else the file holds.

    Raises:
        ValueError: it is no PNG, damaged, or too large for a page.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            width, height = image.size
            if width * height > _MOST_PIXELS:
                raise ValueError(f"{path.name} has {width} x {height} pixels, too many for a page.")
            content = io.BytesIO()
            image.convert("RGB").save(content, format="PNG", optimize=True)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is not a picture that can be read: {error}.") from error
    if len(content.getvalue()) > _MOST_BYTES:
        raise ValueError(f"{path.name} takes {len(content.getvalue()) / 1e6:.0f} MB, too many for a page.")
    words = f"Picture {path.name}, {width} x {height} pixels."
    return Picture(content.getvalue(), "image/png", words, path.name, pixelated=True)


def data_uri(picture: Picture) -> str:
    """Return what `src` of an image takes to hold the picture itself."""
    return f"data:{picture.media_type};base64,{b64encode(picture.data).decode()}"


def _middle(panel: Panel, name: str) -> str:
    scores = panel.sets()[name]
    finite = scores[np.isfinite(scores)]
    return f"median {np.median(finite):.4g} of {len(scores):,}"
