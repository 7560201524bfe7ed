"""Sets by name: arrays, embedded sets, and one clear sentence for everything that cannot be read."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from invglow.data.image_set import ImageSet
from invglow.data.registry import known_sets, load_image_set
from tests.invglow.data.examples import images


def load(
    spec: str | Path, split: str = "test", *, folder: Path, size: int = 32, grey: bool = False
) -> ImageSet:
    return load_image_set(str(spec), split, folder=folder, image_size=size, grey=grey)


def test_all_names_of_the_help_are_known() -> None:
    wanted = (
        "cifar10 cifar100 svhn mnist fashion-mnist kmnist omniglot gtsrb celeba lsun tiny-imagenet imagenet32"
    )
    assert {*wanted.split(), "tiny", "demo-fashion-mnist", "demo-mnist", "general:photos"} < set(known_sets())
    assert {"array:PATH", "folder:PATH"} < set(known_sets())


@pytest.mark.parametrize("name", [name for name in known_sets() if name[:4] not in ("demo", "gene")])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_missing_set_says_where_it_was_looked_for(tmp_path: Path, name: str, split: str) -> None:
    spec = name.replace("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        load(spec, split, folder=tmp_path)


def test_unknown_names_splits_and_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean cifar100"):
        load("cifar-100", folder=tmp_path)
    with pytest.raises(ValueError, match="choose from demo-fashion-mnist"):
        load("xyz", folder=tmp_path)
    with pytest.raises(ValueError, match="train or test, got val"):
        load("cifar10", "val", folder=tmp_path)
    with pytest.raises(ValueError, match="at least 1"):
        load("cifar10", folder=tmp_path, size=0)


@pytest.mark.parametrize(("split", "count"), [("train", 10_000), ("test", 2_000)])
def test_embedded_clothes_are_padded_to_32_pixels(tmp_path: Path, split: str, count: int) -> None:
    found = load("demo-fashion-mnist", split, folder=tmp_path)
    assert found.images.shape == (count, 32, 32, 1)
    assert found.flips
    assert found.images[:, 2:30, 2:30].max() == 255
    inner = np.pad(found.images[:, 2:30, 2:30], ((0, 0), (2, 2), (2, 2), (0, 0)))
    np.testing.assert_array_equal(found.images, inner)
    assert found.labels is not None
    assert set(found.labels.tolist()) == set(range(10))
    assert list(tmp_path.iterdir()) == []


def test_embedded_digits_are_for_testing_only(tmp_path: Path) -> None:
    found = load("demo-mnist", folder=tmp_path)
    assert found.images.shape == (2_000, 32, 32, 1)
    assert not found.flips
    assert found.labels is not None
    assert found.labels[:4].tolist() == [7, 2, 1, 0]
    with pytest.raises(ValueError, match="test images only"):
        load("demo-mnist", "train", folder=tmp_path)


def test_embedded_images_come_in_other_sizes_from_a_copy(tmp_path: Path) -> None:
    found = load("demo-mnist", folder=tmp_path, size=16)
    assert found.images.shape == (2_000, 16, 16, 1)
    copies = list((tmp_path / "cache").iterdir())
    np.testing.assert_array_equal(load("demo-mnist", folder=tmp_path, size=16).images, found.images)
    assert list((tmp_path / "cache").iterdir()) == copies


def test_an_array_file_serves_both_splits_and_keeps_its_size(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(4, size=16))
    for split in ("train", "test"):
        found = load(f"array:{tmp_path / 'a.npy'}", split, folder=tmp_path, grey=True)
        assert found.image_shape == (1, 16, 16)
        assert found.labels is None


def test_an_array_folder_has_splits_and_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "train.npy", images(4))
    np.save(tmp_path / "train_labels.npy", np.arange(4, dtype=np.int32))
    found = load(f"array:{tmp_path}", "train", folder=tmp_path)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2, 3]
    with pytest.raises(FileNotFoundError, match=r"the folder has train\.npy"):
        load(f"array:{tmp_path}", "test", folder=tmp_path)


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(4))
    np.save(tmp_path / "a_labels.npy", np.arange(3))
    with pytest.raises(ValueError, match="should hold 4 whole numbers"):
        load(f"array:{tmp_path / 'a.npy'}", folder=tmp_path)


@pytest.mark.parametrize("compressed", [True, False])
def test_archives_are_memory_mapped_too(tmp_path: Path, compressed: bool) -> None:
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", train=images(4), test=images(3, seed=1), labels=np.arange(3))
    found = load(f"array:{tmp_path / 'a.npz'}", folder=tmp_path / "data")
    assert isinstance(found.images, np.memmap)
    np.testing.assert_array_equal(found.images, images(3, seed=1))
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2]


def test_an_archive_with_one_array_needs_no_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images(4))
    assert len(load(f"array:{tmp_path / 'a.npz'}", folder=tmp_path)) == 4


def test_archives_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=images(1), b=images(1))
    with pytest.raises(ValueError, match="it holds a, b"):
        load(f"array:{path}", folder=tmp_path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="truncated or not an"):
        load(f"array:{path}", folder=tmp_path)


def test_damage_inside_an_archive_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images(4))
    with zipfile.ZipFile(path) as archive:
        place = archive.infolist()[0].header_offset + 5000
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="truncated or not an"):
        load(f"array:{path}", folder=tmp_path / "data")
    assert not any((tmp_path / "data").rglob("*.npy"))


def test_images_that_are_not_uint8_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", images(4).astype(np.float32) / 255)
    with pytest.raises(ValueError, match="dtype float32"):
        load(f"array:{tmp_path / 'a.npy'}", folder=tmp_path)


def test_the_general_set_serves_both_splits(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    np.save(tmp_path / "tiny" / "images.npy", images(25))
    train, test = (load("tiny", split, folder=tmp_path) for split in ("train", "test"))
    np.testing.assert_array_equal(np.concatenate([train.images, test.images]), images(25))
    assert len(test) == 2
    with pytest.raises(ValueError, match="32x32 pixels, not of 64"):
        load("tiny", folder=tmp_path, size=64)
    np.save(tmp_path / "tiny" / "images.npy", images(1))
    with pytest.raises(ValueError, match="too few"):
        load("tiny", folder=tmp_path)
