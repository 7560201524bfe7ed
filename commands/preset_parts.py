"""What presets are made of: commands of main.py, and what the user decides about them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commands.experiments import Experiment, Options
from commands.family_experiments import FamilyExperiment

__all__ = ["Choices", "Command", "Preset", "command"]


@dataclass(frozen=True)
class Command:
    """One call of main.py: the words after it."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return shlex.join(("python", "main.py", *self.words))


@dataclass(frozen=True)
class Preset:
    """What carries out one experiment: training runs in this order, then one table, then samples."""

    experiment: Experiment | FamilyExperiment
    train: tuple[Command, ...]
    evaluate: Command | None
    sets: tuple[tuple[str, str], ...]
    """(name, split) of every image set that these commands read."""
    grey: bool
    sample: Command | None = None

    @property
    def commands(self) -> tuple[Command, ...]:
        """All of them, in the order in which they are run."""
        last = (command for command in (self.evaluate, self.sample) if command is not None)
        return (*self.train, *last)


@dataclass(frozen=True)
class Choices:
    """What the user decides: where runs go, and what takes the place of sets and settings of the scale.

    Attributes:
        folder: of all runs of this scale, so that experiments share their general model.
        general: image set in place of the scale's general set.
        inside: in place of the in-distribution set.
        outside: in place of the out-of-distribution sets.
        training: options of every training, {name: value}, in place of the scale's.
        both: options of training and evaluation, such as the device.
    """

    folder: Path
    general: str | None = None
    inside: str | None = None
    outside: Sequence[str] = ()
    training: Options = field(default_factory=dict)
    both: Options = field(default_factory=dict)


def command(name: str, options: Mapping[str, str | Sequence[str] | None]) -> Command:
    """Return a command; an option without a value is a flag, one with several takes them all."""
    words = [name]
    for option, value in options.items():
        words.append(f"--{option}")
        if value is not None:
            words += [value] if isinstance(value, str) else list(value)
    return Command(tuple(words))
