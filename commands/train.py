"""`main.py train`: train a general model, fine-tune it, or train it on."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.common import add_command, add_device, add_download, existing_run, images_for_run, load_images

if TYPE_CHECKING:
    from invglow.data.image_set import ImageSet
    from invglow.training import Evaluation, TrainingConfig
    from models.runs import Origin

__all__ = ["add_parser"]

EXAMPLE = """\
  python main.py train --data tiny --run runs/general --steps 20000
  python main.py train --data cifar10 --run runs/cifar10 --base runs/general --steps 5000
  torchrun --nproc-per-node 2 main.py train --data tiny --run runs/general --steps 20000"""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers,
        "train",
        "Train a Glow on an image set. Killed at any moment, the same command goes on where it was.",
        EXAMPLE,
        run,
    )
    parser.add_argument(
        "--data", metavar="NAME", help="set to train on (default with --continue: that run's)"
    )
    parser.add_argument("--run", required=True, metavar="DIR", help="folder for the run")
    _add_origin(parser)
    _add_length(parser)
    _add_model(parser)
    _add_optimization(parser)
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


def _add_model(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("model (of a run from scratch)")
    model.add_argument("--scales", type=int, default=3, metavar="N", help="scales")
    model.add_argument("--steps-per-scale", type=int, default=32, metavar="N", help="flow steps per scale")
    model.add_argument("--hidden-channels", type=int, default=512, metavar="N", help="width of the couplings")
    model.add_argument(
        "--mixing", default="lu", help="channel mixing of a step: lu, plain, rotation, shuffle, identity"
    )
    model.add_argument("--coupling", default="affine", help="affine or additive")
    model.add_argument("--image-size", type=int, default=32, metavar="N", help="height and width in pixels")
    model.add_argument("--grey", action="store_true", help="convert colour images to luma")


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
    folder = Path(arguments.run).expanduser()
    origin = _origin(arguments)
    images = _training_images(arguments, origin)
    general_images = _general_images(arguments, origin)
    if arguments.restart:
        _delete_run(folder)
    _train_one(arguments, folder, images, origin)
    if general_images is not None and origin is not None:
        from models.runs import EQUALLY_TRAINED, Origin

        _train_one(arguments, folder / EQUALLY_TRAINED, general_images, Origin(origin.run, "continue"))


def _general_images(arguments: argparse.Namespace, origin: Origin | None) -> ImageSet | None:
    """Return what the general model is to be trained on, or None where it is to stay as it is."""
    fine_tunes = origin is not None and origin.relation == "base"
    if arguments.equal_training and not fine_tunes:
        raise ValueError("--equal-training needs a general model to train on: name it with --base RUN.")
    if not fine_tunes or arguments.equal_training is False or origin is None:
        return None
    try:
        return _images_of_run(origin.run)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"The general model cannot be trained on, too, since its images are missing ({error}) "
            f"Provide them, or leave this out with --no-equal-training."
        ) from error


def _delete_run(folder: Path) -> None:
    """Delete a run, and nothing that is not one."""
    import ignite.distributed as idist

    from invglow.checkpoints import read_config

    if idist.get_rank() == 0 and folder.exists() and any(folder.iterdir()):
        read_config(folder)
        shutil.rmtree(folder)
    idist.barrier()


def _train_one(arguments: argparse.Namespace, folder: Path, images: ImageSet, origin: Origin | None) -> None:
    import ignite.distributed as idist

    from invglow.training.device import resolve_device
    from models.runs import RunPlan, train_run

    device = resolve_device(arguments.device)
    training = _training_config(arguments, images)
    model = None if origin else _model_spec(arguments, images)
    leader = idist.get_rank() == 0
    if leader:
        what = f"{origin.relation} {origin.run}" if origin else "a fresh model"
        print(f"Training on {images.name} ({len(images)} images), from {what}, on {device}: {folder}")
    evaluation = _evaluation(arguments, images, origin, device)
    plan = RunPlan(folder, images, training, model, origin)
    result = train_run(plan, device, evaluation, arguments.log_every)
    if leader:
        _tell(folder, images, result)


def _tell(folder: Path, images: ImageSet, result: Any) -> None:
    skipped = f", {result.skipped} of them skipped (no finite gradient)" if result.skipped else ""
    print(f"Done: {result.steps} steps{skipped} in {result.seconds:.0f} s of training. Files: {folder}")
    print(f"Watch it: tensorboard --logdir {folder / 'tensorboard'}")
    print(
        f"Next: python main.py evaluate --run {folder} --in-distribution {images.name} "
        f"--out-of-distribution NAME"
    )


def _origin(arguments: argparse.Namespace) -> Origin | None:
    from models.runs import Origin

    if arguments.base:
        return Origin(existing_run(arguments.base), "base")
    return Origin(existing_run(arguments.continued), "continue") if arguments.continued else None


def _training_images(arguments: argparse.Namespace, origin: Origin | None) -> ImageSet:
    if arguments.data is None:
        if origin is None or origin.relation == "base":
            raise ValueError("Say what to train on with --data NAME.")
        return _images_of_run(origin.run)
    images: ImageSet
    if origin is None:
        size, grey = arguments.image_size, arguments.grey
        images = load_images(arguments.data, "train", image_size=size, grey=grey, download=arguments.download)
    else:
        images = images_for_run(
            origin.run, arguments.data, "train", grey=arguments.grey, download=arguments.download
        )
    return images.limited(arguments.limit) if arguments.limit else images


def _images_of_run(run: Path) -> ImageSet:
    """Load the training set of a run again, exactly as it was."""
    from invglow.checkpoints import read_config

    data = read_config(run)["data"]
    images: ImageSet = images_for_run(run, data["name"], data["split"], grey=data["grey"])
    images = images.limited(data["images"])
    if images.sha256() != data["sha256"]:
        raise ValueError(
            f"{data['name']} has changed since {run} was trained on it: name the set with --data."
        )
    return images


def _training_config(arguments: argparse.Namespace, images: ImageSet) -> TrainingConfig:
    from invglow.training import TrainingConfig

    steps = arguments.steps
    if steps is None:
        epochs = arguments.epochs if arguments.epochs is not None else 10
        steps = -(-epochs * len(images) // arguments.batch_size)
    plain = arguments.no_augmentation
    return TrainingConfig(
        steps=steps,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        warmup_steps=arguments.warmup_steps,
        cooldown_fraction=arguments.cooldown_fraction,
        flip=False if plain else None,
        max_shift=0.0 if plain else None,
        evaluate_every=arguments.evaluate_every,
        checkpoint_every=arguments.checkpoint_every,
        seed=arguments.seed,
    )


def _model_spec(arguments: argparse.Namespace, images: ImageSet) -> dict[str, Any]:
    from invglow.flows import GlowConfig

    config = GlowConfig(
        image_shape=images.image_shape,
        scales=arguments.scales,
        steps_per_scale=arguments.steps_per_scale,
        hidden_channels=arguments.hidden_channels,
        mixing=arguments.mixing,
        coupling=arguments.coupling,
    )
    return {"family": "glow", "settings": config.to_json()}


def _evaluation(
    arguments: argparse.Namespace, images: ImageSet, origin: Origin | None, device: Any
) -> Evaluation:
    from invglow.training import Evaluation
    from models.registry import load_model

    sets = {"train": images}
    for spec in (images.name, *arguments.evaluate_on):
        try:
            found = load_images(
                spec, "test", image_size=images.image_shape[1], grey=images.grey, download=arguments.download
            )
        except (ValueError, FileNotFoundError):
            # The training set need not have a test split; a set that was asked for must be there.
            if spec in arguments.evaluate_on:
                raise
        else:
            sets["test" if spec == images.name else spec] = found
    general = load_model(origin.run, device) if origin and origin.relation == "base" else None
    return Evaluation(sets, general, limit=arguments.evaluate_limit)
