"""Fetch published sets with torchvision, when asked to and only then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["fetch", "fetch_archive"]


def fetch(what: str, folder: Path, load: Callable[[Any], object]) -> None:
    """Create `folder` and call `load(torchvision.datasets)`, which downloads into it.

    Raises:
        OSError: the download failed; the sentence says of what and why.
    """
    from torchvision import datasets

    folder.mkdir(parents=True, exist_ok=True)
    try:
        load(datasets)
    except (OSError, RuntimeError) as error:
        raise OSError(f"Downloading {what} to {folder} failed: {error}") from error


def fetch_archive(what: str, folder: Path, name: str) -> None:
    """Download and unpack the archive of the torchvision data set class `name`, but load nothing from it.

    torchvision's CIFAR classes execute the pickles they downloaded.
    """

    def load(datasets: Any) -> None:
        source = getattr(datasets, name)
        datasets.utils.download_and_extract_archive(
            source.url, str(folder), filename=source.filename, md5=source.tgz_md5
        )

    fetch(what, folder, load)
