"""Experiments as data: from an experiment and a scale to the commands that carry it out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from commands.experiments import EXPERIMENTS, Experiment, Options
from commands.family_experiments import FAMILY_EXPERIMENTS
from commands.family_presets import build_family_preset
from commands.preset_parts import Choices, Command, Preset, command
from commands.preset_scales import SCALES, Scale

__all__ = ["build_preset", "preset_names"]


def preset_names() -> list[str]:
    """Return the names of all experiments, those of the first paper first."""
    return [*EXPERIMENTS, *FAMILY_EXPERIMENTS]


def build_preset(name: str, scale: str, choices: Choices) -> Preset:
    """Return the commands of an experiment at a scale.

    Raises:
        ValueError: there is no such experiment, or it has no use for a set that was chosen.
    """
    if name in FAMILY_EXPERIMENTS:
        return build_family_preset(name, scale, choices)
    experiment, sized = _looked_up(name), SCALES[scale]
    _check_choices(experiment, choices)
    grey = experiment.grey or sized.grey
    general, inside = _general_set(sized, choices), _inside(experiment, sized, choices)
    train, sets = [], []
    if experiment.hierarchical or experiment.inside is None:
        train.append(_general_command(sized, choices, general, grey=grey))
        sets.append((general, "train"))
    if experiment.inside is None:
        return Preset(experiment, tuple(train), None, tuple(sets), grey)
    train.append(_specific_command(experiment, sized, choices, inside, grey=grey))
    outside = _outside(experiment, sized, choices)
    sets += [(inside, "train"), *((spec, "test") for spec in (inside, *outside))]
    evaluate = _evaluate_command(experiment, choices, inside, outside, grey=grey)
    return Preset(experiment, tuple(train), evaluate, tuple(dict.fromkeys(sets)), grey)


def _looked_up(name: str) -> Experiment:
    if name not in EXPERIMENTS:
        raise ValueError(f"There is no preset {name!r}; known are {', '.join(preset_names())}.")
    return EXPERIMENTS[name]


def _check_choices(experiment: Experiment, choices: Choices) -> None:
    if choices.general is not None and not (experiment.hierarchical or experiment.inside is None):
        raise ValueError(f"The preset {experiment.name} trains from scratch: leave --general out.")
    if experiment.inside is None and (choices.inside is not None or choices.outside):
        raise ValueError(
            f"The preset {experiment.name} trains the general model alone: leave --data and --out out."
        )


def _general_set(scale: Scale, choices: Choices) -> str:
    return choices.general or scale.general_set


def _inside(experiment: Experiment, scale: Scale, choices: Choices) -> str:
    return choices.inside or scale.inside_set or experiment.inside or ""


def _outside(experiment: Experiment, scale: Scale, choices: Choices) -> tuple[str, ...]:
    found = tuple(choices.outside) or scale.outside_sets or experiment.outside
    return found[:1] if scale.one_outside and not choices.outside else found


def _general_run(choices: Choices, *, grey: bool) -> Path:
    return choices.folder / ("general-grey" if grey else "general")


def _general_command(scale: Scale, choices: Choices, spec: str, *, grey: bool) -> Command:
    run = _general_run(choices, grey=grey)
    return _train(spec, run, {**scale.model, **scale.general}, choices, grey=grey)


def _specific_command(
    experiment: Experiment, scale: Scale, choices: Choices, spec: str, *, grey: bool
) -> Command:
    run = choices.folder / experiment.name
    if not experiment.hierarchical:
        options = {**experiment.options, **_sizes(experiment, scale), **scale.scratch}
        return _train(spec, run, options, choices, grey=grey)
    base = {"base": str(_general_run(choices, grey=grey))}
    chosen = {name: value for name, value in choices.training.items() if name not in scale.model}
    return _train(
        spec, run, {**base, **experiment.options, **scale.specific}, choices, grey=grey, training=chosen
    )


def _sizes(experiment: Experiment, scale: Scale) -> Options:
    """Return the size of a model from scratch, without what its architecture decides."""
    return {name: value for name, value in scale.model.items() if name not in experiment.decided}


def _train(
    spec: str, run: Path, options: Options, choices: Choices, *, grey: bool, training: Options | None = None
) -> Command:
    chosen = choices.training if training is None else training
    if "steps" in chosen:
        options = {name: value for name, value in options.items() if name != "epochs"}
    flags: Options = {"grey": None} if grey else {}
    return command("train", {"data": spec, "run": str(run), **options, **flags, **chosen, **choices.both})


def _evaluate_command(
    experiment: Experiment, choices: Choices, inside: str, outside: Sequence[str], *, grey: bool
) -> Command:
    options: dict[str, str | Sequence[str] | None] = {
        "run": str(choices.folder / experiment.name),
        "in-distribution": inside,
        "out-of-distribution": outside,
    }
    if experiment.methods:
        options["method"] = experiment.methods
    if grey:
        options["grey"] = None
    return command("evaluate", {**options, **choices.both})
