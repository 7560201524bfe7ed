"""Reading tensors from files that anybody may have written: no pickle is ever executed."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

__all__ = ["load_tensors", "named_few", "nonfinite_tensors", "read_state", "read_tensors", "require_finite"]

LONGEST_NAME = 200


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file onto the CPU.

    Raises:
        ValueError: the file is truncated, or something else, such as a pickle.
    """
    try:
        return load_file(path)
    except SafetensorError as error:
        if _looks_like_pickle(path):
            raise ValueError(
                f"{path} is a pickle, not a safetensors file: it is refused, since reading it could run code."
            ) from error
        raise ValueError(f"{path} is truncated or not a safetensors file ({error}).") from error


def read_state(path: Path) -> dict[str, Any]:
    """Read a dictionary of tensors, numbers and texts that torch.save has written onto the CPU.

    Raises:
        ValueError: the file is truncated, or holds anything else.
    """
    if not zipfile.is_zipfile(path):  # torch.load would take it for an old format and try to unpickle it
        raise ValueError(f"{path} is refused: it is not an archive that torch.save has written.")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # Torch's own sentences advise reading the file without this protection.
        asked = re.search(r"GLOBAL (\S+)", str(error))
        what = f" (it asks for {asked[1]})" if asked else ""
        raise ValueError(f"{path} is refused: it holds more than tensors and numbers{what}.") from error
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path} is refused: it is truncated or damaged ({reason}).") from error
    return state


def load_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put tensors into the model whose parameters and buffers have just these names and shapes.

    Raises:
        ValueError: a tensor is missing, unexpected or of another shape; the model is then as it was.
    """
    wanted = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    wrong = [name for name in wanted | found if wanted.get(name) != found.get(name)]
    if wrong:
        there = f"has shape {found[wrong[0]]}" if wrong[0] in found else "is missing"
        here = f"takes shape {wanted[wrong[0]]}" if wrong[0] in wanted else "has no such tensor"
        rest = f" (and {len(wrong) - 1} more tensors do not fit)" if len(wrong) > 1 else ""
        raise ValueError(f"{wrong[0]} {there} in the file, but the model {here}{rest}.")
    model.load_state_dict(dict(tensors))


def require_finite(tensors: Mapping[str, Tensor], holder: str) -> None:
    """Refuse weights with values that are NaN or infinite: every likelihood would be, too.

    Args:
        tensors: parameters and buffers by name.
        holder: what holds them, as the sentence begins.

    Raises:
        ValueError: naming the first such tensors and how many there are.
    """
    if names := nonfinite_tensors(tensors):
        raise ValueError(
            f"{holder} hold NaN or infinite values in {len(names)} of {len(tensors)} tensors "
            f"({named_few(names)}), with which nothing can be computed: take an intact copy, or train again."
        )


def nonfinite_tensors(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors with a value that is NaN or infinite."""
    return [name for name, tensor in tensors.items() if not bool(tensor.isfinite().all())]


def named_few(names: Collection[str], prefix: str = "") -> str:
    """Return the first three names, cut where they are too long, and how many more there are."""
    few = [f"{prefix}{name[:LONGEST_NAME]}" for name in list(names)[:3]]
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(few) + rest


def _looks_like_pickle(path: Path) -> bool:
    """Return whether a file starts as pickle.dump or torch.save begin it, and not as safetensors do."""
    with path.open("rb") as file:
        head = file.read(9)
    # A safetensors file starts with the length of its header, of any first byte, and the "{" of the header.
    return head.startswith((b"\x80", b"PK\x03\x04")) and head[8:] not in (b"{", b"")
