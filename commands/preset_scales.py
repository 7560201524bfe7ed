"""At which size experiments run: the paper's, an hour's on two cores, or minutes' on embedded images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commands.experiments import Options

__all__ = ["SCALES", "Scale"]


@dataclass(frozen=True)
class Scale:
    """Sizes, lengths and sets; options are those of `main.py train`, {name: value, None for a flag}.

    Attributes:
        name: as on the command line.
        summary: one line for people.
        general_set: what the general model learns.
        model: size of a model from scratch.
        general: length and optimization of the general model's training.
        scratch: the same of a model trained from scratch on an in-distribution set.
        specific: the same of fine-tuning.
        inside_set: stands in for every in-distribution set, where there is one such.
        outside_sets: stand in for the out-of-distribution sets.
        one_outside: evaluate against the first out-of-distribution set only.
        grey: everything in grey.
    """

    name: str
    summary: str
    general_set: str
    model: Options
    general: Options
    scratch: Options
    specific: Options
    inside_set: str = ""
    outside_sets: tuple[str, ...] = ()
    one_outside: bool = False
    grey: bool = False


_PAPER_OPTIMIZATION = {"batch-size": "64", "learning-rate": "5e-4", "weight-decay": "5e-5"}
_DEV_GENERAL = {"steps": "5000", "learning-rate": "2e-3", "weight-decay": "0", "evaluate-limit": "500"}
_SMALL_GENERAL = {
    "steps": "1000",
    "learning-rate": "2e-3",
    "weight-decay": "0",
    "no-augmentation": None,  # clothes are centred and upright
}

_PAPER = Scale(
    name="paper",
    summary="the paper's sizes and optimization (3 scales of 32 steps, 512 channels): for a GPU, days",
    general_set="tiny",
    model={"scales": "3", "steps-per-scale": "32", "hidden-channels": "512"},
    general={"steps": "1000000", **_PAPER_OPTIMIZATION},
    scratch={"epochs": "250", **_PAPER_OPTIMIZATION},
    # The paper's general model is not trained on.
    specific={"epochs": "250", **_PAPER_OPTIMIZATION, "no-equal-training": None},
)

_DEV = Scale(
    name="dev",
    summary="the same sets, 8 steps of 64 channels per scale: within an hour on two cores",
    general_set="tiny",
    model={"steps-per-scale": "8", "hidden-channels": "64"},
    general=_DEV_GENERAL,
    scratch=_DEV_GENERAL,
    specific={"steps": "2000", "learning-rate": "1e-3", "weight-decay": "0", "evaluate-limit": "500"},
    one_outside=True,
)

_SMALL = Scale(
    name="small",
    summary="embedded clothes against digits for every experiment, grey: the same commands in minutes",
    general_set="general:photos",
    model={"steps-per-scale": "4", "hidden-channels": "32"},
    general=_SMALL_GENERAL,
    scratch=_SMALL_GENERAL,
    specific={"steps": "500", "learning-rate": "1.5e-3", "weight-decay": "0", "no-augmentation": None},
    inside_set="demo-fashion-mnist",
    outside_sets=("demo-mnist",),
    grey=True,
)

SCALES: Mapping[str, Scale] = {scale.name: scale for scale in (_PAPER, _DEV, _SMALL)}
"""{name: scale}."""
