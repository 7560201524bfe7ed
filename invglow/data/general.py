"""Build a general set: one memory-mapped array of images, an index of where each came from, a meta file."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from tqdm import tqdm

import invglow
from invglow.data.arrays import writing_array
from invglow.data.general_source import IMAGES_FILE, ORIGIN, Block, GeneralSource
from invglow.files import named, replacing

__all__ = ["build_general_set"]

_FORMAT_VERSION = 1


def build_general_set(
    sources: Sequence[GeneralSource],
    output: Path,
    *,
    images: int | None = None,
    size: int = 32,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the folder `output` and return the content of its meta file.

    It holds `images.npy` (uint8 N x size x size x 3), `index.npy` (dtype `ORIGIN`), `meta.json`, and for
    sources of pictures `pictures-NUMBER.txt` with their names. Memory stays constant whatever N is. The
    folder appears whole or not at all: it is made under a temporary name beside it.

    Args:
        sources: images are taken from all, in proportion to what they have, and mixed.
        output: folder to make.
        images: how many images; None for all there are.
        size: height and width in pixels.
        seed: decides which images, crops and which order.
        overwrite: replace a folder that is there.

    Raises:
        FileExistsError: `output` is there and `overwrite` is not set, or it is something else than a set.
        ValueError: more images are wanted than there are.
        OSError: there is not room enough on the disk.
    """
    _require_free(output, overwrite)
    counts = [source.count() for source in sources]
    wanted = sum(counts) if images is None else images
    if not 1 <= wanted <= sum(counts):
        raise ValueError(
            f"{wanted} images were asked for, but the sources hold {sum(counts)}: ask for 1 to as many, "
            "add sources, or take more --crops of each picture."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    _check_room(output.parent, wanted * (3 * size * size + ORIGIN.itemsize))
    rng = np.random.default_rng((seed, len(sources)))
    shares = rng.multivariate_hypergeometric(counts, wanted, method="marginals")
    with _replacing_folder(output) as folder:
        readers = [source.read(int(share), seed) for source, share in zip(sources, shares, strict=True)]
        blocks = _mixed(readers, shares, rng)
        written = _write_images(folder, blocks, wanted, size)
        meta = _meta(sources, written, size, seed)
        _write_names(folder, sources)
        with replacing(folder / "meta.json") as temporary:
            temporary.write_text(json.dumps(meta, indent=2) + "\n")
    return meta


def _require_free(output: Path, overwrite: bool) -> None:
    """Refuse to take the place of anything but an empty folder or, if that is wanted, an earlier set."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    is_set = all((output / name).is_file() for name in (IMAGES_FILE, "index.npy", "meta.json"))
    if not is_set:
        raise FileExistsError(f"{output} holds something else than a general set: choose another --output.")
    if not overwrite:
        raise FileExistsError(f"{output} exists already: choose another --output, or --overwrite it.")


def _mixed(
    readers: Sequence[Iterator[Block]], shares: NDArray[np.int64], rng: np.random.Generator
) -> Iterator[Block]:
    """Yield all blocks of all readers; the next one is drawn in proportion to the images still to come."""
    remaining = shares.astype(np.float64)
    while remaining.sum() > 0:
        which = int(rng.choice(len(readers), p=remaining / remaining.sum()))
        block = next(readers[which], None)
        remaining[which] = 0 if block is None else max(0, remaining[which] - len(block.images))
        if block is not None:
            yield block


def _write_images(folder: Path, blocks: Iterator[Block], wanted: int, size: int) -> int:
    with (
        writing_array(folder / IMAGES_FILE, (size, size, 3)) as images,
        writing_array(folder / "index.npy", (), ORIGIN) as index,
        tqdm(total=wanted, desc="building the general set", unit="img", unit_scale=True, disable=None) as bar,
    ):
        for block in blocks:
            images.append(block.images)
            index.append(block.origins)
            bar.update(len(block.images))
    return images.rows


def _write_names(folder: Path, sources: Sequence[GeneralSource]) -> None:
    for source in sources:
        if (names := source.names()) is not None:
            with replacing(folder / f"pictures-{source.number}.txt") as temporary:
                temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _meta(sources: Sequence[GeneralSource], written: int, size: int, seed: int) -> dict[str, Any]:
    return {
        "format_version": _FORMAT_VERSION,
        "images": written,
        "size": size,
        "seed": seed,
        "sources": [source.report() for source in sources],
        "versions": {"invglow": invglow.__version__, "numpy": np.__version__, "pillow": PIL.__version__},
    }


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(f"{folder} has {free / 1e6:,.1f} MB free, but the set needs {needed / 1e6:,.1f} MB.")


@contextmanager
def _replacing_folder(output: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `output` that takes its place on success and is removed on failure."""
    with named(output):
        temporary = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}.", suffix=".partial"))
    try:
        yield temporary
        temporary.chmod(0o755)
        if output.exists():
            earlier = temporary.with_suffix(".earlier")
            output.rename(earlier)
            temporary.rename(output)
            shutil.rmtree(earlier)
        else:
            temporary.rename(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
