"""The table that the benchmark prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.speed import SpeedResult

__all__ = ["machine_line", "markdown_table", "memory_table", "speed_table"]

_MIB = 1024**2


def machine_line(machine: Mapping[str, Any]) -> str:
    """Return one sentence about the machine."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    return (
        f"{machine['processor']}, {machine['threads']} threads of {machine['cores']} cores, "
        f"Python {machine['python']}, {versions}; load before: {machine['load_before']}"
    )


def speed_table(results: Sequence[SpeedResult]) -> str:
    """Return a Markdown table: rates, how many times faster ours is, and the share of the sgemm rate."""
    others = list(dict.fromkeys(name for result in results for name in result.ours_against))
    header = ["channels", "pass", "ours, images/s"]
    header += [text for name in others for text in (f"{name}, images/s", f"ours / {name}")]
    rows = [_speed_row(result, others) for result in results]
    return markdown_table([*header, "of sgemm"], rows)


def _speed_row(result: SpeedResult, others: Sequence[str]) -> list[str]:
    row = [str(result.hidden_channels), result.what, f"{result.images_per_second['ours']:.1f}"]
    for name in others:
        rate, ratio = result.images_per_second.get(name), result.ours_against.get(name)
        row += ["-", "-"] if rate is None or ratio is None else [f"{rate:.1f}", f"{ratio:.2f}x"]
    return [*row, f"{result.fraction_of_sgemm:.2f}"]


def memory_table(peaks: Mapping[tuple[int, str, str], int]) -> str:
    """Return a Markdown table of peaks in MiB: (channels, pass, contestant) -> bytes above the imports."""
    contestants = list(dict.fromkeys(name for _, _, name in peaks))
    lines = dict.fromkeys((channels, what) for channels, what, _ in peaks)
    rows = [
        [str(channels), what, *(f"{peaks[channels, what, name] / _MIB:.0f}" for name in contestants)]
        for channels, what in lines
    ]
    return markdown_table(["channels", "pass", *(f"{name}, MiB" for name in contestants)], rows)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def lines() -> Iterator[str]:
        yield _line(header, widths)
        yield _line(["-" * width for width in widths], widths)
        yield from (_line(row, widths) for row in rows)

    return "\n".join(lines())


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"
