"""`main.py sample`: draw images from a run's model."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.common import add_command, add_device, add_run, existing_run, library_versions

if TYPE_CHECKING:
    from commands.computing import RunModel

__all__ = ["add_parser", "save_samples"]

EXAMPLE = """\
  python main.py sample --run runs/cifar10 --n 64 --temperature 0.7 --output samples.png
  python main.py sample --run runs/cifar10 --n 1000 --array samples.npz
  python main.py statistics --run runs/cifar10 --data array:samples.npz"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(subparsers, "sample", "Draw images from a run's model, as a grid.", EXAMPLE, run)
    add_run(parser, "run whose model to use", required=True)
    parser.add_argument("--n", type=int, default=64, metavar="N", help="how many images")
    parser.add_argument("--output", type=Path, metavar="FILE.png", help="picture to write, a grid")
    parser.add_argument("--array", type=Path, metavar="FILE.npz", help="array of the images to write")
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
    from commands.computing import RunModel
    from invglow.training.device import resolve_device

    _require_files(arguments)
    _require_in_range(arguments)
    run = RunModel(existing_run(arguments.run), resolve_device(arguments.device))
    samples = _draw(run.model, arguments.n, arguments.temperature, arguments.seed, arguments.label)
    if arguments.output is not None:
        _save_grid(arguments.output, samples)
    if arguments.array is not None:
        _save_array(arguments.array, samples, run, arguments)
    files = filter(None, (arguments.output, arguments.array))
    print(f"{arguments.n} samples: {' and '.join(map(str, files))}")
    return 0


def _require_files(arguments: argparse.Namespace) -> None:
    from plots.pictures import require_npz
    from plots.png import require_png

    if arguments.output is None and arguments.array is None:
        raise ValueError("Name a file for the samples: --output FILE.png, --array FILE.npz, or both.")
    if arguments.output is not None:
        require_png(arguments.output)
    if arguments.array is not None:
        require_npz(arguments.array)


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
    _save_grid(path, _draw(model, n, temperature, seed, label))


def _draw(model: Any, n: int, temperature: float, seed: int, label: int | None) -> Any:
    """Return n samples (n, C, H, W), and say how many of them are of no use."""
    import torch

    labels = _labels(model, n, label)
    try:
        images = model.sample(
            n, generator=torch.Generator().manual_seed(seed), temperature=temperature, **labels
        )
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # torch does not declare it
        raise ValueError(f"The model cannot be inverted, so its training has diverged ({error})") from error
    if broken := _nonfinite(images):
        print(f"{broken} of {n} samples are not finite: train longer, or lower the temperature.")
    return images


def _nonfinite(images: Any) -> int:
    return int((~images.isfinite()).flatten(1).any(dim=1).sum())


def _pixels(images: Any) -> Any:
    from invglow.data.preprocessing import quantize

    return quantize(images).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _save_grid(path: Path, images: Any) -> None:
    from plots.image_grid import save_image_grid

    save_image_grid(path, _pixels(images), zoom=2)


def _save_array(path: Path, images: Any, run: RunModel, arguments: argparse.Namespace) -> None:
    """Write the samples with what they are of, and how much of them 8 bits cannot hold."""
    from plots.pictures import Pictures, save_pictures

    about = {
        "kind": "samples",
        "name": run.name,
        "checkpoint_sha256": run.sha256,
        "n": arguments.n,
        "temperature": arguments.temperature,
        "seed": arguments.seed,
        "label": arguments.label,
        "nonfinite": _nonfinite(images),
        "clipped": float(((images < -0.5) | (images >= 0.5)).float().mean()),
        "versions": library_versions(),
    }
    save_pictures(path, Pictures(_pixels(images), about=about))


def _labels(model: Any, n: int, label: int | None) -> dict[str, Any]:
    """Return the argument of `sample` that asks for one class."""
    import torch

    from models.base import ClassConditionalModel

    if label is None:
        return {}
    if not isinstance(model, ClassConditionalModel):
        raise ValueError("--label is for runs that were trained with --labels: this model has no classes.")
    return {"labels": torch.full((n,), label)}
