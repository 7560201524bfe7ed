"""Options that change what `log_prob` of a trained run evaluates, without training again."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

__all__ = ["add_evaluation", "read_evaluation", "written_evaluation"]

_FLAGS = {"true": True, "yes": True, "false": False, "no": False}


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group(
        "what log p is (of vae and diffusion, docs/models.md; default: the run's)"
    )
    add = group.add_argument
    add(
        *("--evaluation-setting", "--evaluation_setting"),
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="settings that change no weight, for example terms=0 noise_samples=4, of all models involved",
    )
    add(
        "--iwae",
        type=int,
        metavar="K",
        help="of a vae: the importance-weighted bound with K codes (importance_weighted=true samples=K)",
    )
    add(
        "--timestep",
        type=int,
        metavar="T",
        help="of a diffusion model: the loss of timestep T, a surrogate (evaluation=timestep timestep=T)",
    )


def written_evaluation(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return what the arguments of `add_evaluation` ask for, NAME=VALUE each."""
    written = list(arguments.evaluation_setting)
    if arguments.iwae is not None:
        written += ["importance_weighted=true", f"samples={arguments.iwae}"]
    if arguments.timestep is not None:
        written += ["evaluation=timestep", f"timestep={arguments.timestep}"]
    return tuple(written)


def read_evaluation(written: Sequence[str]) -> dict[str, Any]:
    """Return {name: value} of settings, NAME=VALUE each, read without the model that they are of.

    Raises:
        ValueError: one is written otherwise.
    """
    return dict(_read(text) for text in written)


def _read(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError(f"--evaluation-setting takes NAME=VALUE, got {text!r}.")
    if value.lower() in _FLAGS:
        return name, _FLAGS[value.lower()]
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
