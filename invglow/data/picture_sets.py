"""Published sets that are folders of pictures: Omniglot, GTSRB, CelebA, Tiny-ImageNet."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invglow.data.download import fetch
from invglow.data.folder_set import answer_pictures, class_labels
from invglow.data.image_set import ImageSet
from invglow.data.pictures import find_pictures
from invglow.data.request import SetRequest

__all__ = ["load_celeba", "load_gtsrb", "load_omniglot", "load_tiny_imagenet"]


def load_omniglot(request: SetRequest) -> ImageSet:
    """Read `omniglot`: 19,280 / 13,180 grey drawings of characters (background / evaluation alphabets).

    References:
        Human-level concept learning through probabilistic program induction (Lake et al., 2015).
    """
    train = request.split == "train"
    root = request.folder / "omniglot-py" / ("images_background" if train else "images_evaluation")
    if request.download and not root.is_dir():
        fetch(
            "omniglot", request.folder, lambda d: d.Omniglot(request.folder, background=train, download=True)
        )
    if not root.is_dir():
        raise request.missing(
            root, f"add --download, or unpack {root.name}.zip of brendenlake/omniglot there"
        )
    paths = find_pictures(root)
    return answer_pictures(request, paths, root, labels=class_labels(paths, root), channels=1, flips=False)


def load_gtsrb(request: SetRequest) -> ImageSet:
    """Read `gtsrb`: 26,640 / 12,630 colour pictures of traffic signs of 43 classes, 15 to 250 pixels wide.

    References:
        Man vs. computer: benchmarking machine learning algorithms for traffic sign recognition (Stallkamp et
        al., 2012).
    """
    train = request.split == "train"
    home = request.folder / "gtsrb"
    root = home / "GTSRB" / ("Training" if train else "Final_Test/Images")
    if request.download and not root.is_dir():
        fetch("gtsrb", request.folder, lambda d: d.GTSRB(request.folder, split=request.split, download=True))
    if not root.is_dir():
        raise request.missing(root, "add --download, or unpack the set's archives there")
    paths = find_pictures(root)
    labels = class_labels(paths, root) if train else _gtsrb_test_labels(home / "GT-final_test.csv", paths)
    return answer_pictures(request, paths, root, labels=labels, flips=False)


def load_celeba(request: SetRequest) -> ImageSet:
    """Read `celeba`: 162,770 / 19,962 colour pictures of faces, 178x218; without labels.

    References:
        Deep learning face attributes in the wild (Liu et al., 2015).
    """
    home = request.folder / "celeba"
    partition = home / "list_eval_partition.txt"
    if request.download and not partition.is_file():
        fetch("celeba", request.folder, lambda d: d.CelebA(request.folder, split="all", download=True))
    if not partition.is_file():
        raise request.missing(
            partition, "add --download, or put that file and the folder img_align_celeba there"
        )
    wanted = "0" if request.split == "train" else "2"
    rows = [line.split() for line in partition.read_text().splitlines() if line.strip()]
    root = home / "img_align_celeba"
    paths = [root / row[0] for row in rows if row[-1] == wanted]
    absent = next((path for path in paths if not path.is_file()), None)
    if absent is not None or not paths:
        raise request.missing(
            absent or root, f"{partition.name} lists pictures that are not there; unpack them again"
        )
    return answer_pictures(request, paths, root)


def load_tiny_imagenet(request: SetRequest) -> ImageSet:
    """Read `tiny-imagenet`: 100,000 / 10,000 (validation) colour pictures, 64x64, of 200 classes.

    References:
        Tiny ImageNet visual recognition challenge (Le and Yang, 2015).
    """
    home = request.folder / "tiny-imagenet-200"
    root = home / ("train" if request.split == "train" else "val")
    if not root.is_dir():
        raise request.missing(root, f"unpack http://cs231n.stanford.edu/{home.name}.zip in {request.folder}")
    paths = find_pictures(root)
    labels = class_labels(paths, root) if request.split == "train" else _validation_labels(home, paths)
    return answer_pictures(request, paths, root, labels=labels)


def _gtsrb_test_labels(table: Path, paths: list[Path]) -> NDArray[np.int64] | None:
    if not table.is_file():
        return None
    with table.open(newline="") as file:
        classes = {
            row["Filename"]: int(row["ClassId"])
            for row in csv.DictReader(file, delimiter=";", skipinitialspace=True)
        }
    return _looked_up(classes, paths)


def _validation_labels(home: Path, paths: list[Path]) -> NDArray[np.int64] | None:
    table = home / "val" / "val_annotations.txt"
    if not table.is_file() or not (home / "train").is_dir():
        return None
    names = sorted(folder.name for folder in (home / "train").iterdir() if folder.is_dir())
    rank = {name: index for index, name in enumerate(names)}
    rows = (line.split("\t") for line in table.read_text().splitlines())
    return _looked_up({row[0]: rank[row[1]] for row in rows if row[1] in rank}, paths)


def _looked_up(classes: dict[str, int], paths: list[Path]) -> NDArray[np.int64] | None:
    if any(path.name not in classes for path in paths):
        return None
    return np.array([classes[path.name] for path in paths], dtype=np.int64)
