"""Lossless image codecs: an 8-bit image becomes a file, and the file's length says how complex it is."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

__all__ = ["CODECS", "Codec", "get_codec"]

Pixels = NDArray[np.uint8]

_PNG_LEVEL = 9
# Method 6 takes 100 ms for 32 x 32 pixels instead of 1.5, and its files are not even shorter.
_WEBP = {"lossless": True, "quality": 100, "method": 4}
# The reversible transform; only the codestream, without the 85 bytes of boxes of a file around it.
_JPEG2000 = {"irreversible": False, "no_jp2": True}


@dataclass(frozen=True)
class Codec:
    """One way to write an image without loss.

    Attributes:
        name: as in names of methods.
        encode: turns an image, uint8 (H, W, C) in RGB order or grey, into the bytes of a file.
        settings: what decides about the length, with the version of the library, in JSON types.
    """

    name: str
    encode: Callable[[Pixels], bytes]
    settings: Callable[[], Mapping[str, Any]]


def get_codec(name: str) -> Codec:
    """Return the codec of this name, ready to encode.

    Raises:
        ValueError: there is none, or the library behind it is not installed.
    """
    if name not in CODECS:
        raise ValueError(f"There is no codec {name!r}; known are {', '.join(CODECS)}.")
    codec = CODECS[name]
    codec.settings()  # asks the library for its version
    return codec


def _png(image: Pixels) -> bytes:
    """As the first paper: OpenCV, compression level 9. OpenCV takes colours as blue, green, red."""
    ordered = np.ascontiguousarray(image[..., ::-1])
    _, file = cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])
    return file.tobytes()


def _webp(image: Pixels) -> bytes:
    """WebP knows colour only: grey becomes three equal channels, which its transforms make one of again."""
    return _by_pillow(image, "WEBP", _WEBP)


def _jpeg2000(image: Pixels) -> bytes:
    return _by_pillow(image, "JPEG2000", _JPEG2000)


def _jpeg_ls(image: Pixels) -> bytes:
    return bytes(_imagecodecs().jpegls_encode(image if image.shape[-1] == 3 else image[..., 0], level=0))


def _by_pillow(image: Pixels, form: str, options: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image if image.shape[-1] == 3 else image[..., 0]).save(file, form, **options)
    return file.getvalue()


def _png_settings() -> Mapping[str, Any]:
    return {"codec": "png", "level": _PNG_LEVEL, "library": f"opencv {cv2.__version__}"}


def _webp_settings() -> Mapping[str, Any]:
    return {"codec": "webp", **_WEBP, "library": f"libwebp {_version('webp')}"}


def _jpeg2000_settings() -> Mapping[str, Any]:
    return {"codec": "jpeg2000", **_JPEG2000, "library": f"openjpeg {_version('jpg_2000')}"}


def _jpeg_ls_settings() -> Mapping[str, Any]:
    return {"codec": "jpeg_ls", "loss": 0, "library": _imagecodecs().jpegls_version()}


def _version(feature: str) -> str:
    """Return the version of a library that Pillow was built with."""
    if not features.check(feature):
        raise ValueError(f"This Pillow was built without {feature}: install one of its published wheels.")
    return str(features.version(feature))


def _imagecodecs() -> Any:
    try:
        return import_module("imagecodecs")
    except ImportError as error:
        raise ValueError(
            "JPEG-LS needs the package imagecodecs: pip install 'invglow[codecs]', or choose another codec."
        ) from error


CODECS: Mapping[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("png", _png, _png_settings),
        Codec("webp", _webp, _webp_settings),
        Codec("jpeg2000", _jpeg2000, _jpeg2000_settings),
        Codec("jpeg_ls", _jpeg_ls, _jpeg_ls_settings),
    )
}
"""{name: codec}, the first paper's first."""
