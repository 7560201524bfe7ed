"""What the engine chooses by itself, and what it leaves behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from anomaly_methods.extractors.gradient_norms import (
    engine,
    fallback,
    reference_squared_norms,
    squared_gradient_norms,
)
from anomaly_methods.extractors.gradient_norms.garbage import collection_paused
from anomaly_methods.extractors.gradient_norms.vmapped import vmapped_gradients
from tests.anomaly_methods.extractors.gradient_models import MODELS, NetModel, images, randomized


@pytest.mark.parametrize(("few", "all_together"), [(0, False), (1 << 20, True)])
def test_a_small_model_that_needs_the_fallback_gets_it_for_all_tensors(
    few: int, all_together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = NetModel(randomized(MODELS["Fallbacks"]())).double(), images(4)
    asked: list[list[str]] = []
    vmapped = vmapped_gradients

    def watched(model: NetModel, x: Tensor, group_size: int, names: Sequence[str]) -> dict[str, Tensor]:
        asked.append(sorted(names))
        return vmapped(model, x, group_size, names)

    monkeypatch.setattr(fallback, "vmapped_gradients", watched)
    monkeypatch.setattr(engine, "_FEW_NUMBERS", few)
    found = squared_gradient_norms(model, x, 2)
    everything = sorted(name for name, _ in model.named_parameters())
    assert asked == [everything if all_together else ["net.einsum", "net.left"]]
    for name, expected in reference_squared_norms(model, x, 2).items():
        torch.testing.assert_close(found[name], expected)


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("name", [name for name in MODELS if name != "Fallbacks"])
def test_a_pass_frees_its_memory_without_the_garbage_collector(name: str) -> None:
    model, x = NetModel(randomized(MODELS[name]())).double(), images(2)
    kept: list[weakref.ref[Tensor]] = []
    for module in model.net.modules():
        if not isinstance(module, nn.Sequential):
            module.register_forward_hook(lambda *call: kept.append(weakref.ref(call[2])))
    squared_gradient_norms(model, x)
    assert kept
    assert all(reference() is None for reference in kept)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    try:
        with collection_paused():
            assert not gc.isenabled()
        assert gc.isenabled() is enabled
        with pytest.raises(ZeroDivisionError), collection_paused():
            raise ZeroDivisionError
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
