"""Image sets by name: `load_image_set` finds, reads and checks them."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from invglow.data.request import SetRequest

if TYPE_CHECKING:
    from invglow.data.image_set import ImageSet

__all__ = ["known_sets", "load_image_set"]

# Where each set is read; a module is imported when its set is asked for.
_MODULES = {
    "embedded_set.load_embedded": "demo-fashion-mnist demo-mnist",
    "photos.load_photos": "general:photos",
    "cifar.load_cifar": "cifar10 cifar100",
    "svhn.load_svhn": "svhn",
    "mnist.load_mnist": "mnist fashion-mnist kmnist",
    "picture_sets.load_omniglot": "omniglot",
    "picture_sets.load_gtsrb": "gtsrb",
    "picture_sets.load_celeba": "celeba",
    "picture_sets.load_tiny_imagenet": "tiny-imagenet",
    "brats.load_brats": "brats brats-t1 brats-t1ce brats-t2 brats-flair",
    "lsun.load_lsun": "lsun",
    "imagenet32.load_imagenet32": "imagenet32",
    "tiny.load_tiny": "tiny",
}
_NAMED = {name: loader for loader, names in _MODULES.items() for name in names.split()}
_WITH_PATH = {"array": "array_set.load_array", "folder": "folder_set.load_folder"}


def known_sets() -> tuple[str, ...]:
    """Return the names that `load_image_set` understands, for `--help`."""
    return (*_NAMED, *(f"{kind}:PATH" for kind in _WITH_PATH))


def load_image_set(
    spec: str,
    split: str = "test",
    *,
    image_size: int = 32,
    grey: bool = False,
    folder: Path,
    download: bool = False,
) -> ImageSet:
    """Return the images of one split of a set.

    Args:
        spec: one of `known_sets()`, with a path in place of PATH.
        split: `train` or `test`.
        image_size: wanted height and width in pixels; arrays keep their own.
        grey: convert colour to luma as batches are read.
        folder: where data sets live and where decoded copies are kept.
        download: fetch a missing set if its publishers allow that; otherwise nothing touches the network.

    Raises:
        ValueError: unknown name or split, or content that is not images.
        FileNotFoundError: the set is not there; the sentence says where it was looked for and how to get it.
    """
    if split not in ("train", "test"):
        raise ValueError(f"The split must be train or test, got {split}.")
    if image_size < 1:
        raise ValueError(f"The image size must be at least 1 pixel, got {image_size}.")
    request = SetRequest(spec, split, image_size, grey, folder, download)
    if spec in _NAMED:
        return _loader(_NAMED[spec])(request)
    kind, _, path = spec.partition(":")
    if kind in _WITH_PATH and path:
        return _loader(_WITH_PATH[kind])(request, Path(path).expanduser())
    raise ValueError(_unknown(spec))


def _loader(where: str) -> Callable[..., ImageSet]:
    module, _, function = where.partition(".")
    loader: Callable[..., ImageSet] = getattr(import_module(f"invglow.data.{module}"), function)
    return loader


def _unknown(spec: str) -> str:
    near = difflib.get_close_matches(spec, _NAMED, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(known_sets())}."
    return f"There is no image set called {spec!r}: {hint}"
