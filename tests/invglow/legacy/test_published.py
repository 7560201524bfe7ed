"""What the papers would have written of a model is read back as that model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from invglow.flows import ClassConditionalFlow, MultiScaleFlow, build_glow
from invglow.legacy import Imported, read_published
from tests.invglow.legacy.examples import FOLDERS, MODELS, model, save
from tests.properties import random_images

every_model = pytest.mark.parametrize("name", [*MODELS, *FOLDERS])
TOLERANCE = 2e-5


def rebuilt(imported: Imported) -> MultiScaleFlow:
    """Return the flow that was imported."""
    torch.manual_seed(5)
    flow = build_glow(imported.config)
    flow.load_state_dict(dict(imported.tensors))
    return flow


def images_for(flow: MultiScaleFlow) -> Tensor:
    return random_images(4, *flow.image_shape, dtype=torch.float32)


@torch.no_grad()
@every_model
@pytest.mark.parametrize("as_zip", [True, False])
def test_a_published_model_is_read_back(tmp_path: Path, name: str, as_zip: bool) -> None:
    flow, config = model(name)
    imported = read_published(save(tmp_path, name, as_zip=as_zip), image_size=8)
    assert imported.config == config
    found = rebuilt(imported)
    x = images_for(flow)
    for output, expected in zip(found(x), flow(x), strict=True):
        torch.testing.assert_close(output.log_prob, expected.log_prob, rtol=TOLERANCE, atol=1e-3)
    if isinstance(flow, ClassConditionalFlow):
        assert isinstance(found, ClassConditionalFlow)
        torch.testing.assert_close(
            found.class_log_probs(x), flow.class_log_probs(x), rtol=TOLERANCE, atol=1e-3
        )


@every_model
def test_tensors_are_those_of_the_flow_in_names_shapes_and_types(tmp_path: Path, name: str) -> None:
    imported = read_published(save(tmp_path, name), image_size=8)
    expected = build_glow(imported.config).state_dict()
    assert {n: (t.shape, t.dtype) for n, t in imported.tensors.items()} == {
        n: (t.shape, t.dtype) for n, t in expected.items()
    }


def test_a_checkpoint_may_be_named_instead_of_its_folder(tmp_path: Path) -> None:
    folder = save(tmp_path, "folder")
    one, other = read_published(folder), read_published(folder / "glow_checkpoint_10.pt")
    assert one.config == other.config
    assert one.file == other.file == folder / "glow_checkpoint_10.pt"


def test_a_state_dict_may_come_without_the_rest_of_a_checkpoint(tmp_path: Path) -> None:
    folder = save(tmp_path, "folder")
    path = folder / "glow_checkpoint_10.pt"
    torch.save(torch.load(path, weights_only=True)["model"], path)
    assert read_published(folder).config == model("folder")[1]


def test_a_model_in_half_and_double_precision_becomes_single(tmp_path: Path) -> None:
    folder = save(tmp_path, "folder")
    path = folder / "glow_checkpoint_10.pt"
    state = torch.load(path, weights_only=True)["model"]
    for dtype in (torch.float16, torch.float64):
        torch.save({name: tensor.to(dtype) for name, tensor in state.items()}, path)
        assert {tensor.dtype for tensor in read_published(folder).tensors.values()} == {torch.float32}
