"""The library `diffusers`, which is optional and slow to import."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from models.base import MissingPackageError

__all__ = ["from_diffusers"]


def from_diffusers(name: str) -> Any:
    """Return what `diffusers` calls `name`.

    Raises:
        MissingPackageError: `diffusers` is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what other libraries warn of when they are imported is not ours
            return getattr(importlib.import_module("diffusers"), name)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"Diffusion models need the package diffusers, which is not installed ({error}): "
            "pip install 'invglow[diffusion]'."
        ) from error
