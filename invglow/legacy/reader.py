"""Reads a published checkpoint of either paper."""

from __future__ import annotations

from pathlib import Path

from invglow.legacy.archive import Archive, open_archive
from invglow.legacy.imported import Imported
from invglow.legacy.part import Part
from invglow.legacy.pickled_model import read_pickled_model
from invglow.legacy.records import Record
from invglow.legacy.state_dict import read_state_dict, settings_beside, weights_file
from invglow.reading import named_few, nonfinite_tensors

__all__ = ["read_published"]


def read_published(path: Path, image_size: int = 32) -> Imported:
    """Read the model in a file of pickled modules, or in a folder of a state dict and its settings.

    Nothing that a file asks for is executed.

    Args:
        path: `*.th`, or a folder with a checkpoint and `hparams.json`, or that checkpoint.
        image_size: side of the images of a model on local patches, whose file does not hold it.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: it is damaged, asks for anything but a model, is not as the formats have it, or holds
            values that are not finite.
    """
    file = weights_file(path)
    with open_archive(file) as archive:
        try:
            imported = _read(archive, image_size)
        except RecursionError as error:
            raise ValueError(f"{file} holds layers that contain themselves: it is damaged.") from error
        except ValueError as error:
            _refuse_nonfinite(file, archive.nonfinite)  # for which alone a layer may not be what it should
            if str(file) in str(error):
                raise
            raise ValueError(f"{file} is no published model: {str(error).rstrip('.')}.") from error
        # Numbers that are finite in the file may still be none where they are put together.
        _refuse_nonfinite(file, archive.nonfinite or nonfinite_tensors(imported.tensors))
        return imported


def _read(archive: Archive, image_size: int) -> Imported:
    if isinstance(archive.root, Record):
        return read_pickled_model(Part(archive.root, "", archive), image_size)
    return read_state_dict(archive, settings_beside(archive.path))


def _refuse_nonfinite(file: Path, names: list[str]) -> None:
    if names:
        raise ValueError(
            f"{file} holds NaN or infinite values in {len(names)} of its tensors ({named_few(names)}), with "
            "which every likelihood would be NaN: it is damaged, or its training diverged."
        )
