"""Image sets by name: `load_image_set` finds, reads and checks them."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from invglow.data.array_set import load_array
from invglow.data.embedded_set import load_embedded
from invglow.data.folder_set import load_folder
from invglow.data.image_set import ImageSet
from invglow.data.photos import load_photos
from invglow.data.request import SetRequest

__all__ = ["known_sets", "load_image_set"]

_NAMED: dict[str, Callable[[SetRequest], ImageSet]] = {
    "demo-fashion-mnist": load_embedded,
    "demo-mnist": load_embedded,
    "general:photos": load_photos,
}
_WITH_PATH: dict[str, Callable[[SetRequest, Path], ImageSet]] = {"array": load_array, "folder": load_folder}


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
        return _NAMED[spec](request)
    kind, _, path = spec.partition(":")
    if kind in _WITH_PATH and path:
        return _WITH_PATH[kind](request, Path(path).expanduser())
    raise ValueError(_unknown(spec))


def _unknown(spec: str) -> str:
    near = difflib.get_close_matches(spec, _NAMED, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(known_sets())}."
    return f"There is no image set called {spec!r}: {hint}"
