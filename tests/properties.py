"""What every invertible transform and every flow must obey, checked through their public interface."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from invglow.flows import FlowScale, MultiScaleFlow
from invglow.transforms import CouplingNetwork, FlowStep, Transform

__all__ = [
    "Map",
    "assert_batch_independent",
    "assert_folded_equals_unfolded",
    "assert_log_det_of_jacobian",
    "assert_round_trip",
    "assert_same_tensors",
    "contents",
    "jacobian",
    "latents_and_log_det",
    "random_images",
    "randomize",
]

Map: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]
Output: TypeAlias = Tensor | Iterable["Output"]
Folded: TypeAlias = CouplingNetwork | FlowStep | FlowScale | MultiScaleFlow


def random_images(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return uniform noise in [-1/2, 1/2)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype) - 0.5


@torch.no_grad()
def randomize(module: nn.Module, seed: int = 0, scale: float = 0.1) -> None:
    """Add normal noise to every parameter: what starts as identity or zero would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.add_(scale * noise.to(parameter.dtype))


def latents_and_log_det(flow: MultiScaleFlow) -> Map:
    """Return the flow as one map from images to all latents, (B, D), and the whole log-determinant."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        outputs = flow(x)
        latents = torch.cat([output.latent.flatten(1) for output in outputs], dim=1)
        return latents, torch.stack([output.log_det for output in outputs]).sum(dim=0)

    return forward


def jacobian(forward: Map, image: Tensor) -> Tensor:
    """Return dz/dx at one image (C, H, W), as autograd sees it: shape (D, D)."""
    rows: Tensor = torch.autograd.functional.jacobian(lambda x: forward(x[None])[0].flatten(), image)
    return rows.flatten(1)


def assert_log_det_of_jacobian(forward: Map, x: Tensor, tolerance: float = 1e-9) -> None:
    """Compare the log-determinant of each image with that of autograd's Jacobian."""
    log_det = forward(x)[1]
    assert log_det.shape == (len(x),)
    expected = torch.stack([torch.linalg.slogdet(jacobian(forward, image))[1] for image in x])
    torch.testing.assert_close(log_det, expected, rtol=tolerance, atol=tolerance)


def assert_round_trip(transform: Transform, x: Tensor, tolerance: float = 1e-9) -> None:
    """There and back, in both orders, with opposite log-determinants."""
    z, log_det = transform(x)
    back, inverse_log_det = transform.inverse(z)
    torch.testing.assert_close(back, x, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(transform(transform.inverse(z)[0])[0], z, rtol=tolerance, atol=tolerance)


def assert_folded_equals_unfolded(module: Folded, x: Tensor, tolerance: float) -> None:
    """Compare `forward` with `forward_unfolded`: outputs, and gradients of a random sum of all outputs.

    The tolerance is relative to the largest entry of each tensor (or to 1, where that is less).
    """
    x = x.clone().requires_grad_()
    inputs = {**dict(module.named_parameters()), "input": x}
    folded, unfolded = flatten(module(x)), flatten(module.forward_unfolded(x))
    for i, (output, reference) in enumerate(zip(folded, unfolded, strict=True)):
        _assert_near(f"output {i}", output, reference, tolerance)
    gradients, references = _gradients(folded, inputs), _gradients(unfolded, inputs)
    for name, gradient, reference in zip(inputs, gradients, references, strict=True):
        _assert_near(f"gradient of {name}", gradient, reference, tolerance)


def assert_batch_independent(function: Callable[[Tensor], Output], x: Tensor, tolerance: float) -> None:
    """Permuting the batch permutes the outputs, and images give alone what they give together."""
    together = flatten(function(x))
    order = torch.arange(len(x)).flip(0)
    permuted = flatten(function(x[order]))
    alone = [flatten(function(image[None])) for image in x]
    for i, output in enumerate(together):
        torch.testing.assert_close(permuted[i], output[order], rtol=tolerance, atol=tolerance)
        stacked = torch.cat([outputs[i] for outputs in alone])
        torch.testing.assert_close(stacked, output, rtol=tolerance, atol=tolerance)


def assert_same_tensors(one: Output, other: Output) -> None:
    """Assert bitwise equality."""
    for a, b in zip(flatten(one), flatten(other), strict=True):
        assert torch.equal(a, b)


def contents(module: nn.Module) -> bytes:
    """Return everything a module and its parts hold, parameters, buffers, attributes, hooks: to compare."""
    return pickle.dumps(module)


def flatten(output: Output) -> list[Tensor]:
    """Return all tensors of nested tuples, in order."""
    if isinstance(output, Tensor):
        return [output]
    return [tensor for part in output for tensor in flatten(part)]


def _gradients(outputs: list[Tensor], inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(o.shape, generator=generator, dtype=torch.float64).to(o.dtype) for o in outputs]
    total = torch.stack([(w * o).sum() for w, o in zip(weights, outputs, strict=True)]).sum()
    return torch.autograd.grad(total, list(inputs.values()), materialize_grads=True)


def _assert_near(name: str, actual: Tensor, expected: Tensor, tolerance: float) -> None:
    error = (actual - expected).abs().max() / expected.abs().max().clamp_min(1)
    assert error <= tolerance, f"{name} differs by {error:.1e}"
