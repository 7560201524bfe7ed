"""What a model of somebody's own raised, as one sentence instead of a traceback from deep inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import torch
from torch import Tensor

__all__ = ["described", "said_of"]

_LONGEST = 300
_PASSED_ON: tuple[type[Exception], ...] = (
    *(MemoryError, OSError, torch.OutOfMemoryError),
    torch.linalg.LinAlgError,  # type: ignore[attr-defined]  # torch does not declare it
)
# Where errors are sentences already.
_OURS = ("invglow", "models", "anomaly_methods")


def described(error: BaseException) -> str:
    """Return type and message of an error in one line, without a point at its end."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the message may be of the model's own making, too
        message = ""
    shown = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."
    return f"{type(error).__name__}: {shown}".rstrip(": .")


@contextmanager
def said_of(model: object, call: str, x: Tensor | None = None) -> Iterator[None]:
    """Turn what a model raises when it is asked into a sentence; the error stays its cause.

    A lack of memory, what the operating system says, a matrix that cannot be inverted and the sentences of
    this library go on as they are.

    Args:
        model: that is asked.
        call: what it is asked for, such as "log_prob".
        x: the images that it is given, if any, (B, C, H, W).

    Raises:
        ValueError: with the model's class, the call, shape and type of the images, and the error.
    """
    try:
        yield
    except _PASSED_ON:
        raise
    except Exception as error:
        if isinstance(error, ValueError) and _is_ours(error.__traceback__):
            raise
        given = "" if x is None else f" on images of shape {tuple(x.shape)}, {x.dtype}"
        raise ValueError(f"{type(model).__name__} fails in {call}{given}: {described(error)}.") from error


def _is_ours(trace: TracebackType | None) -> bool:
    """Whether an error comes from this library, by the module that raised it."""
    module = ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__"))
        trace = trace.tb_next
    return module.partition(".")[0] in _OURS
