"""A model that is not as its format has it is refused with the name of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from invglow.legacy import read_published
from tests.invglow.legacy.examples import model, save
from tests.invglow.legacy.pickled import save_model

# --- the first paper's -----------------------------------------------------------------------------


def layers(tree: nn.Module, kind: str) -> list[Any]:
    """Return all layers of a kind."""
    return [layer for layer in tree.modules() if type(layer).__name__ == kind]


def first(kind: str, change: Callable[[Any], object]) -> Callable[[nn.Module], object]:
    """Return what changes the first layer of a kind."""
    return lambda tree: change(layers(tree, kind)[0])


def setting(kind: str, **values: Any) -> Callable[[nn.Module], object]:
    """Return what sets attributes of the first layer of a kind."""
    return first(kind, lambda layer: vars(layer).update(values))


def without(name: str) -> Callable[[Any], object]:
    return lambda layer: delattr(layer, name)


def parameter(name: str, *shape: int) -> Callable[[Any], object]:
    return lambda layer: layer.register_parameter(name, nn.Parameter(torch.zeros(shape)))


def drop_last_step(tree: nn.Module) -> None:
    sequence = layers(tree, "InvertibleSequential")[0].sequential
    del sequence[-1]


def swap_scales(tree: Any) -> None:
    tree.prev = nn.ModuleList([tree.prev[1], tree.prev[0]])


def nested(depth: int) -> list[Any]:
    """Return lists that hold the next one twice, of which the last would be written 2 ** depth times."""
    return [nested_once := nested(depth - 1), nested_once] if depth else []


def repeat_layers(tree: nn.Module) -> None:
    sequence = layers(tree, "InvertibleSequential")[0]
    for _ in range(10):
        sequence.sequential = nn.Sequential(sequence.sequential, sequence.sequential)


def half_of_the_classes(tree: nn.Module) -> None:
    layers(tree, "InvertibleClassConditional")[0].i_classes = [0, 1, 1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (first("InvPermute", without("w_s")), r"InvPermute, lacks the tensor [\w.]+\.w_s\.$"),
        (first("InvPermute", without("l_mask")), None),
        (first("ActNorm", parameter("gain", 3)), r"ActNorm, holds the unexpected tensor [\w.]+\.gain\.$"),
        (first("ActNorm", parameter("loc", 5)), r"ActNorm, has 5 channels, expected was a multiple of 4"),
        (first("ActNorm", parameter("log_scale", 5)), r"\.log_scale has shape \(5,\), expected was \(12,\)"),
        (
            first("Conv2dZeros", parameter("logs", 7, 1, 1)),
            r"\.logs has shape \(7, 1, 1\), expected was \(12,\)",
        ),
        (first("Conv2dZeros", without("logs")), r"Conv2dZeros, lacks the tensor [\w.]+\.logs"),
        (
            setting("ActNorm", scale_fn="softplus"),
            r"ActNorm, has setting scale_fn = 'softplus', known is 'exp'",
        ),
        (setting("ActNorm", initialized=False), r"has setting initialized = False, known is True"),
        (setting("ActNorm", eps=0.1), r"has setting eps = 0\.1, known are values from 0 to 1e-07"),
        (setting("ActNorm", eps="small"), r"has setting eps = 'small', known are"),
        (
            setting("AffineModifier", sigmoid_or_exp_scale="exp"),
            r"sigmoid_or_exp_scale = 'exp', known is 'sig",
        ),
        (setting("AffineModifier", add_first=False), r"add_first = False, known is True"),
        (setting("Conv2dZeros", logscale_factor=1), r"logscale_factor = 1, known is 3"),
        (setting("SubsampleSplitter", checkerboard=True), r"checkerboard = True, known is False"),
        (setting("ChunkChans", n_parts=4), r"n_parts = 4, known is 2"),
        (setting("CouplingLayer", split_merger=None), r"CouplingLayer, has no part split_merger"),
        (setting("CouplingLayer", condition_merger="cat"), r"condition_merger = 'cat', known is None"),
        (setting("NClassIndependentDist", truncate_to=1.0), r"truncate_to = 1\.0, known is None"),
        (setting("SelectNode", index=1), r"ends a scale of other parts \(F C 1 A D\) than F C 0 A D"),
        (
            setting("InvPermute", fixed=True),
            r"lacks the tensor [\w.]+\.weight, [\w.]+\.fixed_log_det and holds",
        ),
        (drop_last_step, r"the model has different steps per scale \(1, 2\)"),
        (swap_scales, r"ends a scale of other parts"),
        (repeat_layers, r"a torch\.nn\.modules\.container\.Sequential, .* or come twice"),
        (setting("AffineModifier", add_first=nested(16)), r"has setting add_first = \[+\.\.\."),
        (lambda tree: layers(tree, "Node")[0].register_module("prev", None), "has no part prev|other parts"),
        (lambda tree: setattr(tree, "prev", nn.ModuleList()), "CatAsListNode, has no scales"),
    ],
)
def test_a_pickled_model_of_another_form(
    tmp_path: Path, change: Callable[[nn.Module], object], sentence: str | None
) -> None:
    path = save_model(tmp_path / "a.th", *model("affine"), change=change)
    if sentence is None:
        read_published(path)
        return
    with pytest.raises(ValueError, match=sentence) as caught:
        read_published(path)
    assert str(caught.value).startswith(f"{path} is no published model: ")


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("local", setting("WrapForPatches", patch_size="8"), "patch_size = '8', expected was a whole number"),
        ("local", setting("WrapForPatches", patch_size=8), r"\.loc has shape .*expected was \(192,\)"),
        ("local", setting("WrapForPatches", patch_size=6), r"patches of 6x6 pixels the image sides must be"),
        ("dense", setting("ViewAs", dims_after=(-1, 12, 4)), r"dims_after = \(-1, 12, 4\), expected was"),
        (
            "dense",
            setting("ViewAs", dims_after=(-1, 12, 8, 8)),
            r"has 192 features, expected were those of sh",
        ),
        (
            "dense",
            setting("ViewAs", dims_after=(-1, 3, 8, 8)),
            r"has 3 channels, expected was a multiple of 4",
        ),
        (
            "dense",
            first("InvPermute", lambda p: p.weight.mul_(1.1)),
            "is fixed, but its weight is no rotation",
        ),
        ("dense", first("InvPermute", lambda p: p.fixed_log_det.add_(1)), "its weight is no rotation"),
        (
            "additive shuffle",
            first("Shuffle", lambda s: s.indices.zero_()),
            "indices that are no permutation",
        ),
        (
            "affine",
            first("InvPermute", lambda p: p.l_mask.fill_(1)),
            "l_mask that is not strictly triangular",
        ),
        (
            "affine",
            first("InvPermute", lambda p: p.w_p.mul_(2)),
            r"\.module\..*\d has a permutation that is none",
        ),
        ("affine", first("InvPermute", lambda p: p.s_sign.zero_()), r"\d has signs other than 1 and -1"),
        ("classes", half_of_the_classes, "was expected to have classes 0 to 2"),
        ("classes", setting("InvertibleClassConditional", i_classes=["0", "1", "2"]), "classes 0 to 2"),
        ("classes", setting("ChunkByIndices", indices=(3,)), r"indices = \(3,\), known is \(96,\)"),
    ],
)
def test_variants_of_another_form(
    tmp_path: Path, name: str, change: Callable[[nn.Module], object], sentence: str
) -> None:
    path = save_model(tmp_path / "a.th", *model(name), change=change)
    with pytest.raises(ValueError, match=sentence):
        read_published(path, image_size=8)


def test_a_model_on_patches_takes_its_image_size_from_the_caller(tmp_path: Path) -> None:
    path = save(tmp_path, "local")
    assert read_published(path, image_size=16).config.image_shape == (3, 16, 16)
    with pytest.raises(ValueError, match=r"sides must be divisible by 4, got 10x10"):
        read_published(path, image_size=10)


def test_layers_that_contain_themselves_are_refused(tmp_path: Path) -> None:
    def close_a_loop(tree: nn.Module) -> None:
        sequence = layers(tree, "InvertibleSequential")[0].sequential
        sequence._modules["1"] = sequence

    path = save_model(tmp_path / "a.th", *model("affine"), change=close_a_loop)
    with pytest.raises(ValueError, match="contain themselves"):
        read_published(path)


def test_nodes_in_a_circle_are_refused(tmp_path: Path) -> None:
    def close_a_loop(tree: nn.Module) -> None:
        chunk = next(node for node in layers(tree, "Node") if type(node.module).__name__ == "ChunkChans")
        chunk.prev._modules["0"] = chunk

    path = save_model(tmp_path / "a.th", *model("affine"), change=close_a_loop)
    with pytest.raises(ValueError, match="was expected to follow one other node"):
        read_published(path)


# --- the second paper's ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"K": 3}, r"lacks the tensor flow\.layers\.3\.actnorm\.bias.* and \d+ more"),
        ({"K": 1}, r"lacks the tensor flow\.layers\.2\.conv\..* and holds the unexpected tensor flow"),
        ({"L": 3}, r"lacks the tensor"),
        ({"K": 10**4}, r"2 scales of 10000 steps, for which its \d+ tensors are too few"),
        ({"L": 10**4}, r"10000 scales of 2 steps, for which its \d+ tensors are too few"),
        (
            {"hidden_channels": 7},
            r"block\.0\.conv\.weight has shape \(6, 6, 3, 3\), expected was \(7, 6, 3, 3\)",
        ),
        ({"flow_coupling": "additive"}, r"block\.4\.conv\.weight has shape"),
        ({"LU_decomposed": False}, r"lacks the tensor flow\.layers\.1\.invconv\.weight"),
        ({"learn_top": False}, r"holds the unexpected tensor learn_top_fn\."),
        ({"K": 0}, r"has K = 0, expected was a positive whole number"),
        ({"K": "2"}, r"has K = '2', expected was a positive whole number"),
        ({"K": None}, r"has K = None, expected was"),
        ({"flow_permutation": "shuffle"}, r"has flow_permutation = 'shuffle', expected was 'invconv'"),
        ({"flow_coupling": "spline"}, r"has flow_coupling = 'spline', expected was 'affine' or 'additive'"),
        ({"LU_decomposed": 1}, r"has LU_decomposed = 1, expected was True or False"),
        ({"y_condition": True}, r"has y_condition = True, expected was False"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    path = save(tmp_path, "folder") / "hparams.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    with pytest.raises(ValueError, match=sentence):
        read_published(path.parent)


@pytest.mark.parametrize(
    ("content", "sentence"), [("{", "is not JSON"), ("[1]", "has K = None"), ("\xff\xfe", "is not JSON")]
)
def test_settings_that_are_none(tmp_path: Path, content: str, sentence: str) -> None:
    folder = save(tmp_path, "folder")
    (folder / "hparams.json").write_bytes(content.encode("latin1"))
    with pytest.raises(ValueError, match=rf"hparams\.json.*{sentence}"):
        read_published(folder)


def test_a_state_dict_without_settings_beside_it(tmp_path: Path) -> None:
    folder = save(tmp_path, "folder")
    (folder / "hparams.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"hparams\.json should say what model it is of"):
        read_published(folder / "glow_checkpoint_10.pt")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state.pop("prior_h"), "prior_h"),
        (lambda state: state.pop("flow.layers.1.actnorm.bias"), "lack"),
        (
            lambda state: state.pop("flow.layers.1.actnorm.logs"),
            r"lacks the tensor flow\.layers\.1\.actnorm\.logs",
        ),
        (lambda state: state.update(extra=torch.zeros(1)), r"holds the unexpected tensor extra"),
        (lambda state: state.update(prior_h=torch.zeros(3)), r"prior_h has shape \(3,\)"),
        (
            lambda state: state.update(prior_h=torch.zeros(1, 5, 2, 2)),
            r"prior_h has shape \(1, 5, 2, 2\), expec",
        ),
        (
            lambda state: state["flow.layers.1.invconv.p"].fill_(0.5),
            r"flow\.layers\.1\.invconv has a permutation that is none",
        ),
        (
            lambda state: state["flow.layers.2.invconv.sign_s"].mul_(3),
            r"flow\.layers\.2\.invconv has signs other than 1 and -1",
        ),
        (lambda state: state.update(prior_h=[1]), "holds no tensors by their names"),
        (lambda state: state.clear(), "prior_h"),
    ],
)
def test_tensors_that_do_not_fit(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    path = save(tmp_path, "folder") / "glow_checkpoint_10.pt"
    content = torch.load(path, weights_only=True)
    change(content["model"])
    torch.save(content, path)
    with pytest.raises(ValueError, match=sentence) as caught:
        read_published(path.parent)
    assert str(caught.value).startswith(f"{path} is no published model: ")
