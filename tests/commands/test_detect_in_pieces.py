"""`main.py detect` on large sets: the same numbers in pieces, constant memory, and going on after a kill."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from anomaly_methods.calibration import CalibratedMethods, Detection
from anomaly_methods.methods.sources import SourceStatistics
from anomaly_methods.statistics import Statistics
from models.glow import Glow
from tests.commands.calls import Call, Hierarchy
from tests.commands.detections import command, pictures, table


def small_pieces(monkeypatch: pytest.MonkeyPatch, images: int) -> None:
    monkeypatch.setattr("commands.pieces.PIECE", images)


def test_pieces_change_nothing(copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(copied.folder / "new", 11)
    assert call(*command(copied, images=images)).code == 0
    whole = table(copied.folder / "scores.csv")
    small_pieces(monkeypatch, 4)
    assert call(*command(copied, images=images)).code == 0
    in_pieces = table(copied.folder / "scores.csv")
    assert [row["path"] for row in in_pieces] == [row["path"] for row in whole]
    for one, other in zip(in_pieces, whole, strict=True):
        assert float(one["p_value"]) == float(other["p_value"])
        assert float(one["score"]) == pytest.approx(float(other["score"]), rel=1e-3)
    names = sorted(path.name for path in (copied.specific / "statistics").glob("*new*from*"))
    assert [name.split("-")[-2] for name in names] == ["from0", "from4", "from8"]


def test_memory_does_not_grow_with_the_number_of_pictures(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of statistics, the calibration images' and two pieces' are in memory at most, of 10 and of 40."""
    rows: list[int] = []
    judge = CalibratedMethods.detect

    def counting(self: CalibratedMethods, images: SourceStatistics) -> Detection:
        rows.append(sum(len(found) for found in gc.get_objects() if type(found) is Statistics))
        return judge(self, images)

    def most_rows(count: int) -> int:
        gc.collect()
        rows.clear()
        images = pictures(copied.folder / f"new{count}", count)
        assert call(*command(copied, "--method", "typicality", images=images)).code == 0
        assert len(rows) == count // 5
        return max(rows)

    monkeypatch.setattr(CalibratedMethods, "detect", counting)
    small_pieces(monkeypatch, 5)
    assert most_rows(40) == most_rows(10)


def interrupted_at(batch: int, real: Callable[..., object], batches: list[int]) -> Callable[..., object]:
    def scale_terms(self: Glow, x: object) -> object:
        batches.append(len(batches))
        if len(batches) == batch:
            raise KeyboardInterrupt
        return real(self, x)

    return scale_terms


def test_an_interrupted_detection_goes_on(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pieces(monkeypatch, 4)
    images = pictures(copied.folder / "new", 12)
    batches: list[int] = []
    with monkeypatch.context() as patch:  # two models on the calibration images, then on three pieces
        patch.setattr(Glow, "scale_terms", interrupted_at(6, Glow.scale_terms, batches))
        assert call(*command(copied, images=images)).code == 130
    assert not (copied.folder / "scores.csv").exists()
    batches.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Glow, "scale_terms", interrupted_at(0, Glow.scale_terms, batches))
        assert call(*command(copied, images=images)).code == 0
    assert len(batches) == 3  # what was left of six
    assert len(table(copied.folder / "scores.csv")) == 12


def test_a_failed_write_leaves_the_earlier_table(
    copied: Hierarchy, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(*command(copied)).code == 0
    before = (copied.folder / "scores.csv").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("anomaly_methods.detection._row", full)
    sentence = call(*command(copied, "--method", "typicality")).refusal()
    assert sentence == f"{copied.folder / 'scores.csv'}: No space left on device."
    assert (copied.folder / "scores.csv").read_bytes() == before
