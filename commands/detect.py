"""`main.py detect`: which of some pictures do not belong, with p-values."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from anomaly_methods.evaluation_options import add_evaluation, written_evaluation
from commands.choosing import general_model, known_methods, models_by_role
from commands.common import add_command, add_device, add_download, add_run
from commands.computing import Computation
from commands.detecting import Flagging, Job, require_models
from commands.findings import Findings, plain_warnings, print_calibration, print_findings, save_sheet
from commands.held_out import held_out_images, require_enough, require_other_images
from commands.output_files import require_writable

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py detect --run runs/mine --images folder:new --output scores.csv
  python main.py detect --run runs/mine --images folder:new --calibrate folder:ok --output new.csv
  python main.py detect --run runs/mine --images folder:new --method combined --output new.csv"""
METHODS = (
    "methods, together one p-value (default: likelihood_ratio, last_scale_ratio and typicality, or those of "
    "them for which there are models)"
)
MOST_TILES = 1000


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    summary = "Find the pictures that do not belong: a table of scores and p-values, and a contact sheet."
    parser = add_command(subparsers, "detect", summary, EXAMPLE, run)
    add_run(parser, "run of the specific model", required=True)
    parser.add_argument(
        "--general",
        metavar="RUN",
        help="run of the general model (default: DIR/general, equally trained; else the base of DIR)",
    )
    parser.add_argument(
        "--images", required=True, metavar="NAME", help="what to judge: folder:PATH or any set"
    )
    parser.add_argument("--method", nargs="+", metavar="M", help=METHODS)
    _add_results(parser)
    _add_calibration(parser)
    _add_reading(parser)
    add_evaluation(parser)
    add_device(parser)
    add_download(parser)


def _add_results(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--output", type=Path, required=True, metavar="FILE.csv", help="table to write, by p-value")
    add("--sheet", type=Path, metavar="FILE.png", help="contact sheet to write (default: beside the table)")
    add("--top", type=int, default=64, metavar="N", help="the N most anomalous go on the contact sheet")
    rates = parser.add_mutually_exclusive_group()
    rates.add_argument(
        "--false-positive-rate",
        type=float,
        default=0.05,
        metavar="X",
        help="share of all normal pictures that may be flagged",
    )
    rates.add_argument(
        "--false-discovery-rate",
        type=float,
        metavar="X",
        help="instead: share of all flagged pictures that may be normal",
    )


def _add_calibration(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("normal images that p-values are calibrated on").add_argument
    add("--calibrate", metavar="NAME", help="a set that no model was trained on (default: the run's own)")
    add("--calibrate-split", default="test", choices=("train", "test"), help="which images of that set")
    add("--calibrate-limit", type=int, metavar="N", help="the first N images of that set only")
    add("--seed", type=int, default=0, metavar="N", help="of the half that methods learn from")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how pictures are read").add_argument
    add("--split", default="test", choices=("train", "test"), help="which pictures, where a set has splits")
    add("--limit", type=int, metavar="N", help="judge the first N pictures only")
    add("--grey", action="store_true", help="convert colour images to luma")
    add("--batch-size", type=int, default=128, metavar="N", help="images at a time")
    add("--recompute", action="store_true", help="compute again what is there")


def run(arguments: argparse.Namespace) -> int:
    """Judge the pictures, write the table and the sheet, and say what was found."""
    from anomaly_methods.detection import put_together, write_table

    flagging, sheet = _checked(arguments)
    job = _job(arguments)
    with plain_warnings():
        reference = held_out_images(job.calibration, job.specific, job.models.values(), arguments.calibrate)
        images = job.judging.images(job.specific, arguments.images)
    require_enough(reference, flagging.rate)
    require_other_images(images, reference)
    calibrated = job.calibrated(reference)
    calibrated.require_rate(flagging.rate)
    print_calibration(calibrated, reference)
    detection = put_together([calibrated.detect(piece) for piece in job.pieces(calibrated, images)])
    found = Findings(images, detection, flagging.flags(calibrated, detection))
    write_table(arguments.output, found.names, detection, found.flagged)
    save_sheet(sheet, found, arguments.top)
    print_findings(found, flagging, calibrated)
    print(f"Written: {arguments.output} and {sheet}")
    return 0


def _checked(arguments: argparse.Namespace) -> tuple[Flagging, Path]:
    """Return how to flag and where to draw, once nothing is wrong that can be seen without any image."""
    flagging = Flagging(arguments.false_positive_rate, arguments.false_discovery_rate)
    if not 1 <= arguments.top <= MOST_TILES:
        raise ValueError(f"--top must be between 1 and {MOST_TILES}, got {arguments.top}.")
    if arguments.seed < 0:
        raise ValueError(f"--seed must be zero or more, got {arguments.seed}.")
    sheet: Path = arguments.sheet or arguments.output.with_suffix(".png")
    require_writable(arguments.output, ".csv", "--output")
    require_writable(sheet, ".png", "--sheet")
    return flagging, sheet


def _job(arguments: argparse.Namespace) -> Job:
    from invglow.training.device import resolve_device

    methods = known_methods(arguments.method)
    device = resolve_device(arguments.device)

    def computation(split: str, limit: int | None) -> Computation:
        return Computation(
            device=device,
            split=split,
            limit=limit,
            grey=arguments.grey,
            batch_size=arguments.batch_size,
            recompute=arguments.recompute,
            download=arguments.download,
            evaluation=written_evaluation(arguments),
        )

    judging = computation(arguments.split, arguments.limit)
    specific = judging.run(arguments.run)
    models = models_by_role(specific, general_model(specific, arguments.general))
    require_models(methods, models)
    return Job(
        models=models,
        methods=methods,
        calibration=computation(arguments.calibrate_split, arguments.calibrate_limit),
        judging=judging,
        seed=arguments.seed,
    )
