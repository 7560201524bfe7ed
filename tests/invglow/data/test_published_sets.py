"""The published sets, from small files in their exact formats."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from invglow.data.image_set import ImageSet
from invglow.data.registry import load_image_set
from tests.invglow.data.examples import Trap, images, save_batch, save_picture


def load(spec: str, split: str, folder: Path, *, size: int = 32) -> ImageSet:
    return load_image_set(spec, split, folder=folder, image_size=size)


def labels_of(found: ImageSet) -> list[int]:
    assert found.labels is not None
    return [int(label) for label in found.labels]


def test_cifar10(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    for number in range(1, 6):
        save_batch(folder / f"data_batch_{number}", images(2, seed=number), [number, number])
    save_batch(folder / "test_batch", images(3), [7, 8, 9])
    train, test = load("cifar10", "train", tmp_path), load("cifar10", "test", tmp_path)
    np.testing.assert_array_equal(train.images, np.concatenate([images(2, seed=n) for n in range(1, 6)]))
    np.testing.assert_array_equal(test.images, images(3))
    assert (labels_of(train), labels_of(test)) == ([1, 1, 2, 2, 3, 3, 4, 4, 5, 5], [7, 8, 9])


def test_cifar100(tmp_path: Path) -> None:
    for split, count in (("train", 4), ("test", 3)):
        path = tmp_path / "cifar-100-python" / split
        save_batch(path, images(count, seed=count), list(range(96, 96 + count)), key="fine_labels")
        found = load("cifar100", split, tmp_path)
        np.testing.assert_array_equal(found.images, images(count, seed=count))
        assert (labels_of(found), found.flips) == (list(range(96, 96 + count)), True)


def test_cifar100_has_fine_labels_and_other_sizes(tmp_path: Path) -> None:
    save_batch(tmp_path / "cifar-100-python" / "test", images(3), [7, 88, 99], key="fine_labels")
    found = load("cifar100", "test", tmp_path, size=64)
    assert found.images.shape == (3, 64, 64, 3)
    assert isinstance(found.images, np.memmap)
    assert labels_of(found) == [7, 88, 99]


def test_a_cifar_file_that_holds_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    import pickle

    marker = tmp_path / "executed"
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps({"data": Trap(marker)}))
    with pytest.raises(ValueError, match="asks for pathlib"):
        load("cifar10", "test", tmp_path)
    assert not marker.exists()


def test_imagenet32_is_copied_once_and_counts_labels_from_zero(tmp_path: Path) -> None:
    folder = tmp_path / "imagenet32"
    save_batch(folder / "train_data_batch_1", images(4), [1, 2, 3, 1000])
    save_batch(folder / "train_data_batch_10", images(3, seed=10), [5, 6, 7])
    save_batch(folder / "val_data", images(2, seed=2), [9, 9])
    train = load("imagenet32", "train", tmp_path)
    assert isinstance(train.images, np.memmap)
    np.testing.assert_array_equal(train.images, np.concatenate([images(4), images(3, seed=10)]))
    assert labels_of(train) == [0, 1, 2, 999, 4, 5, 6]
    np.testing.assert_array_equal(load("imagenet32", "test", tmp_path).images, images(2, seed=2))


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")]
)
@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_and_its_relatives(tmp_path: Path, name: str, folder: str, zipped: bool) -> None:
    grey = images(3, size=28, channels=1)[..., 0]
    for stem in ("train", "t10k"):
        save_idx(tmp_path / folder / "raw" / f"{stem}-images-idx3-ubyte", grey, zipped=zipped)
        save_idx(
            tmp_path / folder / "raw" / f"{stem}-labels-idx1-ubyte",
            np.arange(3, dtype=np.uint8),
            zipped=zipped,
        )
    for split in ("train", "test"):
        found = load(name, split, tmp_path)
        np.testing.assert_array_equal(found.images[:, 2:30, 2:30, 0], grey)
        assert found.images.shape == (3, 32, 32, 1)
        assert found.images.sum(dtype=np.int64) == grey.sum(dtype=np.int64)
        assert found.flips == (name == "fashion-mnist")
        assert labels_of(found) == [0, 1, 2]
    assert load(name, "test", tmp_path, size=16).images.shape == (3, 16, 16, 1)


@pytest.mark.parametrize("cut", [20, -1])
def test_damaged_idx_files_are_named(tmp_path: Path, cut: int) -> None:
    for zipped in (True, False):
        path = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
        written = save_idx(path, images(3, size=28, channels=1)[..., 0], zipped=zipped)
        written.write_bytes(written.read_bytes()[:cut])
        with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte.* fetch it again"):
            load("mnist", "test", tmp_path)
        written.unlink()


def test_other_files_are_no_idx_files(tmp_path: Path) -> None:
    path = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="not an idx file"):
        load("mnist", "test", tmp_path)


def test_svhn(tmp_path: Path) -> None:
    stored = {"X": images(3).transpose(1, 2, 3, 0), "y": np.array([[1], [10], [9]], dtype=np.uint8)}
    (tmp_path / "svhn").mkdir()
    savemat(tmp_path / "svhn" / "test_32x32.mat", stored, do_compression=True)
    found = load("svhn", "test", tmp_path)
    np.testing.assert_array_equal(found.images, images(3))
    assert (labels_of(found), found.flips) == ([1, 0, 9], False)


@pytest.mark.parametrize("keep", [0, 20, 150, 5_000, -1])
@pytest.mark.parametrize("compressed", [True, False])
def test_damaged_svhn_files_are_named(tmp_path: Path, keep: int, compressed: bool) -> None:
    path = tmp_path / "test_32x32.mat"
    stored = {"X": images(3).transpose(1, 2, 3, 0), "y": np.array([[1], [2], [3]])}
    savemat(path, stored, do_compression=compressed)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"test_32x32\.mat is truncated"):
        load("svhn", "test", tmp_path)


def test_other_mat_files_are_not_svhn(tmp_path: Path) -> None:
    savemat(tmp_path / "test_32x32.mat", {"X": images(3), "y": np.array([1, 2])})
    with pytest.raises(ValueError, match="should hold X, uint8 32 x 32 x 3 x N"):
        load("svhn", "test", tmp_path)


def test_omniglot_is_grey(tmp_path: Path) -> None:
    for split, name in (("train", "images_background"), ("test", "images_evaluation")):
        path = tmp_path / "omniglot-py" / name / "Latin" / "character01" / "0001_01.png"
        path.parent.mkdir(parents=True)
        Image.new("1", (105, 105), 1).save(path)
        found = load("omniglot", split, tmp_path)
        assert found.images.shape == (1, 32, 32, 1)
        assert (found.images == 255).all()
        assert not found.flips


def test_gtsrb(tmp_path: Path) -> None:
    home = tmp_path / "gtsrb" / "GTSRB"
    save_picture(home / "Training" / "00000" / "00000_00000.ppm")
    save_picture(home / "Training" / "00042" / "00000_00000.ppm")
    save_picture(home / "Final_Test" / "Images" / "00000.ppm")
    save_picture(home / "Final_Test" / "Images" / "00001.ppm")
    assert labels_of(load("gtsrb", "train", tmp_path)) == [0, 1]
    assert load("gtsrb", "test", tmp_path).labels is None
    table = "Filename;Width;Height;ClassId\n00000.ppm;53;54;16\n00001.ppm;42;45;1\n"
    (tmp_path / "gtsrb" / "GT-final_test.csv").write_text(table)
    test = load("gtsrb", "test", tmp_path)
    assert labels_of(test) == [16, 1]
    assert not test.flips


def test_celeba_follows_its_list_of_splits(tmp_path: Path) -> None:
    home = tmp_path / "celeba"
    for number in (1, 2, 3):
        save_picture(home / "img_align_celeba" / f"00000{number}.jpg", size=(178, 218))
    (home / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    for split, name in (("train", "000001.jpg"), ("test", "000003.jpg")):
        assert [Path(path).name for path in load("celeba", split, tmp_path).paths or ()] == [name]
    (home / "img_align_celeba" / "000003.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"000003\.jpg"):
        load("celeba", "test", tmp_path)


def test_tiny_imagenet(tmp_path: Path) -> None:
    home = tmp_path / "tiny-imagenet-200"
    for number, name in enumerate(("n01", "n02")):
        save_picture(
            home / "train" / name / "images" / f"{name}_0.JPEG", size=(64, 64), colour=(number, 0, 0)
        )
    save_picture(home / "val" / "images" / "val_0.JPEG", size=(64, 64))
    (home / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn02\t0\t0\t63\t63\n")
    assert labels_of(load("tiny-imagenet", "train", tmp_path)) == [0, 1]
    assert labels_of(load("tiny-imagenet", "test", tmp_path)) == [1]
    assert load("tiny-imagenet", "train", tmp_path, size=64).image_shape == (3, 64, 64)


def test_lsun_from_extracted_pictures(tmp_path: Path) -> None:
    save_picture(tmp_path / "lsun" / "bedroom" / "a.webp")
    assert len(load("lsun", "test", tmp_path)) == 1


SCENES = (
    *("bedroom", "bridge", "church_outdoor", "classroom", "conference_room"),
    *("dining_room", "kitchen", "living_room", "restaurant", "tower"),
)


def test_lsun_is_the_ten_validation_scenes_in_order(tmp_path: Path) -> None:
    for number, scene in enumerate(SCENES):
        save_lmdb(tmp_path / "lsun" / f"{scene}_val_lmdb", [encoded((number, 0, 0))] * 2)
    save_lmdb(tmp_path / "lsun" / "test_lmdb", [encoded((99, 0, 0))])
    found = load("lsun", "test", tmp_path)
    assert found.images[:, 0, 0, 0].tolist() == [number for number in range(10) for _ in range(2)]


def test_lsun_from_its_test_database_where_there_is_no_other(tmp_path: Path) -> None:
    save_lmdb(tmp_path / "lsun" / "test_lmdb", [encoded((99, 0, 0))])
    assert load("lsun", "test", tmp_path).images[:, 0, 0, 0].tolist() == [99]


def test_lsun_from_folders_of_scenes(tmp_path: Path) -> None:
    for number, scene in enumerate(SCENES):
        save_picture(tmp_path / "lsun" / f"{scene}_val" / "1.png", colour=(number, 0, 0))
    found = load("lsun", "test", tmp_path)
    assert found.images[:, 0, 0, 0].tolist() == labels_of(found) == list(range(10))
    with pytest.raises(FileNotFoundError, match="folders of scenes, but none of this split"):
        load("lsun", "train", tmp_path)
    save_picture(tmp_path / "lsun" / "tower_train" / "1.png", colour=(7, 0, 0))
    assert load("lsun", "train", tmp_path).images[:, 0, 0, 0].tolist() == [7]


def test_lsun_from_its_databases(tmp_path: Path) -> None:
    save_lmdb(tmp_path / "lsun" / "church_val_lmdb", [encoded((1, 1, 1)), b"damaged"])
    save_lmdb(tmp_path / "lsun" / "bedroom_val_lmdb", [encoded((0, 0, 0))])
    with pytest.warns(UserWarning, match="1 pictures of LSUN"):
        found = load("lsun", "test", tmp_path)
    assert found.images[:, 0, 0, 0].tolist() == [0, 1]
    assert len(load("lsun", "test", tmp_path)) == 2
    with pytest.raises(FileNotFoundError, match="none of this split"):
        load("lsun", "train", tmp_path)


def test_damaged_lsun_databases_are_named(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    (tmp_path / "lsun" / "a_train_lmdb").mkdir(parents=True)
    (tmp_path / "lsun" / "a_train_lmdb" / "data.mdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(ValueError, match="a_train_lmdb is not a whole LMDB folder"):
        load("lsun", "train", tmp_path)


def test_downloads_happen_only_when_asked_for_and_fail_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    asked: list[str] = []

    def fail(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        raise OSError("no network")

    monkeypatch.setattr(datasets.utils, "download_and_extract_archive", fail)
    with pytest.raises(FileNotFoundError, match="add --download"):
        load("cifar10", "test", tmp_path)
    assert asked == []
    with pytest.raises(OSError, match=r"Downloading cifar10 to .* failed: no network"):
        load_image_set("cifar10", "test", folder=tmp_path, download=True)
    assert asked == ["https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"]


def save_idx(path: Path, array: NDArray[np.uint8], *, zipped: bool) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    if zipped:
        path = path.with_name(f"{path.name}.gz")
        content = gzip.compress(content)
    path.write_bytes(content)
    return path


def encoded(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (50, 40), colour).save(buffer, "webp", lossless=True)
    return buffer.getvalue()


def save_lmdb(path: Path, contents: list[bytes]) -> None:
    lmdb = pytest.importorskip("lmdb")
    path.mkdir(parents=True)
    with lmdb.open(str(path), map_size=1 << 20) as database, database.begin(write=True) as entries:
        for number, content in enumerate(contents):
            entries.put(f"{number:08}".encode(), content)
