"""An extraction killed at any moment goes on, and parts are never taken for what they are not."""

from __future__ import annotations

import logging
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomaly_methods.extractors.extraction import Extraction
from anomaly_methods.extractors.likelihood import LikelihoodExtractor
from anomaly_methods.extractors.run import extract, load_or_extract
from anomaly_methods.statistics import Statistics
from tests.anomaly_methods.extractors.toys import Gaussian, make_images

ROOT = Path(__file__).parents[3]
BATCHES = 5  # 23 images in batches of 5


def extraction(model: Gaussian, **changes: Any) -> Extraction:
    fields = {"extractor": LikelihoodExtractor(), "model_name": "runs/a", "checkpoint_sha256": "a" * 64}
    return Extraction(model, changes.pop("images", make_images(23)), **{**fields, **changes})


def interrupted(path: Path, calls: int, **changes: Any) -> list[Path]:
    """Run until the model was called so often, and return the parts left."""
    with pytest.raises(KeyboardInterrupt):
        extract(extraction(Gaussian(fail_after=calls), **changes), path, batch_size=5, part_seconds=0)
    return sorted(path.with_name(f"{path.name}.parts").glob("*"))


def resumed(path: Path, **changes: Any) -> tuple[Statistics, int]:
    """Run to the end; return the result and how many images that took."""
    model = Gaussian()
    statistics = extract(extraction(model, **changes), path, batch_size=5, part_seconds=0)
    assert not path.with_name(f"{path.name}.parts").exists()
    return statistics, model.images_seen


def expected(folder: Path, **changes: Any) -> np.ndarray[Any, Any]:
    return extract(extraction(Gaussian(), **changes), folder / "uninterrupted.npz").value("log_prob")


@pytest.mark.parametrize("calls", range(BATCHES))
def test_it_goes_on_from_every_part(tmp_path: Path, calls: int) -> None:
    path = tmp_path / "s.npz"
    assert len(interrupted(path, calls)) == calls
    assert not path.exists()
    statistics, images = resumed(path)
    assert images == 23 - 5 * calls
    np.testing.assert_allclose(statistics.value("log_prob"), expected(tmp_path), rtol=1e-6)
    np.testing.assert_array_equal(Statistics.load(path).index, np.arange(23))


def test_it_goes_on_when_killed_before_the_whole_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.npz"
    save = Statistics.save

    def killed(statistics: Statistics, to: Path, *, part: bool = False) -> None:
        if not part:
            raise KeyboardInterrupt
        save(statistics, to, part=part)

    with monkeypatch.context() as patch:
        patch.setattr(Statistics, "save", killed)
        assert len(interrupted(path, 99)) == BATCHES
    statistics, images = resumed(path)
    assert images == 0
    np.testing.assert_allclose(statistics.value("log_prob"), expected(tmp_path), rtol=1e-6)


