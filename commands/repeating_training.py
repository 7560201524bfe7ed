"""The command that repeats a training, told from the configuration that it recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commands.model_options import GLOW
from commands.repeating import shell

__all__ = ["train_command"]

# Settings with an option of the same name.
_OPTIONS = (
    "steps",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "warmup_steps",
    "cooldown_fraction",
    "evaluate_every",
    "checkpoint_every",
    "seed",
)
_AUGMENTATIONS: Mapping[tuple[Any, Any], list[str]] = {(None, None): [], (False, 0.0): ["--no-augmentation"]}


def train_command(run: str, config: Mapping[str, Any]) -> str:
    """Return the command that trained a run.

    Args:
        run: the run as the user names it.
        config: content of its config.json.

    Raises:
        ValueError: no command does this, or the configuration does not say enough; the sentence says which.
    """
    try:
        return shell(_words(run, config))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The configuration does not say how {run} was trained ({error!r}).") from error


def _words(run: str, config: Mapping[str, Any]) -> list[str]:
    if config.get("imported"):
        size = str(config["data"]["image_shape"][1])
        return ["import", config["imported"]["from"], "--run", run, "--image-size", size]
    data, training, origin = config["data"], config["training"], config.get("origin")
    words = ["train", "--data", data["name"], "--limit", str(data["images"]), "--run", run]
    words += ["--grey"] if data["grey"] else []
    words += _origin(run, origin) if origin else _model(config["model"], data["image_shape"])
    _require_defaults(training)
    recorded = {name: training[name] for name in _OPTIONS if training.get(name) is not None}
    words += [word for name, value in recorded.items() for word in _option(name, value)]
    return [*words, *_augmentation(training), *_losses(config)]


def _option(name: str, value: Any) -> list[str]:
    return [f"--{name.replace('_', '-')}", str(value)]


def _origin(run: str, origin: Mapping[str, Any]) -> list[str]:
    words = [f"--{origin['relation']}", origin["run"]]
    is_alone = origin["relation"] == "base" and not (Path(run) / "general" / "config.json").exists()
    return [*words, "--no-equal-training"] if is_alone else words


def _model(model: Mapping[str, Any], image_shape: list[int]) -> list[str]:
    settings = {name: value for name, value in model["settings"].items() if name != "image_shape"}
    words = ["--image-size", str(image_shape[1])]
    if model["family"] == GLOW:
        return words + [word for name, value in settings.items() for word in _option(name, value)]
    words += ["--model", model["family"]]
    written = [f"{name}={_written(value)}" for name, value in settings.items() if value is not None]
    return [*words, "--setting", *written] if written else words


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(_written, value)) if isinstance(value, list) else str(value)


def _require_defaults(training: Mapping[str, Any]) -> None:
    """Refuse settings that no option of `train` sets and that are not at their defaults."""
    from dataclasses import asdict

    from invglow.training.config import TrainingConfig

    for name, default in asdict(TrainingConfig(steps=1)).items():
        has_option = name in (*_OPTIONS, "flip", "max_shift")
        if not has_option and training.get(name, default) != default:
            raise ValueError(f"No option of main.py train sets {name} = {training[name]!r}, as recorded.")


def _augmentation(training: Mapping[str, Any]) -> list[str]:
    recorded = training["flip"], training["max_shift"]
    if recorded not in _AUGMENTATIONS:
        raise ValueError(f"No option of main.py train sets (flip, max_shift) = {recorded!r}, as recorded.")
    return _AUGMENTATIONS[recorded]


def _losses(config: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    outliers, labels = config.get("outliers"), config.get("labels")
    if outliers:
        words += ["--outlier-loss", outliers["loss"], "--outlier-weight", str(outliers["weight"])]
        words += _outlier_data(config, outliers)
    if labels:
        words += ["--labels", "--label-weight", str(labels["weight"])]
    temperature = (outliers or {}).get("temperature") or (labels or {}).get("temperature")
    return words if temperature is None else [*words, "--outlier-temperature", str(temperature)]


def _outlier_data(config: Mapping[str, Any], outliers: Mapping[str, Any]) -> list[str]:
    """Name the set of an outlier loss, unless it is what the base was trained on."""
    from invglow.checkpoints import read_config

    try:
        general = read_config(Path(config["origin"]["run"]))["data"]
    except (OSError, ValueError, KeyError):
        return ["--outlier-data", outliers["name"]]
    return [] if general.get("sha256") == outliers["sha256"] else ["--outlier-data", outliers["name"]]
