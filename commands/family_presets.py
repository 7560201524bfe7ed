"""From an experiment with another family than Glow and a scale to the commands that carry it out."""

from __future__ import annotations

from collections.abc import Sequence

from commands.family_experiments import FAMILY_EXPERIMENTS, FamilyExperiment
from commands.preset_parts import Choices, Command, Preset, command

__all__ = ["build_family_preset"]

# Of the scale `small`: sets in place of the experiment's, divisor of its steps, images of a set in the table.
_SMALL_INSIDE, _SMALL_OUTSIDE = "demo-fashion-mnist", ("demo-mnist",)
_SMALL_SHARE, _SMALL_LIMIT = 10, 500
# Images of each set whose likelihood is taken at the end of the training.
_WATCHED = 200
# Options of Glow, which `main.py preset` has of its own.
_GLOW = ("steps-per-scale", "hidden-channels")


def build_family_preset(name: str, scale: str, choices: Choices) -> Preset:
    """Return the commands of an experiment at the scale `dev` or `small`.

    Raises:
        ValueError: the experiment has no use for the scale, a set or a setting that was chosen.
    """
    experiment = FAMILY_EXPERIMENTS[name]
    _check_choices(experiment, scale, choices)
    small = scale == "small"
    inside = choices.inside or (_SMALL_INSIDE if small else experiment.inside)
    outside = tuple(choices.outside) or (_SMALL_OUTSIDE if small else experiment.outside)
    return Preset(
        experiment,
        (_train_command(experiment, choices, inside, small=small),),
        _evaluate_command(experiment, choices, inside, outside, small=small),
        ((inside, "train"), *((spec, "test") for spec in (inside, *outside))),
        grey=small,
        sample=_sample_command(experiment, choices),
    )


def _check_choices(experiment: FamilyExperiment, scale: str, choices: Choices) -> None:
    if scale == "paper":
        raise ValueError(
            f"The preset {experiment.name} has no scale 'paper': choose --scale dev (about ten minutes on "
            "two cores) or small (embedded images, a tenth of the steps)."
        )
    if choices.general is not None:
        raise ValueError(f"The preset {experiment.name} trains from scratch: leave --general out.")
    for option in _GLOW:
        if option in choices.training:
            raise ValueError(
                f"--{option} is for Glow, and {experiment.name} is of another family: leave it out."
            )


def _run_folder(experiment: FamilyExperiment, choices: Choices) -> str:
    return str(choices.folder / experiment.name)


def _train_command(experiment: FamilyExperiment, choices: Choices, inside: str, *, small: bool) -> Command:
    steps = str(experiment.steps // _SMALL_SHARE if small else experiment.steps)
    return command(
        "train",
        {
            "data": inside,
            "run": _run_folder(experiment, choices),
            "model": experiment.family,
            **({"setting": experiment.settings} if experiment.settings else {}),
            "steps": steps,
            **experiment.training,
            # Sampling is dear for some, so once, at the end.
            "evaluate-every": steps,
            "evaluate-limit": str(_WATCHED),
            **({"grey": None} if small else {}),
            **choices.training,
            **choices.both,
        },
    )


def _evaluate_command(
    experiment: FamilyExperiment, choices: Choices, inside: str, outside: Sequence[str], *, small: bool
) -> Command:
    return command(
        "evaluate",
        {
            "run": _run_folder(experiment, choices),
            "in-distribution": inside,
            "out-of-distribution": outside,
            "limit": str(min(experiment.limit, _SMALL_LIMIT) if small else experiment.limit),
            **({"grey": None} if small else {}),
            **choices.both,
        },
    )


def _sample_command(experiment: FamilyExperiment, choices: Choices) -> Command:
    run = _run_folder(experiment, choices)
    shared = {name: value for name, value in choices.both.items() if name in ("seed", "device")}
    return command(
        "sample", {"run": run, "n": str(experiment.samples), "output": f"{run}/samples.png", **shared}
    )
