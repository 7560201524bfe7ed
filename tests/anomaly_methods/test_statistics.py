"""Statistics in memory and in their file."""

from __future__ import annotations

import json
import resource
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_methods.statistics import Statistics, concatenate
from anomaly_methods.statistics_file import FORMAT_VERSION
from tests.anomaly_methods.examples import make_meta, make_statistics

ODD = [0.0, -1.5, np.nan, np.inf, -np.inf, 1e-320, 3.0]


def rewrite_header(path: Path, **changes: object) -> None:
    """Change entries of the JSON header of a statistics file; None takes an entry out."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    header = {**json.loads(str(arrays["meta"])), **changes}
    arrays["meta"] = np.array(json.dumps({n: v for n, v in header.items() if v is not None}))
    with path.open("wb") as out:
        np.savez(out, **arrays)


def test_file_gives_back_every_bit(tmp_path: Path) -> None:
    statistics = make_statistics({"log_prob": ODD, "log_prob.scale0": np.arange(7.0)}, dropped=2)
    statistics.save(tmp_path / "new folder" / "s.npz")
    loaded = Statistics.load(tmp_path / "new folder" / "s.npz")
    assert loaded.meta == statistics.meta
    assert list(loaded.values) == ["log_prob", "log_prob.scale0"]
    np.testing.assert_array_equal(loaded.values["log_prob"], ODD)
    np.testing.assert_array_equal(loaded.index, np.arange(7))
    assert loaded.values["log_prob"].dtype == np.float64
    assert loaded.index.dtype == np.int64


def test_file_is_plain_npz_with_json_meta(tmp_path: Path) -> None:
    make_statistics(ODD).save(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["index", "meta", "values/log_prob"]
        header = json.loads(str(file["meta"]))
    assert header["format_version"] == FORMAT_VERSION
    assert header["checkpoint_sha256"] == "a" * 64
    assert header["nonfinite"] == {"log_prob": 3}
    assert header["rows"] == 7


def test_same_statistics_give_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_statistics(ODD).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_ten_thousand_images_by_thousand_tensors_load_in_a_second(tmp_path: Path) -> None:
    column = np.random.default_rng(0).normal(size=10_000)
    names = [f"flow.scales.{i // 400}.steps.{i % 400}.coupling.weight" for i in range(1000)]
    make_statistics(dict.fromkeys(names, column)).save(tmp_path / "s.npz")
    seconds = []
    for _ in range(2):  # the machine may be busy with something else
        begin = time.perf_counter()
        assert len(Statistics.load(tmp_path / "s.npz").values) == 1000
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 1.0


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no statistics file .*gone\.npz"):
        Statistics.load(tmp_path / "gone.npz")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "s.npz"
    make_statistics({f"v{i}": ODD for i in range(50)}).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: max(int(len(content) * share), 2 if share else 0)])
    with pytest.raises(ValueError, match=r"s\.npz is truncated or damaged .*compute it again"):
        Statistics.load(path)


@settings(deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_damaged_byte_changes_a_number_unseen(
    tmp_path_factory: pytest.TempPathFactory, position: float, flip: int
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "s.npz"
    statistics = make_statistics({f"v{i}": ODD for i in range(3)})
    statistics.save(path)
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= flip
    path.write_bytes(content)
    try:
        loaded = Statistics.load(path)
    except ValueError as error:
        assert "s.npz" in str(error)  # noqa: PT017 - either outcome is right, depending on the byte
        return
    assert loaded.meta == statistics.meta
    for name, values in loaded.values.items():
        np.testing.assert_array_equal(values, statistics.values[name])


@pytest.mark.parametrize("content", [b"not at all", b"\x93NUMPY\x01\x00v\x00", b"\x80\x04K\x01."])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(ValueError, match="not a statistics file"):
        Statistics.load(tmp_path / "s.npz")


def test_other_archives_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "images.npz").open("wb") as file:
        np.savez(file, images=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "texts.npz", "w") as archive:
        archive.writestr("meta.npy", "hello")
    for name in ("images.npz", "texts.npz"):
        with pytest.raises(ValueError, match="not a statistics file"):
            Statistics.load(tmp_path / name)


def test_pickled_objects_are_never_read(tmp_path: Path) -> None:
    with (tmp_path / "s.npz").open("wb") as file:
        np.savez(file, meta=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="not a statistics file"):
        Statistics.load(tmp_path / "s.npz")


def test_newer_format_asks_for_an_update(tmp_path: Path) -> None:
    make_statistics(ODD).save(tmp_path / "s.npz")
    rewrite_header(tmp_path / "s.npz", format_version=FORMAT_VERSION + 1)
    with pytest.raises(ValueError, match=rf"format {FORMAT_VERSION + 1}, newer than {FORMAT_VERSION}"):
        Statistics.load(tmp_path / "s.npz")


def test_missing_or_unknown_meta_is_refused(tmp_path: Path) -> None:
    make_statistics(ODD).save(tmp_path / "s.npz")
    rewrite_header(tmp_path / "s.npz", group_size=None)
    with pytest.raises(ValueError, match=r"damaged \(.*group_size\)"):
        Statistics.load(tmp_path / "s.npz")


def test_part_is_never_taken_for_the_whole(tmp_path: Path) -> None:
    make_statistics(ODD).save(tmp_path / "part", part=True)
    make_statistics(ODD).save(tmp_path / "whole")
    with pytest.raises(ValueError, match="holds 'part of anomaly statistics'"):
        Statistics.load(tmp_path / "part")
    with pytest.raises(ValueError, match="'part of anomaly statistics' was wanted"):
        Statistics.load(tmp_path / "whole", part=True)
    assert len(Statistics.load(tmp_path / "part", part=True)) == 7


def test_full_disk_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    make_statistics([1.0, 2.0]).save(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # writing on gives an OSError
    try:
        with pytest.raises(OSError, match="File too large"):
            make_statistics(np.zeros(10_000)).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.name for file in tmp_path.iterdir()] == ["s.npz"]
    assert list(Statistics.load(path).values["log_prob"]) == [1.0, 2.0]


def test_nothing_can_be_changed() -> None:
    statistics = make_statistics([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        statistics.values["log_prob"][0] = 3.0
    with pytest.raises(TypeError):
        statistics.values["other"] = np.zeros(2)  # type: ignore[index]


def test_wrong_shapes_and_dtypes_are_refused() -> None:
    index = np.arange(2)
    for values, said in [
        ({"a": np.zeros(3)}, r"index has shape \(2,\), the values have \(3,\)"),
        ({"a": np.zeros((2, 1))}, r"'a' as \(N,\) .* got shape \(2, 1\)"),
        ({"a": np.zeros(2, dtype=complex)}, "complex128"),
        ({}, "at least one"),
    ]:
        with pytest.raises(ValueError, match=said):
            Statistics(values, index, make_meta())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'index'"):
        Statistics({"a": np.zeros(2)}, np.array([0.0, 1.0]), make_meta())


def test_unknown_value_names_the_close_ones() -> None:
    with pytest.raises(ValueError, match=r"no values 'log_probs' .*log_prob\.scale1"):
        make_statistics({"log_prob.scale0": [1.0], "log_prob.scale1": [2.0]}).value("log_probs")


def test_select_takes_positions_and_masks() -> None:
    statistics = make_statistics([5.0, 6.0, 7.0])
    by_position, by_mask = statistics.select([2, 0]), statistics.select(statistics.value("log_prob") > 5)
    assert (list(by_position.index), list(by_position.value("log_prob"))) == ([2, 0], [7.0, 5.0])
    assert (list(by_mask.index), list(by_mask.value("log_prob"))) == ([1, 2], [6.0, 7.0])
    assert len(statistics.select([])) == 0


@settings(deadline=None)
@given(rows=st.integers(2, 200), seed=st.integers(0, 1000))
def test_halves_share_nothing_and_miss_nothing(rows: int, seed: int) -> None:
    fit, test = make_statistics(np.arange(rows)).halves(seed)
    assert len(fit) == rows // 2
    assert sorted([*fit.index, *test.index]) == list(range(rows))
    assert list(fit.index) == sorted(fit.index)
    again, _ = make_statistics(-np.arange(rows), split="train").halves(seed)
    assert list(again.index) == list(fit.index)


def test_halves_differ_by_seed_and_need_two_rows() -> None:
    statistics = make_statistics(np.arange(100))
    assert list(statistics.halves(0)[0].index) != list(statistics.halves(1)[0].index)
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        make_statistics([1.0]).halves()


def test_nonfinite_values_are_counted_by_name() -> None:
    statistics = make_statistics({"a": ODD, "b": np.zeros(7), "c": [np.nan] + [0.0] * 6})
    assert statistics.nonfinite() == {"a": 3, "c": 1}
    assert list(np.flatnonzero(~statistics.finite_rows())) == [0, 2, 3, 4]


def test_concatenate_keeps_order_and_refuses_other_names() -> None:
    pieces = [make_statistics([1.0, 2.0]), make_statistics([3.0])]
    assert list(concatenate(pieces, make_meta()).value("log_prob")) == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="differ in log_prob, other"):
        concatenate([pieces[0], make_statistics({"other": [1.0]})], make_meta())
    with pytest.raises(ValueError, match="no statistics"):
        concatenate([], make_meta())
