"""Arrays on disk: what is refused and how, reading in any order, writing whole files only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from invglow.data.arrays import blocks, check_images, gather, open_images, writing_array
from tests.invglow.data.examples import Trap, images


def test_images_come_back_memory_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(5))
    found = open_images(tmp_path / "a.npy")
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, images(5))


def test_a_truncated_array_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, images(5))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"a\.npy is truncated"):
        open_images(path)


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY\x01\x00", b"not an array at all", b"\x93NUMPY\x01\x00\x10\x00{'descr': 1"]
)
def test_what_is_no_array_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npy is not a whole \.npy file"):
        open_images(path)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a\.npy is not a file"):
        open_images(tmp_path / "a.npy")


def test_an_array_of_objects_is_refused_unread(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    np.save(tmp_path / "a.npy", np.array([Trap(marker)], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        open_images(tmp_path / "a.npy")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.full((2, 8, 8, 3), np.nan, dtype=np.float32), "dtype float32"),
        (np.zeros((2, 8, 8, 3), dtype=np.int64), "dtype int64"),
        (np.zeros((2, 8, 8), dtype=np.uint8), r"array\[\.\.\., None\]"),
        (np.zeros((2, 3, 8, 8), dtype=np.uint8), r"transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 8, 8, 4), dtype=np.uint8), "1 or 3 channels"),
        (np.zeros((0, 8, 8, 3), dtype=np.uint8), "holds no image"),
    ],
)
def test_what_is_no_image_array_is_refused_with_a_mend(array: NDArray[np.generic], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_images(array, "it")


def test_an_empty_array_file_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((0, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="holds no image"):
        open_images(tmp_path / "a.npy")


def test_gathering_from_disk_equals_gathering_from_memory(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(20))
    wanted = [7, 3, 3, 19, 0]
    np.testing.assert_array_equal(gather(open_images(tmp_path / "a.npy"), wanted), images(20)[wanted])
    np.testing.assert_array_equal(
        gather(open_images(tmp_path / "a.npy")[5:], wanted[:3]), images(20)[5:][wanted[:3]]
    )


def test_blocks_are_the_whole_array_in_order() -> None:
    found = list(blocks(images(10), block_bytes=3 * 3072))
    assert [len(block) for block in found] == [3, 3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(found), images(10))


def test_an_array_is_written_without_knowing_its_length(tmp_path: Path) -> None:
    with writing_array(tmp_path / "a.npy", (32, 32, 3)) as writer:
        for block in blocks(images(10), block_bytes=4 * 3072):
            writer.append(block.transpose(0, 2, 1, 3).transpose(0, 2, 1, 3))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), images(10))


def test_rows_of_another_shape_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="Rows must be"),
        writing_array(tmp_path / "a.npy", (16, 16, 3)) as writer,
    ):
        writer.append(images(1))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_while_writing_keeps_the_earlier_array(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(3))
    with pytest.raises(ValueError, match="Rows"), writing_array(tmp_path / "a.npy", (32, 32, 3)) as writer:
        writer.append(np.concatenate([images(1), images(1)])[..., :1])
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
    np.testing.assert_array_equal(open_images(tmp_path / "a.npy"), images(3))