def test_another_batch_size_may_go_on(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    interrupted(path, 3)
    model = Gaussian()
    statistics = extract(extraction(model), path, batch_size=2)
    assert model.images_seen == 8
    np.testing.assert_allclose(statistics.value("log_prob"), expected(tmp_path), rtol=1e-6)


def test_groups_and_noise_go_on_alike(tmp_path: Path) -> None:
    path, changes = tmp_path / "s.npz", {"extractor": LikelihoodExtractor(2), "noise_draws": 3}
    assert len(interrupted(path, 7, **changes)) == 2  # three calls per batch
    statistics, images = resumed(path, **changes)
    assert images == 3 * (22 - 8)  # of 11 groups, 4 were there
    np.testing.assert_allclose(statistics.value("log_prob"), expected(tmp_path, **changes), rtol=1e-6)


def test_the_time_of_all_runs_is_added_up(tmp_path: Path) -> None:
    """Two of five batches before the interruption, and a pause that does not count."""
    path = tmp_path / "s.npz"
    slow = Gaussian(seconds=0.05, fail_after=2)
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        extract(extraction(slow), path, batch_size=5, part_seconds=0)
    first_run = time.perf_counter() - began
    time.sleep(0.2)
    began = time.perf_counter()
    found = extract(extraction(Gaussian()), path, batch_size=5).meta.seconds
    second_run = time.perf_counter() - began
    assert found is not None
    assert 0.1 < found < first_run + second_run
    assert Statistics.load(path).meta.seconds == found


def test_time_is_unknown_where_a_part_does_not_tell_its_own(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    for part in interrupted(path, 2):
        found = Statistics.load(part, part=True)
        Statistics(found.values, found.index, replace(found.meta, seconds=None)).save(part, part=True)
    statistics, images = resumed(path)
    assert (statistics.meta.seconds, images) == (None, 13)


def test_parts_are_written_by_the_clock(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        extract(extraction(Gaussian(fail_after=4)), tmp_path / "s.npz", batch_size=5, part_seconds=1000)
    assert list(tmp_path.iterdir()) == []


def truncate(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-50])


def remove(part: Path) -> None:
    part.unlink()


def replace_by_whole(part: Path) -> None:
    Statistics.load(part, part=True).save(part)


def replace_by_later(part: Path) -> None:
    part.write_bytes(part.with_name("part-000002.npz").read_bytes())


@pytest.mark.parametrize("harm", [truncate, remove, replace_by_whole, replace_by_later])
def test_a_harmed_part_and_those_after_it_are_computed_again(
    tmp_path: Path, harm: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.npz"
    parts = interrupted(path, 4)
    harm(parts[1])
    with caplog.at_level(logging.INFO):
        statistics, images = resumed(path)
    assert images == 23 - 5
    assert "part-000001" in caplog.text or harm is remove
    assert "after 5 rows" in caplog.text
    np.testing.assert_allclose(statistics.value("log_prob"), expected(tmp_path), rtol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpoint_sha256": "b" * 64},
        {"images": make_images(23, seed=1)},
        {"images": make_images(23).limited(12)},
        {"noise_draws": 1},
        {"extractor": LikelihoodExtractor(2)},
    ],
)
def test_parts_of_another_computation_are_not_used(
    tmp_path: Path, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.npz"
    interrupted(path, 4)
    statistics, images = resumed(path, **changes)
    assert images == len(statistics) * statistics.meta.group_size
    assert "belongs to another computation" in caplog.text
    np.testing.assert_allclose(statistics.value("log_prob"), expected(tmp_path, **changes), rtol=1e-6)


def test_a_part_cannot_pass_for_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    path.write_bytes(interrupted(path, 4)[0].read_bytes())
    with pytest.raises(ValueError, match="holds 'part of anomaly statistics'"):
        load_or_extract(extraction(Gaussian()), path)


def test_leftovers_of_a_kill_are_swept(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    parts = interrupted(path, 2)
    (parts[0].parent / ".part-000002.npz.x1.partial").write_bytes(b"half")
    assert resumed(path)[1] == 13
    folder = path.with_name("s.npz.parts")
    folder.mkdir()
    (folder / "part-000000.npz").write_bytes(b"left, since the kill came between rename and removal")
    load_or_extract(extraction(Gaussian()), path)
    assert [file.name for file in tmp_path.iterdir()] == ["s.npz"]


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    extract(extraction(Gaussian(), checkpoint_sha256="old"), path)
    before = path.read_bytes()
    parts = interrupted(path, 2)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            extract(extraction(Gaussian()), path, batch_size=5, part_seconds=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert sorted(parts[0].parent.iterdir()) == parts
    assert resumed(path)[1] == 13


def test_a_killed_process_leaves_usable_parts(tmp_path: Path) -> None:
    """SIGKILL, which no handler can soften, while parts are being written all the time."""
    path = tmp_path / "s.npz"
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.anomaly_methods.extractors.test_resume import extraction, extract\n"
        "from tests.anomaly_methods.extractors.toys import Gaussian\n"
        "extract(extraction(Gaussian(seconds=0.2)), Path(sys.argv[1]), batch_size=1, part_seconds=0)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not (path.parent / "s.npz.parts" / "part-000004.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path.exists()
    statistics, images = resumed(path)
    assert 0 < images <= 18
    np.testing.assert_allclose(statistics.value("log_prob"), expected(tmp_path), rtol=1e-6)
