"""Options of `main.py train` that describe a fresh model, and the model that they ask for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invglow.data.image_set import ImageSet

__all__ = ["add_model", "model_spec", "refuse_model"]

GLOW = "glow"
# Glow's settings with an option of their own.
_GLOW_OPTIONS = (
    "architecture",
    "scales",
    "steps_per_scale",
    "hidden_channels",
    "mixing",
    "coupling",
    "patch_size",
    "prior",
    "keeps",
)
# Where an architecture differs from the defaults of `GlowConfig`: as the paper has it.
_ARCHITECTURE_DEFAULTS: dict[str, dict[str, Any]] = {
    "local": {"scales": 1},
    "dense": {"steps_per_scale": 8, "mixing": "rotation"},
}


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    model = parser.add_argument_group("model (of a run from scratch)")
    model.add_argument("--model", metavar="FAMILY", help="glow (default), vae, pixelcnn or diffusion")
    model.add_argument(
        "--setting",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="settings of families but Glow (docs/models.md), for example latent_dimensions=32",
    )
    model.add_argument("--image-size", type=int, default=32, metavar="N", help="height and width in pixels")
    model.add_argument("--grey", action="store_true", help="convert colour images to luma")
    _add_glow(parser.add_argument_group("Glow (with --model glow)"))


def _add_glow(glow: argparse._ArgumentGroup) -> None:
    glow.add_argument(
        "--architecture",
        help="convolutional; local: patches that know nothing of each other; dense: fully connected "
        "(default: convolutional)",
    )
    glow.add_argument("--scales", type=int, metavar="N", help="scales (default: 3; local: 1)")
    glow.add_argument(
        "--steps-per-scale", type=int, metavar="N", help="flow steps per scale (default: 32; dense: 8)"
    )
    glow.add_argument(
        "--hidden-channels", type=int, metavar="N", help="width of the couplings (default: 512)"
    )
    glow.add_argument(
        "--mixing",
        help="channel mixing: lu, plain, rotation, shuffle, identity (default: lu; dense: rotation)",
    )
    glow.add_argument("--coupling", help="affine or additive (default: affine)")
    glow.add_argument("--patch-size", type=int, metavar="N", help="side of the local patches (default: 8)")
    glow.add_argument(
        "--prior",
        help="elementwise, or conditional: latents given the features that go on to the next scale "
        "(default: elementwise)",
    )
    glow.add_argument("--keeps", help="half of the channels that goes on: second or first (default: second)")


def model_spec(arguments: argparse.Namespace, images: ImageSet) -> dict[str, Any]:
    """Return family and settings of the fresh model that was asked for.

    Raises:
        ValueError: the family or a setting is unknown, is out of range, or belongs to another family.
    """
    from models.registry import family

    name = arguments.model or GLOW
    kind = family(name).CONFIG
    chosen = _glow_settings(arguments) if name == GLOW else _settings(arguments, name, kind)
    return {"family": name, "settings": kind(image_shape=images.image_shape, **chosen).to_json()}


def refuse_model(arguments: argparse.Namespace) -> None:
    """Raise a ValueError if a fresh model was asked for by family, where a run is to start from another."""
    for option, value in (("--model", arguments.model), ("--setting", arguments.setting)):
        if value:
            raise ValueError(
                f"{option} is for runs from scratch, and this one takes the model of the run that it starts "
                "from: leave it out."
            )


def _glow_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.setting:
        raise ValueError(
            f"--setting is for families but Glow, whose settings are options of their own, got "
            f"{' '.join(arguments.setting)}: see train --help, or name a family with --model."
        )
    return _ARCHITECTURE_DEFAULTS.get(arguments.architecture, {}) | _given(arguments)


def _settings(arguments: argparse.Namespace, name: str, kind: type[Any]) -> dict[str, Any]:
    from invglow.written_settings import read_settings

    if foreign := _given(arguments):
        option = next(iter(foreign)).replace("_", "-")
        raise ValueError(f"--{option} is for --model glow, got --model {name}: use --setting NAME=VALUE.")
    return read_settings(kind, arguments.setting, fixed=("image_shape",))


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return Glow's settings that were given on the command line; the rest is left to the defaults."""
    values = {name: getattr(arguments, name) for name in _GLOW_OPTIONS}
    return {name: value for name, value in values.items() if value is not None}
