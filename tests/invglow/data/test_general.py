"""Building a general set out of every kind of source: exact images, origins, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from invglow.data.arrays import open_array, open_images
from invglow.data.crops import CropSettings
from invglow.data.general import build_general_set
from invglow.data.general_detect import open_source
from invglow.data.general_files import read_index_lists
from invglow.data.general_source import Block, GeneralSource
from tests.invglow.data.examples import images, save_batch, save_picture


def save_tiny_images(path: Path, found: NDArray[np.uint8]) -> Path:
    """Write images as the original file holds them: 32 x 32 x 3 in Fortran order, one after another."""
    path.write_bytes(b"".join(image.tobytes(order="F") for image in found))
    return path


def source(path: Path, *, number: int = 0, crops: int = 1, size: int = 32, **more: Any) -> GeneralSource:
    return open_source(path, number, crop=CropSettings(size=size), crops=crops, **more)


def build(sources: list[GeneralSource], output: Path, **more: Any) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    build_general_set(sources, output, **more)
    return open_images(output / "images.npy"), open_array(output / "index.npy")


def test_tiny_images_come_exact_and_once_each(tmp_path: Path) -> None:
    stored = images(200)
    found, index = build([source(save_tiny_images(tmp_path / "tiny_images.bin", stored))], tmp_path / "out")
    assert sorted(index["item"].tolist()) == list(range(200))
    np.testing.assert_array_equal(found, stored[index["item"]])
    assert not index["source"].any()


def test_blocks_of_64_neighbours_come_in_an_order_that_the_seed_decides(tmp_path: Path) -> None:
    path = save_tiny_images(tmp_path / "tiny_images.bin", images(64 * 8))
    orders = []
    for seed in (0, 0, 1):
        _, index = build([source(path)], tmp_path / "out", seed=seed, overwrite=True)
        starts = index["item"][::64]
        np.testing.assert_array_equal(index["item"].reshape(8, 64), starts[:, None] + np.arange(64))
        orders.append(starts.tolist())
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(0, 512, 64)) != orders[0]


def test_fewer_images_can_be_asked_for(tmp_path: Path) -> None:
    path = save_tiny_images(tmp_path / "tiny_images.bin", images(200))
    found, _ = build([source(path)], tmp_path / "out", images=70)
    assert len(found) == 70
    for wanted in (0, 201):
        with pytest.raises(ValueError, match="the sources hold 200"):
            build([source(path)], tmp_path / "none", images=wanted)


def test_images_of_cifar_are_left_out_by_numbers_that_count_from_one(tmp_path: Path) -> None:
    path = save_tiny_images(tmp_path / "tiny_images.bin", images(200))
    (tmp_path / "a.txt").write_text("1\n200\n")
    (tmp_path / "b.txt").write_text("64, 65\n1\n")
    lists = [tmp_path / "a.txt", tmp_path / "b.txt"]
    _, index = build([source(path, exclude=lists)], tmp_path / "out")
    assert sorted(index["item"].tolist()) == sorted(set(range(200)) - {0, 199, 63, 64})
    meta = json.loads((tmp_path / "out" / "meta.json").read_text())
    assert (meta["images"], meta["sources"][0]["excluded"]) == (196, 4)


@pytest.mark.parametrize(
    ("text", "sentence"), [("0\n5", "count from 1"), ("201", "count from 1"), ("a b", "whole numbers")]
)
def test_index_lists_that_do_not_fit_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_index_lists([tmp_path / "a.txt"], 200)


@pytest.mark.parametrize("size", [0, 3071, 3073])
def test_a_file_of_tiny_images_that_is_cut_short_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "tiny_images.bin").write_bytes(bytes(size))
    with pytest.raises(ValueError, match=f"has {size} bytes, not a multiple of 3072"):
        source(tmp_path / "tiny_images.bin").count()


def test_an_array_of_random_images(tmp_path: Path) -> None:
    np.save(tmp_path / "300K_random_images.npy", images(130))
    found, index = build([source(tmp_path / "300K_random_images.npy")], tmp_path / "out")
    np.testing.assert_array_equal(found, images(130)[index["item"]])
    np.save(tmp_path / "grey.npy", images(5, channels=1))
    with pytest.raises(ValueError, match=r"should be of shape \(N, 32, 32, 3\)"):
        source(tmp_path / "grey.npy").count()


def test_batches_of_imagenet32(tmp_path: Path) -> None:
    folder = tmp_path / "Imagenet32_train"
    save_batch(folder / "train_data_batch_1", images(100), [1] * 100)
    save_batch(folder / "train_data_batch_2", images(50, seed=1), [1] * 50)
    stored = np.concatenate([images(100), images(50, seed=1)])
    found, index = build([source(folder)], tmp_path / "out")
    assert sorted(index["item"].tolist()) == list(range(150)) != index["item"].tolist()
    np.testing.assert_array_equal(found, stored[index["item"]])
    some, index = build([source(folder)], tmp_path / "some", images=40)
    np.testing.assert_array_equal(some, stored[index["item"]])
    assert len(set(index["item"].tolist())) == 40


def test_pictures_are_cropped_and_the_index_says_where(tmp_path: Path) -> None:
    for number in range(5):
        save_picture(tmp_path / "p" / f"{number}.png", size=(90, 60), colour=(number, 0, 0))
    found, index = build([source(tmp_path / "p", crops=3)], tmp_path / "out")
    np.testing.assert_array_equal(found[:, 0, 0, 0], index["item"])
    np.testing.assert_array_equal(np.bincount(index["item"]), [3] * 5)
    side = index["right"] - index["left"]
    np.testing.assert_array_equal(side, index["bottom"] - index["top"])
    assert ((side >= 32) & (side <= 60) & (index["right"] <= 90)).all()
    assert (tmp_path / "out" / "pictures-0.txt").read_text().split() == [
        f"{number}.png" for number in range(5)
    ]


def test_a_box_of_the_index_gives_the_image_again(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    picture = Image.fromarray(images(1, size=100)[0])
    picture.save(tmp_path / "p" / "a.png")
    crop = CropSettings(filters=(Image.Resampling.BOX,), blurred=0)
    found, index = build([open_source(tmp_path / "p", 0, crop=crop, crops=4)], tmp_path / "out")
    for image, origin in zip(found, index, strict=True):
        left, top, right, bottom = origin.tolist()[2:]
        again = picture.resize(
            (32, 32), Image.Resampling.BOX, box=(left, top, right, bottom), reducing_gap=3.0
        )
        np.testing.assert_array_equal(image, np.asarray(again))


def test_fewer_crops_than_pictures_take_one_of_each(tmp_path: Path) -> None:
    for number in range(9):
        save_picture(tmp_path / "p" / f"{number}.png")
    _, index = build([source(tmp_path / "p", crops=2)], tmp_path / "out", images=6)
    assert len(set(index["item"].tolist())) == 6


def test_damaged_pictures_are_listed_and_the_others_give_their_crops(tmp_path: Path) -> None:
    for number in range(6):
        save_picture(tmp_path / "p" / f"{number}.png")
    for number in (1, 4):
        (tmp_path / "p" / f"{number}.png").write_bytes(b"damaged")
    for seed in range(4):
        found, index = build([source(tmp_path / "p", crops=2)], tmp_path / "out", seed=seed, overwrite=True)
        assert len(found) == 12
        assert set(index["item"].tolist()) == {0, 2, 3, 5}
    meta = json.loads((tmp_path / "out" / "meta.json").read_text())
    assert sorted(meta["sources"][0]["unreadable"]) == ["1.png", "4.png"]


def test_without_a_readable_picture_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.png").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="None of the 1 pictures"):
        build([source(tmp_path / "p")], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_tiny_imagenet_tree_gives_its_training_pictures_half_of_them_whole(tmp_path: Path) -> None:
    tree = tmp_path / "tiny-imagenet-200"
    for number in range(60):
        save_picture(tree / "train" / "n01" / "images" / f"{number}.JPEG", size=(64, 64))
    save_picture(tree / "val" / "images" / "val_0.JPEG", size=(64, 64))
    (tree / "wnids.txt").write_text("n01\n")
    _, index = build([source(tree)], tmp_path / "out")
    whole = (index["right"] - index["left"] == 64).mean()
    assert len(index) == 60
    assert 0.3 < whole < 0.75


def test_pictures_give_other_sizes_too_but_nothing_else_does(tmp_path: Path) -> None:
    save_picture(tmp_path / "p" / "a.png", size=(90, 60))
    found, _ = build([source(tmp_path / "p", size=48)], tmp_path / "out", size=48)
    assert found.shape == (1, 48, 48, 3)
    np.save(tmp_path / "a.npy", images(2))
    with pytest.raises(ValueError, match="only pictures can give 48 pixels"):
        source(tmp_path / "a.npy", size=48)


def test_several_sources_are_mixed_in_proportion(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(6400))
    np.save(tmp_path / "b.npy", images(3200, seed=1))
    sources = [source(tmp_path / f"{name}.npy", number=number) for number, name in enumerate("ab")]
    found, index = build(sources, tmp_path / "out", images=3000)
    share = index["source"].mean()
    assert 0.28 < share < 0.38
    assert 0.15 < index["source"][:1500].mean() < 0.55
    both = [images(6400), images(3200, seed=1)]
    for image, origin in zip(found[::50], index[::50], strict=True):
        np.testing.assert_array_equal(image, both[origin["source"]][origin["item"]])


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        source(tmp_path / "nothing")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match="no known source"):
        source(tmp_path / "a.txt")
    with pytest.raises(ValueError, match="holds no pictures"):
        source(tmp_path).count()


def test_an_earlier_set_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(5))
    build([source(tmp_path / "a.npy")], tmp_path / "out")
    with pytest.raises(FileExistsError, match="exists already"):
        build([source(tmp_path / "a.npy")], tmp_path / "out", images=3)
    found, _ = build([source(tmp_path / "a.npy")], tmp_path / "out", images=3, overwrite=True)
    assert len(found) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "out"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_earlier_set_is_never_overwritten(tmp_path: Path, overwrite: bool) -> None:
    np.save(tmp_path / "a.npy", images(5))
    (tmp_path / "holidays").mkdir()
    (tmp_path / "holidays" / "images.npy").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name in ("holidays", "file"):
        with pytest.raises(FileExistsError, match=f"{name} holds something else than a general set"):
            build([source(tmp_path / "a.npy")], tmp_path / name, overwrite=overwrite)
    assert (tmp_path / "holidays" / "images.npy").read_text() == "precious"
    assert (tmp_path / "file").read_text() == "precious"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(5))
    (tmp_path / "out").mkdir()
    assert len(build([source(tmp_path / "a.npy")], tmp_path / "out")[0]) == 5


class FullDisk(GeneralSource):
    """Fails in the middle, as a disk that runs full does."""

    kind = "test"

    def count(self) -> int:
        return 10

    def read(self, wanted: int, seed: int) -> Iterator[Block]:  # noqa: ARG002  # the interface has a seed
        yield Block(images(wanted // 2), self.origins(np.arange(wanted // 2)))
        raise OSError("No space left on device")


def test_a_failure_in_the_middle_keeps_the_earlier_set_and_leaves_no_rest(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(5))
    build([source(tmp_path / "a.npy")], tmp_path / "out")
    with pytest.raises(OSError, match="No space left"):
        build([FullDisk(tmp_path, 0)], tmp_path / "out", overwrite=True)
    assert len(open_images(tmp_path / "out" / "images.npy")) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "out"]


def test_too_little_room_is_seen_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", images(5))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(OSError, match=r"has 0\.0 MB free, but the set needs 0\.0 MB"):
        build([source(tmp_path / "a.npy")], tmp_path / "out")
