"""The file that an estimate of the Fisher information is kept in: safetensors with a JSON header."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from anomaly_methods.extractors.fisher.blocks import Block
from anomaly_methods.extractors.fisher.meta import FisherMeta, require_same_estimate
from invglow.files import replacing

__all__ = ["PART", "WHOLE", "Content", "read_content", "write_content"]

FORMAT_VERSION = 1
WHOLE = "Fisher information"
PART = "part of a Fisher information"
_KEY = "invglow"


@dataclass(frozen=True, eq=False)
class Content:
    """What a file holds.

    Attributes:
        meta: where it comes from.
        moments: {parameter name: moments of its block}: means over images, or in a part their sums.
        images: {parameter name: how many images with a finite gradient of it there were}.
        seen: images so far, finite or not.
    """

    meta: FisherMeta
    moments: Mapping[str, Sequence[Tensor]]
    images: Mapping[str, int]
    seen: int


def write_content(path: Path, content: Content, form: str) -> str:
    """Write a file whole or not at all, and return the SHA-256 of its moments.

    Raises:
        OSError: the disk is full or the folder read-only; an earlier file at `path` stays as it was.
    """
    tensors = {
        f"{name}/{place}": moment.cpu().contiguous()
        for name, moments in content.moments.items()
        for place, moment in enumerate(moments)
    }
    digest = _sha256(tensors)
    header = {
        "format": form,
        "format_version": FORMAT_VERSION,
        "meta": content.meta.to_json(),
        "images": dict(content.images),
        "seen": content.seen,
        "sha256": digest,
    }
    with replacing(path) as temporary:
        # Made in memory and written by Python, whose errors name the file.
        temporary.write_bytes(save(tensors, {_KEY: json.dumps(header)}))
    return digest


def read_content(
    path: Path, form: str, wanted: FisherMeta, blocks: Mapping[str, Block]
) -> tuple[Content, str]:
    """Read what `write_content` wrote: the content and the SHA-256 of its moments, which is verified.

    Args:
        path: of the file.
        form: `WHOLE` or `PART`.
        wanted: what it must be.
        blocks: {parameter name: block} of the model.

    Raises:
        ValueError: it is of another model or other images, truncated, damaged, of a newer format, or not such
            a file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = _header(path, file.metadata() or {}, form)
            meta = FisherMeta.from_json(header["meta"])
            require_same_estimate(meta, wanted, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        return _interpret(header, meta, tensors, blocks), header["sha256"]
    except (SafetensorError, KeyError, TypeError, AttributeError, _DamagedError) as error:
        reason = str(error).rstrip(".")
        raise ValueError(
            f"Fisher information {path} is truncated or damaged ({reason}): have it estimated again "
            "(--recompute), or delete the file."
        ) from error


class _DamagedError(Exception):
    """The content of a file makes no sense."""


def _header(path: Path, metadata: Mapping[str, str], form: str) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads(metadata[_KEY])
        found, version = header["format"], int(header["format_version"])
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is not a Fisher information of this library (no header).") from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format {version}, newer than {FORMAT_VERSION}, which this version of the library "
            "reads: update the library."
        )
    if found != form:
        raise ValueError(f"{path} holds {found!r}, but {form!r} was wanted: check the name.")
    return header


def _interpret(
    header: Mapping[str, Any], meta: FisherMeta, tensors: Mapping[str, Tensor], blocks: Mapping[str, Block]
) -> Content:
    if _sha256(tensors) != header["sha256"]:
        raise _DamagedError("its checksum does not fit")
    moments = {
        name: [tensors[f"{name}/{place}"] for place in range(len(block.moment_shapes))]
        for name, block in blocks.items()
    }
    for name, block in blocks.items():
        found = tuple(tuple(moment.shape) for moment in moments[name])
        if found != block.moment_shapes:
            raise _DamagedError(f"moments of {name!r} have shapes {found} instead of {block.moment_shapes}")
    images = {name: int(header["images"][name]) for name in blocks}
    return Content(meta, moments, images, int(header["seen"]))


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
