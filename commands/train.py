"""`main.py train`: train a general model, fine-tune it, or train it on."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from commands.common import add_command, add_device, add_download, add_run, print_once
from commands.model_options import add_model
from commands.objectives import add_objective
from commands.restarting import delete_runs
from commands.training_plans import evaluation_of, plans_of

if TYPE_CHECKING:
    import torch

    from invglow.training import Evaluation
    from models.runs import RunPlan

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py train --data tiny --run runs/general --steps 20000
  python main.py train --data cifar10 --run runs/cifar10 --base runs/general --steps 5000
  python main.py train --data cifar10 --run runs/outliers --base runs/general --outlier-loss class
  python main.py train --data cifar10 --run runs/classes --base runs/general --labels
  python main.py train --data mnist --run runs/vae --model vae --setting latent_dimensions=32
  torchrun --nproc-per-node 2 main.py train --data tiny --run-folder runs/general --steps 20000
(--run-folder is --run by a name that torchrun does not take for one of its own, --run-path.)"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "train",
        "Train a model on an image set. Killed at any moment, the same command goes on where it was.",
        EXAMPLE,
        run,
    )
    parser.add_argument(
        "--data", metavar="NAME", help="set to train on (default with --continue: that run's)"
    )
    add_run(parser, "folder for the run", required=True)
    _add_origin(parser)
    _add_length(parser)
    add_model(parser)
    _add_optimization(parser)
    add_objective(parser)
    _add_watching(parser)
    add_device(parser)
    add_download(parser)
    parser.add_argument("--restart", action="store_true", help="delete what the run holds and train anew")


def _add_origin(parser: argparse.ArgumentParser) -> None:
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument("--base", metavar="RUN", help="fine-tune this run and record it as the general model")
    origin.add_argument(
        "--continue", dest="continued", metavar="RUN", help="train this run on, in a new folder"
    )
    parser.add_argument(
        "--equal-training",
        action=argparse.BooleanOptionalAction,
        help="train the general model on, too, for as many steps, in DIR/general, which `evaluate` then "
        "takes: two likelihoods are comparable only after equal training (default: yes with --base)",
    )


def _add_length(parser: argparse.ArgumentParser) -> None:
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, metavar="N", help="optimizer steps")
    length.add_argument("--epochs", type=int, metavar="N", help="passes over the set (default: 10)")
    parser.add_argument(
        "--batch-size", type=int, default=64, metavar="N", help="images per step, all processes"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="train on the first N images only")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="names all randomness of the run")


def _add_optimization(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("optimization (Adamax)")
    group.add_argument("--learning-rate", type=float, default=5e-4, metavar="X", help="peak learning rate")
    group.add_argument("--weight-decay", type=float, default=5e-5, metavar="X", help="L2 penalty")
    group.add_argument("--warmup-steps", type=int, default=100, metavar="N", help="linear rise of the rate")
    group.add_argument(
        "--cooldown-fraction", type=float, default=0.2, metavar="X", help="last part with a fifth of the rate"
    )
    group.add_argument("--no-augmentation", action="store_true", help="neither flips nor shifts")
    group.add_argument("--checkpoint-every", type=int, default=500, metavar="N", help="steps")


def _add_watching(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to watch")
    group.add_argument("--evaluate-every", type=int, metavar="N", help="steps (default: once per epoch)")
    group.add_argument("--evaluate-on", nargs="+", default=[], metavar="NAME", help="sets that do not belong")
    group.add_argument("--evaluate-limit", type=int, default=1000, metavar="N", help="images of each set")
    group.add_argument(
        "--log-every", type=int, default=10, metavar="N", help="steps between lines of metrics"
    )
    group.add_argument(
        "--samples-every",
        type=int,
        metavar="N",
        help="steps between pictures of samples, and at the end (default: with every evaluation; of pixelcnn "
        "and diffusion, which sample slowly, at the end only)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, and say what came out and what to do next."""
    import ignite.distributed as idist

    _join_processes()
    try:
        _train(arguments)
    finally:
        if idist.get_world_size() > 1:
            idist.finalize()
    return 0


def _join_processes() -> None:
    """Under torchrun, connect to the other processes."""
    import os

    import ignite.distributed as idist
    import torch

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        idist.initialize("nccl" if torch.cuda.is_available() else "gloo")


def _train(arguments: argparse.Namespace) -> None:
    from invglow.training.device import resolve_device

    device = resolve_device(arguments.device)
    plans = plans_of(arguments)
    # Whatever may be wrong with the arguments has come to light when something is deleted or trained.
    jobs = [(plan, evaluation_of(arguments, plan, device)) for plan in plans]
    for plan, evaluation in jobs:
        starts_over = arguments.restart and plan is plans[0]  # the general model is inside that run
        _train_one(plan, evaluation, device, arguments, starts_over=starts_over)
    run, images = plans[0].run, plans[0].images
    sets = f"--in-distribution {images.name} --out-of-distribution NAME"
    print_once(f"Next: python main.py evaluate --run {run} {sets}")


def _delete_run(plan: RunPlan) -> None:
    """Delete a run, and nothing that is not one."""
    import ignite.distributed as idist

    folder = plan.run.resolve()
    if plan.origin is not None and plan.origin.run.resolve().is_relative_to(folder):
        raise ValueError(
            f"--restart would delete {plan.origin.run}, which {plan.run} starts from: choose another --run."
        )
    if idist.get_rank() == 0:
        delete_runs(folder)
    idist.barrier()


def _train_one(
    plan: RunPlan,
    evaluation: Evaluation,
    device: torch.device,
    arguments: argparse.Namespace,
    *,
    starts_over: bool,
) -> None:
    from models.runs import train_run

    what = f"{plan.origin.relation} {plan.origin.run}" if plan.origin else "a fresh model"
    print_once(
        f"Training on {plan.images.name} ({len(plan.images)} images), from {what}, on {device}: {plan.run}"
    )
    clear = partial(_delete_run, plan) if starts_over else None
    result = train_run(
        plan, device, evaluation, arguments.log_every, arguments.samples_every, progress=True, clear=clear
    )
    if result.steps_before == result.steps:
        print_once(
            f"All {result.steps} steps were done before: nothing is trained again (unless with --restart)."
        )
    else:
        skipped = f", {result.skipped} of them skipped (no finite gradient)" if result.skipped else ""
        left_out = (
            f"; {result.left_out} images left out of losses (no finite log p)" if result.left_out else ""
        )
        print_once(
            f"Done: {result.steps} steps{skipped} in {result.seconds:.0f} s of training{left_out}. "
            f"Files: {plan.run}"
        )
    print_once(f"Watch it: tensorboard --logdir {plan.run / 'tensorboard'}")
