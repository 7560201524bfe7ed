"""Models of the second paper: a folder with a state dict and its settings (Dauncey et al., 2024)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from invglow.flows import GlowConfig
from invglow.legacy.archive import Archive
from invglow.legacy.imported import Imported
from invglow.legacy.mixing import require_lu_factors
from invglow.legacy.part import FormError, loaded
from invglow.legacy.records import StoredTensor
from invglow.reading import named_few
from invglow.transforms.network import LOG_SCALE_FACTOR

__all__ = ["read_state_dict", "settings_beside", "weights_file"]

FORM = "state dict with hparams.json (Dauncey et al., 2024)"
SETTINGS = "hparams.json"
# Values that settings must have, or their type.
KNOWN_SETTINGS: dict[str, Any] = {
    "K": int,
    "L": int,
    "hidden_channels": int,
    "flow_permutation": ("invconv",),
    "flow_coupling": ("affine", "additive"),
    "LU_decomposed": (True, False),
    "learn_top": (True, False),
    "y_condition": (False,),
}
# Constants that newer checkpoints hold and older ones do not.
# The least that a step has.
TENSORS_PER_STEP = 6
# Far more than images can have: each halves their sides.
MOST_SCALES = 16
CONSTANTS = ("invconv.l_mask", "invconv.eye")


@dataclass(frozen=True)
class Entry:
    """A tensor: its name here and in the file, and its shape."""

    ours: str
    theirs: str
    shape: tuple[int, ...]


def weights_file(path: Path) -> Path:
    """Return the checkpoint that is meant by a file or a folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: there are several.
    """
    if not path.is_dir():
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: name a checkpoint, or a folder with one.")
        return path
    if not (path / SETTINGS).is_file():
        raise FileNotFoundError(f"{path} holds no {SETTINGS}, as the folder of a published model does.")
    found = sorted(file for file in path.iterdir() if file.suffix in {".pt", ".pth"})
    if not found:
        raise FileNotFoundError(f"{path} holds {SETTINGS}, but no checkpoint (*.pt).")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ValueError(f"{path} holds several checkpoints ({names}): name the file to import.")
    return found[0]


def settings_beside(weights: Path) -> dict[str, Any]:
    """Read and check the settings in the folder of a checkpoint.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they are no JSON, or not settings that are known.
    """
    path = weights.parent / SETTINGS
    if not path.is_file():
        raise FileNotFoundError(f"{weights} holds a state dict, so {path} should say what model it is of.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}, beside {weights}, is not JSON ({error}).") from error
    for name, known in KNOWN_SETTINGS.items():
        value = found.get(name) if isinstance(found, dict) else None
        if not (type(value) is int and value >= 1 if known is int else _is_among(value, known)):
            wanted = "a positive whole number" if known is int else " or ".join(map(repr, known))
            raise ValueError(f"{path}, beside {weights}, has {name} = {value!r:.80}, expected was {wanted}.")
    return dict(found)


def _is_among(value: Any, known: tuple[Any, ...]) -> bool:
    return any(type(value) is type(one) and value == one for one in known)


def read_state_dict(archive: Archive, settings: Mapping[str, Any]) -> Imported:
    """Read a model, given its settings.

    Raises:
        ValueError: tensors are missing, unexpected or of another shape than the settings say.
    """
    state = _state(archive.root)
    config = _config(state, settings)
    entries = list(_entries(config))
    prior_names = ["prior_h"] + [
        "learn_top_fn.conv.weight",
        "learn_top_fn.conv.bias",
        "learn_top_fn.logs",
    ] * (settings["learn_top"])
    _check_names(state, [*(entry.theirs for entry in entries), *prior_names])
    tensors = {e.ours: loaded(archive, state[e.theirs], e.shape, e.theirs) for e in entries}
    for entry in entries:
        mixing, _, name = entry.ours.rpartition(".")
        if name == "permutation":
            where = entry.theirs.removesuffix(".p")
            require_lu_factors(tensors[entry.ours], tensors[f"{mixing}.sign"], where)
    return Imported(
        config,
        tensors | _top_prior(archive, state, config, learned=settings["learn_top"]),
        FORM,
        archive.path,
    )


def _state(root: Any) -> dict[str, StoredTensor]:
    state = root.get("model", root) if isinstance(root, dict) else None
    if not isinstance(state, dict) or not all(map(_is_named_tensor, state.items())):
        raise FormError('it holds no tensors by their names, neither at its top nor under "model"')
    return state


def _is_named_tensor(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], StoredTensor)


def _config(state: Mapping[str, StoredTensor], settings: Mapping[str, Any]) -> GlowConfig:
    first, top = state.get("flow.layers.1.actnorm.bias"), state.get("prior_h")
    if first is None or top is None:
        raise FormError(
            "the tensors flow.layers.1.actnorm.bias and prior_h, by which images have their shape, lack"
        )
    too_few = TENSORS_PER_STEP * settings["K"] * settings["L"] > len(state)
    if too_few or settings["L"] > MOST_SCALES:  # before that many names are made up
        raise FormError(
            f"by {SETTINGS} it has {settings['L']} scales of {settings['K']} steps, for which its "
            f"{len(state)} tensors are too few"
        )
    if len(top.shape) != 4 or first.numel % 4:
        raise FormError(f"prior_h has shape {top.shape} and the first scale {first.numel} channels")
    factor = 2 ** settings["L"]
    return GlowConfig(
        image_shape=(first.numel // 4, factor * top.shape[2], factor * top.shape[3]),
        scales=settings["L"],
        steps_per_scale=settings["K"],
        hidden_channels=settings["hidden_channels"],
        mixing="lu" if settings["LU_decomposed"] else "plain",
        coupling=settings["flow_coupling"],
        prior="conditional",
        keeps="first",
    )


def _entries(config: GlowConfig) -> Iterator[Entry]:
    """Yield every tensor of the flow but those of the coarsest latent's density."""
    channels = config.image_shape[0]
    for i in range(config.scales):
        channels *= 4
        squeeze = i * (config.steps_per_scale + 2)  # layer after layer: squeeze, steps, split
        for j in range(config.steps_per_scale):
            yield from _step_entries(
                config, channels, f"scales.{i}.steps.{j}", f"flow.layers.{squeeze + 1 + j}"
            )
        if i < config.scales - 1:
            channels //= 2
            split = f"flow.layers.{squeeze + 1 + config.steps_per_scale}.conv"
            yield Entry(
                f"scales.{i}.prior.conv.weight", f"{split}.conv.weight", (2 * channels, channels, 3, 3)
            )
            yield Entry(f"scales.{i}.prior.bias", f"{split}.conv.bias", (2 * channels,))
            yield Entry(f"scales.{i}.prior.log_scale", f"{split}.logs", (2 * channels,))


