"""Reads a published checkpoint of either paper."""

from __future__ import annotations

from pathlib import Path

from invglow.legacy.archive import open_archive
from invglow.legacy.imported import Imported
from invglow.legacy.part import Part
from invglow.legacy.pickled_model import read_pickled_model
from invglow.legacy.records import Record
from invglow.legacy.state_dict import read_state_dict, settings_beside, weights_file

__all__ = ["read_published"]


def read_published(path: Path, image_size: int = 32) -> Imported:
    """Read the model in a file of pickled modules, or in a folder of a state dict and its settings.

    Nothing that a file asks for is executed.

    Args:
        path: `*.th`, or a folder with a checkpoint and `hparams.json`, or that checkpoint.
        image_size: side of the images of a model on local patches, whose file does not hold it.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: it is damaged, asks for anything but a model, or is not as the formats have it.
    """
    file = weights_file(path)
    with open_archive(file) as archive:
        try:
            if isinstance(archive.root, Record):
                return read_pickled_model(Part(archive.root, "", archive), image_size)
            return read_state_dict(archive, settings_beside(file))
        except RecursionError as error:
            raise ValueError(f"{file} holds layers that contain themselves: it is damaged.") from error
        except ValueError as error:
            if str(file) in str(error):
                raise
            raise ValueError(f"{file} is no published model: {str(error).rstrip('.')}.") from error
