"""`main.py sample`: draw images from a run's model."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from commands.common import add_command, add_device, add_run, existing_run

__all__ = ["add_parser", "save_samples"]

EXAMPLE = """\
  python main.py sample --run runs/cifar10 --n 64 --temperature 0.7 --output samples.png"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "sample", "Draw images from a run's model, as a grid.", EXAMPLE, run)
    add_run(parser, "run whose model to use", required=True)
    parser.add_argument("--n", type=int, default=64, metavar="N", help="how many images")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.png", help="picture to write")
    parser.add_argument(
        "--temperature", type=float, default=1.0, metavar="T", help="standard deviation of the latents"
    )
    parser.add_argument(
        "--label", type=int, metavar="Y", help="class to draw, of a run with --labels (default: any)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="names the images")
    add_device(parser)


def run(arguments: argparse.Namespace) -> int:
    """Draw the images and say where they are."""
    from invglow.training.device import resolve_device
    from models.registry import load_model
    from plots.png import require_png

    require_png(arguments.output)
    _require_in_range(arguments)
    model = load_model(existing_run(arguments.run), resolve_device(arguments.device))
    save_samples(
        model, arguments.n, arguments.output, arguments.temperature, arguments.seed, label=arguments.label
    )
    print(f"{arguments.n} samples: {arguments.output}")
    return 0


def _require_in_range(arguments: argparse.Namespace) -> None:
    from invglow.training.config import LARGEST_SEED

    if arguments.n < 1 or not 0 <= arguments.temperature < math.inf:
        raise ValueError(
            f"--n must be at least 1 and --temperature a number, zero or more, "
            f"got {arguments.n} and {arguments.temperature}."
        )
    if not 0 <= arguments.seed <= LARGEST_SEED:
        raise ValueError(f"--seed must be from 0 to {LARGEST_SEED}, got {arguments.seed}.")


def save_samples(
    model: Any,
    n: int,
    path: Path,
    temperature: float = 1.0,
    seed: int = 0,
    *,
    label: int | None = None,
) -> None:
    """Write a grid of n samples, of one class if a label is given, as a PNG file."""
    import torch

    from invglow.data.preprocessing import quantize
    from plots.image_grid import save_image_grid

    labels = _labels(model, n, label)
    try:
        images = model.sample(
            n, generator=torch.Generator().manual_seed(seed), temperature=temperature, **labels
        )
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # torch does not declare it
        raise ValueError(f"The model cannot be inverted, so its training has diverged ({error})") from error
    broken = int((~images.isfinite()).flatten(1).any(dim=1).sum())
    if broken:
        print(f"{broken} of {n} samples are not finite: train longer, or lower the temperature.")
    save_image_grid(path, quantize(images).permute(0, 2, 3, 1).cpu().numpy(), zoom=2)


def _labels(model: Any, n: int, label: int | None) -> dict[str, Any]:
    """Return the argument of `sample` that asks for one class."""
    import torch

    from models.base import ClassConditionalModel

    if label is None:
        return {}
    if not isinstance(model, ClassConditionalModel):
        raise ValueError("--label is for runs that were trained with --labels: this model has no classes.")
    return {"labels": torch.full((n,), label)}