def _step_entries(config: GlowConfig, channels: int, ours: str, theirs: str) -> Iterator[Entry]:
    half, hidden = channels // 2, config.hidden_channels
    outputs = channels if config.coupling == "affine" else half
    row, square = (channels,), (channels, channels)
    yield from _actnorm_entries(f"{ours}.actnorm", f"{theirs}.actnorm", channels)
    lu = {"permutation": "p", "sign": "sign_s", "lower": "lower", "upper": "upper", "log_diagonal": "log_s"}
    for name, name_there in (lu if config.mixing == "lu" else {"weight": "weight"}).items():
        shape = row if name in {"sign", "log_diagonal"} else square
        yield Entry(f"{ours}.mixing.{name}", f"{theirs}.invconv.{name_there}", shape)
    ours, theirs = f"{ours}.coupling.network", f"{theirs}.block"
    yield Entry(f"{ours}.conv_in.weight", f"{theirs}.0.conv.weight", (hidden, half, 3, 3))
    yield from _actnorm_entries(f"{ours}.norm_in", f"{theirs}.0.actnorm", hidden)
    yield Entry(f"{ours}.conv_mid.weight", f"{theirs}.2.conv.weight", (hidden, hidden, 1, 1))
    yield from _actnorm_entries(f"{ours}.norm_mid", f"{theirs}.2.actnorm", hidden)
    yield Entry(f"{ours}.conv_out.weight", f"{theirs}.4.conv.weight", (outputs, hidden, 3, 3))
    yield Entry(f"{ours}.bias_out", f"{theirs}.4.conv.bias", (outputs,))
    yield Entry(f"{ours}.log_scale", f"{theirs}.4.logs", (outputs,))


def _actnorm_entries(ours: str, theirs: str, channels: int) -> Iterator[Entry]:
    yield Entry(f"{ours}.loc", f"{theirs}.bias", (channels,))
    yield Entry(f"{ours}.log_scale", f"{theirs}.logs", (channels,))


def _check_names(state: Mapping[str, StoredTensor], expected: list[str]) -> None:
    missing = [name for name in expected if name not in state]
    known = set(expected)
    unexpected = [name for name in state if name not in known and not name.endswith(CONSTANTS)]
    problems = [f"lacks the tensor {named_few(missing)}"] if missing else []
    problems += [f"holds the unexpected tensor {named_few(unexpected)}"] if unexpected else []
    if problems:
        raise FormError(f"by the settings in {SETTINGS}, it {' and '.join(problems)}")


def _top_prior(
    archive: Archive, state: Mapping[str, StoredTensor], config: GlowConfig, *, learned: bool
) -> dict[str, Tensor]:
    """Return the density of the coarsest latent: mean and log std are constants, or made of them."""
    channels, height, width = config.image_shape
    factor = 2**config.scales
    shape = (2 * 2 ** (config.scales + 1) * channels, height // factor, width // factor)
    made = loaded(archive, state["prior_h"], (1, *shape), "prior_h").double()
    if learned:
        sizes = {"conv.weight": (shape[0], shape[0], 3, 3), "conv.bias": shape[:1], "logs": shape[:1]}
        weight, bias, logs = (
            loaded(archive, state[f"learn_top_fn.{name}"], size, f"learn_top_fn.{name}").double()
            for name, size in sizes.items()
        )
        made = F.conv2d(made, weight, bias, padding=1) * (LOG_SCALE_FACTOR * logs).exp()[:, None, None]
    mean, log_std = made[0].chunk(2)
    prefix = f"scales.{config.scales - 1}.prior"
    return {f"{prefix}.loc": -mean.float(), f"{prefix}.log_scale": -log_std.float()}
