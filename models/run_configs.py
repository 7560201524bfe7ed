"""The configuration of a run: what its folder says of how it came about."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch

import invglow
from invglow.checkpoints import CONFIG, newest_checkpoint, read_config, weights_sha256, write_config
from invglow.data.image_set import ImageSet
from invglow.sections import OBJECT, TEXT, read_section
from models.run_plans import Origin, RunPlan

__all__ = ["config_of", "record", "versions"]

# Settings that change neither the weights nor where they are.
_HARMLESS = ("evaluate_every", "checkpoint_every", "max_nonfinite")


def config_of(plan: RunPlan) -> dict[str, Any]:
    """Return what the folder of a run records of its plan, in JSON types."""
    return {
        "model": plan.model if plan.model is not None else _origin_model(plan),
        "data": _described(plan.images),
        "training": asdict(plan.training),
        "origin": _provenance(plan.origin) if plan.origin else None,
        "outliers": {**_described(plan.outliers.images), **plan.outliers.settings()}
        if plan.outliers
        else None,
        "labels": plan.labels.settings(plan.images) if plan.labels else None,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what computes here, as every run records them."""
    return {
        "invglow": invglow.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def record(run: Path, config: dict[str, Any]) -> None:
    """Write the configuration of a new run, or check it against the one that is there."""
    if (run / CONFIG).exists():
        for section in ("model", "data", "training"):
            _refuse_difference(run, section, read_section(run, section), config[section])
        recorded = read_config(run)
        moved = _is_moved(recorded.get("origin"), config["origin"])
        for section in ("outliers", "labels") if moved else ("origin", "outliers", "labels"):
            _refuse_difference(run, section, recorded.get(section), config[section])
        idist.barrier()
        if moved and idist.get_rank() == 0:
            write_config(run, {**recorded, "origin": config["origin"]})
    else:
        if newest_checkpoint(run) is not None:
            raise ValueError(
                f"{run} holds a checkpoint but no {CONFIG} that says of what: choose another --run."
            )
        idist.barrier()
        if idist.get_rank() == 0:
            write_config(run, config)


def _is_moved(recorded: Any, asked: Any) -> bool:
    """Whether a run starts from the same weights as before, which are now in another folder."""
    if not (isinstance(recorded, dict) and isinstance(asked, dict)):
        return False
    return recorded != asked and {**recorded, "run": asked["run"]} == asked


def _refuse_difference(run: Path, section: str, recorded: Any, asked: Any) -> None:
    recorded, asked = (_plain(value) for value in (recorded, asked))
    if recorded == asked:
        return
    if isinstance(recorded, dict) and isinstance(asked, dict):
        keys = (key for key in asked | recorded if asked.get(key) != recorded.get(key))
        key = next((key for key in keys if key not in _HARMLESS), None)
        if key is None:
            return
        section, recorded, asked = f"{section}.{key}", recorded.get(key), asked.get(key)
    raise ValueError(
        f"{run} holds a run with {section} = {recorded}, asked for was {asked}: repeat the command with the "
        f"earlier setting to go on, choose another --run, or start over with --restart."
    )


def _plain(value: Any) -> Any:
    """Return tuples as lists, the way they come back from JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _described(images: ImageSet) -> dict[str, Any]:
    return {
        "name": images.name,
        "split": images.split,
        "images": len(images),
        "image_shape": list(images.image_shape),
        "grey": images.grey,
        "sha256": images.sha256(),
    }


def _origin_model(plan: RunPlan) -> dict[str, Any]:
    if plan.origin is None:
        raise ValueError("A run needs a model or another run to start from.")
    model = read_section(plan.origin.run, "model", family=TEXT, settings=OBJECT)
    if plan.labels is None:
        return model
    classes = model["settings"].get("classes") or plan.labels.classes
    if classes != plan.labels.classes:
        raise ValueError(
            f"{plan.origin.run} has {classes} classes, the labels of {plan.images.name} name "
            f"{plan.labels.classes}: start from a run without classes."
        )
    return {**model, "settings": {**model["settings"], "classes": classes}}


def _provenance(origin: Origin) -> dict[str, Any]:
    sha256, checkpoint = weights_sha256(origin.run), newest_checkpoint(origin.run)
    return {
        "run": str(origin.run.resolve()),
        "relation": origin.relation,
        "step": checkpoint.step if checkpoint else None,  # unknown of weights that were handed on alone
        "sha256": sha256,
    }
