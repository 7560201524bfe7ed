"""The table of experiments with families of models other than Glow: each trained from scratch on one set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commands.experiments import Options

__all__ = ["FAMILY_EXPERIMENTS", "FamilyExperiment"]


@dataclass(frozen=True)
class FamilyExperiment:
    """One family on one set, at a size that two cores train in about ten minutes.

    Attributes:
        name: as on the command line.
        summary: one line for people.
        reference: where the family comes from.
        family: of the models, as of `main.py train --model`.
        settings: of the model, each NAME=VALUE.
        inside: the in-distribution set.
        outside: the out-of-distribution sets.
        steps: of the training.
        training: its other options, {option of `main.py train`: value, None for a flag}.
        limit: images of each set in the evaluation; the costlier a likelihood, the fewer.
        samples: images to draw; the costlier, the fewer.
    """

    name: str
    summary: str
    reference: str
    family: str
    settings: tuple[str, ...]
    inside: str
    outside: tuple[str, ...]
    steps: int
    training: Options
    limit: int
    samples: int


@dataclass(frozen=True)
class _Family:
    """What the experiments with one kind of model share."""

    family: str
    title: str
    reference: str
    limit: int
    samples: int


_FAMILIES = {
    "vae": _Family("vae", "VAE", "Kingma and Welling, 2014", 10000, 64),
    "pixelcnn": _Family("pixelcnn", "PixelCNN++", "Salimans et al., 2017", 2000, 25),
    "pixelcnn-plain": _Family("pixelcnn", "plain PixelCNN", "van den Oord et al., 2016", 2000, 25),
    "diffusion": _Family("diffusion", "diffusion model", "Ho et al., 2020", 400, 25),
}
# Set -> (what does not belong, options of the training). Clothes are centred and upright, and ten thousand of
# them are as many as `demo-fashion-mnist` has.
_SETS: Mapping[str, tuple[str, Options]] = {
    "fashion-mnist": ("mnist", {"limit": "10000", "no-augmentation": None}),
    "cifar10": ("svhn", {}),
}
# (kind of model, set) -> (settings, steps, images per step, learning rate), found by trials of a minute each.
_TRAININGS: Mapping[tuple[str, str], tuple[tuple[str, ...], int, int, str]] = {
    ("vae", "fashion-mnist"): ((), 3000, 64, "3e-3"),
    ("vae", "cifar10"): (("latent_dimensions=128",), 2500, 64, "2e-3"),
    ("pixelcnn", "fashion-mnist"): (("hidden_channels=24",), 1800, 16, "6e-3"),
    ("pixelcnn", "cifar10"): (("hidden_channels=24",), 1000, 16, "6e-3"),
    ("pixelcnn-plain", "fashion-mnist"): (
        ("architecture=plain", "hidden_channels=48", "blocks=5"),
        1500,
        32,
        "5e-3",
    ),
    ("diffusion", "fashion-mnist"): (("training=bound",), 1600, 16, "4e-3"),
    ("diffusion", "cifar10"): (("training=bound",), 1400, 16, "4e-3"),
}


def _experiment(kind: str, inside: str) -> FamilyExperiment:
    family, (outside, options) = _FAMILIES[kind], _SETS[inside]
    settings, steps, batch_size, learning_rate = _TRAININGS[kind, inside]
    training = {"batch-size": str(batch_size), "learning-rate": learning_rate, "weight-decay": "0", **options}
    return FamilyExperiment(
        name=f"{kind}-{inside}",
        summary=f"{family.title} on {inside}, from scratch",
        reference=family.reference,
        family=family.family,
        settings=settings,
        inside=inside,
        outside=(outside,),
        steps=steps,
        training=training,
        limit=family.limit,
        samples=family.samples,
    )


FAMILY_EXPERIMENTS: Mapping[str, FamilyExperiment] = {
    experiment.name: experiment for experiment in (_experiment(kind, inside) for kind, inside in _TRAININGS)
}
"""{name: experiment}, in the order in which they are listed."""
