"""A published model, read: the settings and tensors of a flow of this library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from invglow.flows import GlowConfig

__all__ = ["Imported"]


@dataclass(frozen=True)
class Imported:
    """What `build_glow(config)` becomes by loading `tensors`.

    Attributes:
        config: settings of the flow.
        tensors: its parameters and buffers by name.
        form: in words, the format of the file.
        file: that was read.
    """

    config: GlowConfig
    tensors: Mapping[str, Tensor]
    form: str
    file: Path
