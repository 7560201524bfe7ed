"""Text of figures, broken into lines by the room that it takes on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

__all__ = ["wrapped"]

_POINTS = 72  # in an inch
_SEPARATORS = (r"/|\.(?!\d)", "[-_]")  # the best first
_KEPT = "\N{NO-BREAK SPACE}"


def wrapped(text: str, width: float = 2.6, size: float = 8) -> str:
    """Break a text into lines that are not too wide: between words, and inside one that is too wide alone.

    Such a word, as the name of a file or a run, is broken after one of its separators if that fills half of a
    line. Nothing is broken in "n = 5" and "group size 5". Lines that the text has stay lines.

    Args:
        text: where a no-break space is kept, and becomes a plain one.
        width: of a line at most, in inches; 2.6 has the title of a panel 3.3 wide.
        size: of the letters, in points.
    """
    kept = text.replace(" = ", f"{_KEPT}={_KEPT}").replace("group size ", f"group{_KEPT}size{_KEPT}")
    broken = (line for given in kept.split("\n") for line in _lines(given, width, size))
    return "\n".join(broken).replace(_KEPT, " ")


def _lines(text: str, width: float, size: float) -> Iterator[str]:
    line = ""
    for word in filter(None, text.split(" ")):
        if _inches(f"{line} {word}".lstrip(), size) <= width:
            line = f"{line} {word}".lstrip()
            continue
        *whole, rest = _pieces(word, width, size)
        yield from filter(None, (line, *whole))
        line = rest
    yield line


def _pieces(word: str, width: float, size: float) -> Iterator[str]:
    while _inches(word, size) > width and len(word) > 1:
        most = next(n for n in range(1, len(word)) if _inches(word[: n + 1], size) > width)
        places = range(most, most // 2, -1)
        ends = (n for separator in _SEPARATORS for n in places if re.match(separator, word[n - 1 :]))
        end = next(ends, most)
        yield word[:end]
        word = word[end:]
    yield word


def _inches(text: str, size: float) -> float:
    width, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(width) / _POINTS
