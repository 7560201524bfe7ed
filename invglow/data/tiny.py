"""`tiny`: the general set that `create_tiny.py` builds."""

from __future__ import annotations

from invglow.data.arrays import open_images
from invglow.data.general_source import IMAGES_FILE
from invglow.data.image_set import ImageSet
from invglow.data.request import SetRequest

__all__ = ["load_tiny"]

_MOST_TEST_IMAGES = 10_000


def load_tiny(request: SetRequest) -> ImageSet:
    """Read FOLDER/tiny/images.npy, memory-mapped; its last tenth, at most 10,000 images, are the test split.

    Raises:
        FileNotFoundError: it was not built yet.
        ValueError: it holds fewer than two images, or images of another size than was asked for.
    """
    path = request.folder / "tiny" / IMAGES_FILE
    if not path.is_file():
        raise request.missing(
            path, "build it with python create_tiny.py SOURCE (see python create_tiny.py --help)"
        )
    images = open_images(path)
    if len(images) < 2:
        raise ValueError(
            f"{path} holds {len(images)} image, too few for a train and a test split: build a larger set."
        )
    if images.shape[1:3] != (request.image_size, request.image_size):
        raise ValueError(
            f"{path} holds images of {images.shape[1]}x{images.shape[2]} pixels, not of "
            f"{request.image_size}: ask for that size, or build another general set."
        )
    held_out = min(_MOST_TEST_IMAGES, max(1, len(images) // 10))
    return request.answer(images[:-held_out] if request.split == "train" else images[-held_out:])
