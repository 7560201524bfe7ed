"""The table of the first paper's experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["EXPERIMENTS", "Experiment", "Options"]

Options = Mapping[str, str | None]
"""{option of a command: value, None for a flag}."""


@dataclass(frozen=True)
class Experiment:
    """What is trained on which set, and what it is compared with.

    Attributes:
        name: as on the command line.
        summary: one line for people.
        source: which part of Schirrmeister et al. (2020) it belongs to.
        inside: the in-distribution set; None trains the general model alone.
        outside: out-of-distribution sets.
        options: of the training of the specific model, {option of `main.py train`: value, None for a flag}.
        hierarchical: fine-tuned from the general model; otherwise from scratch.
        decided: sizes that the architecture decides, whatever the scale says.
        methods: of the evaluation; none for the default table.
        grey: all images in grey.
    """

    name: str
    summary: str
    source: str
    inside: str | None
    outside: tuple[str, ...] = ()
    options: Options = field(default_factory=dict)
    hierarchical: bool = True
    decided: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    grey: bool = False

    @property
    def reference(self) -> str:
        """Where it is described."""
        return f"Schirrmeister et al., 2020, {self.source}"


_OUTSIDE = {
    "cifar10": ("svhn", "cifar100", "lsun", "celeba", "tiny-imagenet"),
    "svhn": ("cifar10", "cifar100", "lsun", "celeba", "tiny-imagenet"),
    "cifar100": ("svhn", "cifar10", "lsun", "celeba", "tiny-imagenet"),
}
_OUTLIERS = {"outlier-weight": "6000", "outlier-temperature": "1000"}
# Name of what is added to the likelihood -> (summary, where, options).
_LOSSES: dict[str, tuple[str, str, Options]] = {
    "": ("maximum likelihood", "section 3.1", {}),
    "-margin": ("margin loss on general images", "section 3.1, for comparison", {"outlier-loss": "margin"}),
    "-class": ("outlier loss on general images", "section 3.1", {"outlier-loss": "class", **_OUTLIERS}),
    "-labels": ("class-conditional, label loss", "on the supervised setting", {"labels": None}),
}
# Architecture -> (summary, what it decides, options).
_ABLATIONS: dict[str, tuple[str, tuple[str, ...], Options]] = {
    "local": ("8x8 patches, one scale", ("scales",), {"architecture": "local", "patch-size": "8"}),
    "dense": (
        "fully connected, 8 steps per scale",
        ("steps-per-scale",),
        {"architecture": "dense", "steps-per-scale": "8"},
    ),
}


def _fine_tuned(inside: str, loss: str) -> Experiment:
    summary, source, options = _LOSSES[loss]
    return Experiment(
        f"{inside}{loss}", f"fine-tuned on {inside}: {summary}", source, inside, _OUTSIDE[inside], options
    )


def _from_scratch(inside: str, architecture: str) -> Experiment:
    summary, decided, options = _ABLATIONS[architecture]
    return Experiment(
        f"{inside}-{architecture}",
        f"{architecture} Glow on {inside}: {summary}",
        "on model bias",
        inside,
        _OUTSIDE[inside][:1],
        options,
        hierarchical=False,
        decided=decided,
        methods=("raw_likelihood", "typicality", "complexity_ratio"),
    )


def _grey(inside: str, outside: str) -> Experiment:
    return Experiment(
        inside, f"fine-tuned on {inside}, grey", "on grey images", inside, (outside,), grey=True
    )


EXPERIMENTS: Mapping[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        Experiment("general", "the general model alone", "section 3.1", None),
        *(_fine_tuned(inside, loss) for inside in _OUTSIDE for loss in _LOSSES),
        _grey("fashion-mnist", "mnist"),
        _grey("mnist", "fashion-mnist"),
        *(_from_scratch(inside, kind) for kind in _ABLATIONS for inside in ("cifar10", "svhn")),
        Experiment(
            "brats", "fine-tuned on slices of MR images", "on MR images", "brats", ("cifar10", "svhn")
        ),
    )
}
"""{name: experiment}, in the order in which they are listed."""
