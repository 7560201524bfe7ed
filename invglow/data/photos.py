"""`general:photos`: a small general set made at run time from photographs that two libraries carry.

Half of its images are crops at random scales, half are collages: one to three random shapes filled with such
crops, on black. A likelihood ratio cancels low-level statistics only where the general set covers those of
the images to come; crops alone have neither dark backgrounds nor sharp outlines.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from invglow.data.arrays import open_images, writing_array
from invglow.data.crops import CropSettings, random_crop
from invglow.data.image_set import ImageSet
from invglow.data.pictures import read_picture
from invglow.data.request import SetRequest
from invglow.data.shapes import ShapeSettings, random_mask
from invglow.files import sha256_of_file

__all__ = ["PhotoSettings", "find_photographs", "load_photos", "photo_image"]

# The photographs among the pictures of scikit-image and scikit-learn (no drawings, logos or test patterns).
_PHOTOGRAPHS = {
    "skimage": (
        "data",
        "astronaut.png brick.png camera.png cell.png chelsea.png clock_motion.png coffee.png coins.png "
        "grass.png gravel.png hubble_deep_field.jpg ihc.png moon.png motorcycle_left.png page.png retina.jpg "
        "rocket.jpg text.png",
    ),
    "sklearn": ("datasets/images", "china.jpg flower.jpg"),
}
_FORMAT = 3
_CHUNK = 500

Pixels = NDArray[np.uint8]
Random = np.random.Generator


def _crops() -> CropSettings:
    """Return crops that are also subsampled, the nearest pixel taken, as thumbnails often are."""
    return CropSettings(filters=(*CropSettings().filters, Image.Resampling.NEAREST), blurred=0.2)


@dataclass(frozen=True)
class PhotoSettings:
    """How the set is made.

    These settings were chosen by how well a simple model of the set (histograms of a pixel given four
    neighbours) codes FashionMNIST's training images: 3.05 bits per pixel, against 3.14 without subsampling
    and brightening, and 3.67 without collages.

    Attributes:
        train: number of training images.
        test: number of test images (drawn from the same photographs).
        seed: every image depends on the seed, the split and its index alone.
        collages: share of collages.
        shapes: fewest and most shapes of a collage.
        brightened: share of images scaled so that their brightest pixel is anything up to 255.
        crop: how crops are drawn.
        shape: how shapes are drawn.
    """

    train: int = 20_000
    test: int = 2_000
    seed: int = 0
    collages: float = 0.5
    shapes: tuple[int, int] = (1, 3)
    brightened: float = 0.5
    crop: CropSettings = field(default_factory=_crops)
    shape: ShapeSettings = field(default_factory=ShapeSettings)

    def at(self, size: int) -> PhotoSettings:
        """Return the same settings for images of size x size pixels."""
        return replace(self, crop=replace(self.crop, size=size), shape=replace(self.shape, size=size))


def load_photos(request: SetRequest, settings: PhotoSettings | None = None) -> ImageSet:
    """Return the set, made on the first call (about ten seconds) and kept under the data folder.

    With `grey` the photographs are converted to luma before they are cropped.
    """
    settings = (settings or PhotoSettings()).at(request.image_size)
    paths = find_photographs()
    channels = 1 if request.grey else 3
    path = request.cache / f"general-photos-{request.split}-{channels}c-{_key(settings, paths)}.npy"
    if not path.is_file():
        _write(path, request.split, channels, settings, [read_picture(found, channels) for found in paths])
    return request.answer(open_images(path))


def find_photographs() -> list[Path]:
    """Return the files of the photographs; neither library is imported and no network is touched.

    Raises:
        FileNotFoundError: none is there.
    """
    found = []
    for package, (folder, names) in _PHOTOGRAPHS.items():
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            found += [path for name in names.split() if (path := Path(place, folder, name)).is_file()]
    if not found:
        raise FileNotFoundError(
            "general:photos is made of photographs that scikit-image and scikit-learn carry, but neither has "
            "any: install them (pip install scikit-image scikit-learn)."
        )
    return found


def photo_image(photographs: list[Image.Image], settings: PhotoSettings, rng: Random) -> Pixels:
    """Draw one image (size, size, C) of the set."""
    if rng.random() < settings.collages:
        image = _collage(photographs, settings, rng)
    else:
        image = _crop(photographs, settings, rng)
    return _brightened(image, rng) if rng.random() < settings.brightened else image


def _collage(photographs: list[Image.Image], settings: PhotoSettings, rng: Random) -> Pixels:
    image = np.zeros((settings.crop.size, settings.crop.size, 1), dtype=np.uint8)
    for _ in range(rng.integers(settings.shapes[0], settings.shapes[1] + 1)):
        weight = random_mask(settings.shape, rng).astype(np.uint16)[..., None]
        mixed = image * (255 - weight) + _crop(photographs, settings, rng) * weight
        image = ((mixed + 127) // 255).astype(np.uint8)
    return image


def _crop(photographs: list[Image.Image], settings: PhotoSettings, rng: Random) -> Pixels:
    return random_crop(photographs[rng.integers(len(photographs))], settings.crop, rng)[0]


def _brightened(image: Pixels, rng: Random) -> Pixels:
    """Scale the image so that black stays black and its brightest pixel becomes anything up to 255."""
    brightest = max(1, int(image.max()))
    scaled = image.astype(np.uint32) * rng.integers(brightest, 256, dtype=np.uint32)
    return ((scaled + brightest // 2) // brightest).astype(np.uint8)


def _write(
    path: Path, split: str, channels: int, settings: PhotoSettings, photographs: list[Image.Image]
) -> None:
    count, stream = (settings.train, 0) if split == "train" else (settings.test, 1)
    shape = (settings.crop.size, settings.crop.size, channels)
    with (
        writing_array(path, shape) as writer,
        tqdm(total=count, desc="making general:photos", unit="img", disable=None) as bar,
    ):
        for start in range(0, count, _CHUNK):
            seeds = ((settings.seed, stream, index) for index in range(start, min(start + _CHUNK, count)))
            made = [photo_image(photographs, settings, np.random.default_rng(seed)) for seed in seeds]
            writer.append(np.stack(made))
            bar.update(len(made))


def _key(settings: PhotoSettings, paths: list[Path]) -> str:
    content = [sha256_of_file(path) for path in paths]
    return hashlib.sha256(f"{_FORMAT} {settings} {content}".encode()).hexdigest()[:16]
