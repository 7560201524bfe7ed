"""Folders of pictures: decoded once, resized without distortion, damaged ones counted and left out."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invglow.data.image_set import ImageSet
from invglow.data.picture_store import PictureStore
from invglow.data.pictures import read_picture
from invglow.data.registry import load_image_set
from tests.invglow.data.examples import images, save_picture


def load(pictures: Path, split: str = "test", *, size: int = 32, grey: bool = False) -> ImageSet:
    folder = pictures.parent / "data"
    return load_image_set(f"folder:{pictures}", split, folder=folder, image_size=size, grey=grey)


def test_pictures_come_in_the_order_of_their_names_from_all_subfolders(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    save_picture(pictures / "b" / "2.PNG", colour=(2, 2, 2))
    save_picture(pictures / "a" / "deep" / "1.bmp", colour=(1, 1, 1))
    save_picture(pictures / "b" / ".hidden.png")
    (pictures / "b" / "notes.txt").write_text("no picture")
    found = load(pictures)
    assert found.images[:, 0, 0].tolist() == [[1, 1, 1], [2, 2, 2]]
    assert found.paths == (str(pictures / "a" / "deep" / "1.bmp"), str(pictures / "b" / "2.PNG"))
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1]


def test_pictures_are_cut_from_the_centre_and_antialiased(tmp_path: Path) -> None:
    wide = np.zeros((64, 128, 3), dtype=np.uint8)
    wide[:, 32:96] = 100
    wide[::2, 32:96] = 200
    (tmp_path / "pictures").mkdir()
    Image.fromarray(wide).save(tmp_path / "pictures" / "a.png")
    inner = load(tmp_path / "pictures").images[0, 4:-4, 4:-4]
    np.testing.assert_allclose(inner, 150, atol=2)


def test_a_picture_of_the_right_size_is_exact(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Image.fromarray(images(1)[0]).save(tmp_path / "pictures" / "a.png")
    np.testing.assert_array_equal(load(tmp_path / "pictures").images, images(1))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_kind_of_picture_becomes_colour(tmp_path: Path, mode: str) -> None:
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "pictures" / "a.tif"
    if mode == "I;16":
        Image.fromarray(np.full((40, 40), 255 * 257, dtype=np.uint16)).save(path)
    else:
        Image.new("RGB", (40, 40), (255, 255, 255)).convert(mode).save(path)
    assert (load(tmp_path / "pictures").images >= 254).all()


def test_damaged_pictures_are_counted_named_and_left_out(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    for number in range(4):
        save_picture(pictures / f"{number}.png", colour=(number, 0, 0))
    Image.fromarray(images(1, size=200)[0]).save(pictures / "cut.jpg")
    (pictures / "cut.jpg").write_bytes((pictures / "cut.jpg").read_bytes()[:3000])
    (pictures / "2.png").write_bytes(b"not a picture")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"2 of 5 pictures .* left out: 2\.png, cut\.jpg"):
            found = load(pictures)
    assert found.images[:, 0, 0, 0].tolist() == [0, 1, 3]
    assert [Path(path).name for path in found.paths or ()] == ["0.png", "1.png", "3.png"]


def test_labels_stay_in_step_when_pictures_are_left_out(tmp_path: Path) -> None:
    for number in range(3):
        save_picture(tmp_path / "pictures" / f"class{number}" / "a.png")
    (tmp_path / "pictures" / "class1" / "a.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 of 3"):
        found = load(tmp_path / "pictures")
    assert found.labels is not None
    assert found.labels.tolist() == [0, 2]


def test_a_folder_without_a_readable_picture_is_refused(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with pytest.raises(ValueError, match="holds no pictures"):
        load(pictures)
    (pictures / "a.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match="None of the 1 pictures"):
        load(pictures)
    assert not list((tmp_path / "data").rglob("*.npy"))


def test_pictures_are_decoded_again_only_when_they_change(tmp_path: Path) -> None:
    pictures, cache = tmp_path / "pictures", tmp_path / "data" / "cache"
    save_picture(pictures / "a.png", colour=(1, 1, 1))
    load(pictures)
    (copy,) = cache.glob("*.npy")
    before = copy.stat().st_mtime_ns
    load(pictures)
    assert copy.stat().st_mtime_ns == before
    save_picture(pictures / "a.png", colour=(9, 9, 9))
    os.utime(pictures / "a.png", (1, 1))
    assert load(pictures).images[0, 0, 0].tolist() == [9, 9, 9]
    assert load(pictures, size=16).images.shape == (1, 16, 16, 3)


def test_splits_are_subfolders_where_there_are_some(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    save_picture(pictures / "train" / "a.png", colour=(1, 1, 1))
    with pytest.raises(FileNotFoundError, match="not this one"):
        load(pictures, "test")
    save_picture(pictures / "val" / "a.png", colour=(2, 2, 2))
    assert load(pictures, "train").images[0, 0, 0, 0] == 1
    assert load(pictures, "test").images[0, 0, 0, 0] == 2


def test_grey_is_made_when_batches_are_read(tmp_path: Path) -> None:
    save_picture(tmp_path / "pictures" / "a.png", colour=(255, 0, 0))
    assert load(tmp_path / "pictures", grey=True).batch([0])[0, 0, 0, 0] == 76


def test_many_pictures_stay_in_order(tmp_path: Path) -> None:
    for number in range(300):
        save_picture(tmp_path / f"{number:03}.bmp", size=(8, 8), colour=(number % 256, number // 256, 0))
    paths = sorted(tmp_path.glob("*.bmp"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, kept = PictureStore(paths, tmp_path, 8, 3, tmp_path / "cache", "many").open()
    first = found[:, 0, 0].astype(int)
    assert (first[:, 0] + 256 * first[:, 1]).tolist() == list(range(300))
    assert kept.tolist() == list(range(300))


def interrupted_decoding(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, failing: str = "nothing"
) -> tuple[list[str], ImageSet]:
    """Decode 600 pictures, of which number 3 is damaged, with an interrupt at number 550, and go on.

    Returns the names that the second attempt read, and what it found.
    """
    for number in range(600):
        save_picture(pictures / f"{number:03}.bmp", size=(8, 8), colour=(number % 256, number // 256, 0))
    (pictures / "003.bmp").write_bytes(b"not a picture")
    names: list[str] = []

    def stop(path: Path, channels: int) -> Image.Image:
        if path.name == "550.bmp":
            raise KeyboardInterrupt
        return read_picture(path, channels)

    def noted(path: Path, channels: int) -> Image.Image:
        names.append(path.name)
        return read_picture(path, channels)

    with monkeypatch.context() as patch:
        patch.setattr("invglow.data.picture_store.read_picture", stop)
        with pytest.raises(KeyboardInterrupt):
            load(pictures, size=8)
    (cache,) = (pictures.parent / "data" / "cache").iterdir()
    if (part := cache / failing).exists():
        part.write_bytes(part.read_bytes()[:-40])
    with monkeypatch.context() as patch:
        patch.setattr("invglow.data.picture_store.read_picture", noted)
        with pytest.warns(UserWarning, match=r"1 of 600 .* left out: 003\.bmp"):
            return names, load(pictures, size=8)


@pytest.mark.parametrize(("damaged", "first"), [("nothing", 512), ("part-000001.npz", 256)])
def test_an_interrupted_decoding_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: str, first: int
) -> None:
    names, found = interrupted_decoding(tmp_path / "pictures", monkeypatch, damaged)
    assert sorted(names) == [f"{number:03}.bmp" for number in range(first, 600)]
    colours = found.images[:, 0, 0].astype(int)
    expected = [number for number in range(600) if number != 3]
    assert (colours[:, 0] + 256 * colours[:, 1]).tolist() == expected
    assert [int(Path(path).stem) for path in found.paths or ()] == expected
    assert not list((tmp_path / "data" / "cache").glob("*.parts"))
