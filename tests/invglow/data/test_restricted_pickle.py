"""Pickles of plain data are read whatever wrote them; anything else is refused by name and never runs."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invglow.data.batch_files import read_batch
from invglow.data.restricted_pickle import read_pickle
from tests.invglow.data.examples import Trap, images, save_batch


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_and_arrays_come_back(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(_plain_data(), protocol=protocol))
    found = read_pickle(tmp_path / "a")
    assert found["text"] == ["a", b"b\xff", b"", 3, 2.5, None, True]
    assert found["nested"] == {"tuple": (1, (2,))}
    for name in ("bytes", "fortran", "swapped", "numbers"):
        np.testing.assert_array_equal(found[name], _plain_data()[name.encode()])
    assert found["scalar"] == 7


def test_a_pickle_of_python_2_comes_back(tmp_path: Path) -> None:
    """As published: protocol 2 with byte strings where Python 3 has text, and NumPy's old module names."""
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n(I2\nI3\ntcnumpy\n"
    array += b"dtype\n(U\x02u1I0\nI1\ntR(I3\nU\x01|NNNI-1\nI-1\nI0\ntbI00\nU\x06\x00\x01\x02\xfd\xfe\xfftb"
    (tmp_path / "a").write_bytes(b"\x80\x02}(U\x04data" + array + b"U\x06labels]K\x05au.")
    found = read_pickle(tmp_path / "a")
    assert found["data"].tolist() == [[0, 1, 2], [253, 254, 255]]
    assert found["labels"] == [5]


@pytest.mark.parametrize("protocol", range(6))
def test_code_is_refused_by_name_and_never_runs(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "executed"
    (tmp_path / "a").write_bytes(pickle.dumps({"data": Trap(marker)}, protocol=protocol))
    with pytest.raises(ValueError, match=r"asks for (pathlib|builtins|__builtin__)[\w.]*\.(Path|getattr)\b"):
        read_pickle(tmp_path / "a")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "builtins.getattr", "numpy.load"])
def test_no_other_name_is_allowed(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(b"c" + name.replace(".", "\n").encode() + b"\n(Vecho\ntR.")
    with pytest.raises(ValueError, match=f"asks for {name}, .*nothing was executed"):
        read_pickle(tmp_path / "a")


def peak_while_reading(path: Path) -> int:
    tracemalloc.start()
    with suppress(ValueError):
        read_pickle(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02N" + pickle.LONG_BINPUT + struct.pack("<I", 20_000_000) + b".",
        b"\x80\x05" + pickle.BYTEARRAY8 + struct.pack("<Q", 1 << 28) + b"x.",
        b"\x80\x04" + pickle.BINBYTES8 + struct.pack("<Q", 1 << 28) + b"x.",
        b"\x80\x02" + pickle.BINUNICODE + struct.pack("<I", 1 << 28) + b"x.",
    ],
    ids=["memo", "byte array", "bytes", "text"],
)
def test_a_few_bytes_take_little_memory(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert peak_while_reading(tmp_path / "a") < 1 << 20


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(np.array([{}, []], dtype=object)))
    with pytest.raises(ValueError, match="asks for an array of O8"):
        read_pickle(tmp_path / "a")


def test_references_to_the_outside_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"Pfile\n.")
    with pytest.raises(ValueError, match="outside object"):
        read_pickle(tmp_path / "a")


@pytest.mark.parametrize("keep", [0, 1, 20, -1])
def test_truncated_pickles_are_named(tmp_path: Path, keep: int) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(_plain_data())[:keep])
    with pytest.raises(ValueError, match="truncated or not a pickle"):
        read_pickle(tmp_path / "a")


def test_arrays_of_another_length_than_their_shape_are_refused(tmp_path: Path) -> None:
    content = pickle.dumps(np.arange(100, dtype=np.uint8), protocol=3).replace(
        bytes(range(100)), bytes(99), 1
    )
    (tmp_path / "a").write_bytes(content.replace(b"Cd" + bytes(99), b"Cc" + bytes(99)))
    with pytest.raises(ValueError, match="truncated or not a pickle"):
        read_pickle(tmp_path / "a")


def test_a_batch_gives_images_and_labels(tmp_path: Path) -> None:
    save_batch(tmp_path / "a", images(5), [3, 1, 4, 1, 5])
    found, labels = read_batch(tmp_path / "a")
    np.testing.assert_array_equal(found, images(5))
    assert labels.tolist() == [3, 1, 4, 1, 5]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1, 2], "a dict with data"),
        ({"data": np.zeros((2, 3072))}, "a dict with data"),
        ({"data": np.zeros((2, 3000), dtype=np.uint8)}, "a dict with data"),
        ({"data": np.zeros((2, 3072), dtype=np.uint8), "labels": [1]}, "2 numbers under labels"),
        ({"data": np.zeros((2, 3072), dtype=np.uint8)}, "2 numbers under labels"),
    ],
)
def test_batches_of_another_form_are_refused(tmp_path: Path, content: Any, sentence: str) -> None:
    (tmp_path / "a").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=sentence):
        read_batch(tmp_path / "a")


def _plain_data() -> dict[bytes, Any]:
    return {
        b"text": ["a", b"b\xff", b"", 3, 2.5, None, True],
        b"nested": {"tuple": (1, (2,))},
        b"bytes": np.arange(12, dtype=np.uint8).reshape(3, 4),
        b"fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        b"swapped": np.arange(5, dtype=">i4"),
        b"numbers": np.arange(5),
        b"scalar": np.int64(7),
    }
