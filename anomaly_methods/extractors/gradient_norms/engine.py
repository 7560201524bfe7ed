"""The squared norm of every parameter's gradient for every group of images, from one pass over the batch."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from anomaly_methods.extractors.base import require_shape
from anomaly_methods.extractors.gradient_norms.fallback import fallback_squared_norms, say_once
from anomaly_methods.extractors.gradient_norms.graph import Leaves
from anomaly_methods.extractors.gradient_norms.kinds import Kind
from anomaly_methods.extractors.gradient_norms.parameters import group_count, trainable_parameters
from anomaly_methods.extractors.gradient_norms.plan import Plan
from anomaly_methods.extractors.gradient_norms.trace import Trace, UntraceableError
from anomaly_methods.extractors.gradient_norms.tracing import Tracing
from models.base import GenerativeModel

__all__ = ["covered_squared_norms", "squared_gradient_norms"]


def squared_gradient_norms(
    model: GenerativeModel, x: Tensor, group_size: int = 1, *, apart: Collection[str] = ()
) -> dict[str, Tensor]:
    """Return `f_l = || grad_l of the sum over a group of log p(x_b) ||^2` for every parameter tensor l.

    One forward and one backward pass over the whole batch, through the model's own `log_prob`. Tensors that
    no rule covers are computed apart, by `fallback_squared_norms`, which is logged.

    Args:
        model: in evaluation mode; an image's log_prob may not depend on the others of the batch.
        x: images (B, C, H, W) in [-1/2, 1/2), B a multiple of the group size.
        group_size: consecutive images whose log-likelihoods are summed before differentiating.
        apart: names of parameters that are left to the fallback although rules cover them.

    Returns:
        {parameter name: (B // group_size,)}, float64, of all parameters that require a gradient. Values that
        are not finite are left as they are.

    Raises:
        ValueError: the batch is no multiple of the group size, log_prob is not (B,), or a layer computes
            statistics over the batch.

    References:
        Approximations to the Fisher Information Metric of Deep Generative Models for Out-Of-Distribution
        Detection (Dauncey et al., 2024).
    """
    found, uncovered = covered_squared_norms(model, x, group_size)
    if uncovered:
        _say(model, uncovered)
    if others := [*uncovered, *(name for name in apart if name not in uncovered)]:
        found |= fallback_squared_norms(model, x, group_size, others)
    return {name: found[name] for name in trainable_parameters(model)}


@torch.inference_mode(mode=False)
@torch.enable_grad()
def covered_squared_norms(
    model: GenerativeModel, x: Tensor, group_size: int = 1
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Compute what the rules cover; return it, and {parameter name: why not} of the rest."""
    groups = group_count(len(x), group_size)
    parameters = trainable_parameters(model)
    trace = Trace(len(x), groups, list(parameters.values()), x.device)
    try:
        log_prob = _traced(model, x, trace)
    except UntraceableError as reason:
        return {}, dict.fromkeys(parameters, str(reason))
    reasons = _uncovered(trace, log_prob)
    names = {id(parameter): name for name, parameter in parameters.items()}
    wanted = [
        parameter for key, parameter in zip(names, parameters.values(), strict=True) if key not in reasons
    ]
    plan = Plan(trace, wanted)
    trace.deliver = plan.deliver
    if log_prob.requires_grad:
        torch.autograd.grad(log_prob, trace.anchor, torch.ones_like(log_prob), allow_unused=True)
    norms = plan.squared_norms()
    zeros = torch.zeros(groups, dtype=torch.float64, device=x.device)
    found = {names[id(parameter)]: norms.get(id(parameter), zeros) for parameter in wanted}
    return found, {names[key]: reason for key, reason in reasons.items() if key in names}


def _traced(model: GenerativeModel, x: Tensor, trace: Trace) -> Tensor:
    """Run log_prob on the images, with every use of a parameter noted."""
    images = x.clone() if x.is_inference() else x.detach()
    trace.kinds.mark(images, Kind.SAMPLE)
    with Tracing(trace):
        log_prob = model.log_prob(images)
        require_shape(log_prob, (len(images),), "log_prob")
        # What does not depend on the images at all meets them here.
        return log_prob + images.new_zeros(len(images))


def _uncovered(trace: Trace, log_prob: Tensor) -> dict[int, str]:
    """Return {id of parameter: why no rule covers it}."""
    leaves = Leaves()
    reasons = {key: reason for root, reason in trace.uncovered for key in leaves.of(root)}
    # Cut off wherever a rule applies, the graph must lead to no parameter any more.
    unseen = dict.fromkeys(leaves.of(log_prob), "a function that cannot be watched uses it")
    return unseen | reasons


def _say(model: GenerativeModel, uncovered: dict[str, str]) -> None:
    reasons = "; ".join(dict.fromkeys(uncovered.values()))
    say_once(
        f"The gradients of {len(uncovered)} tensors of {type(model).__name__} ({next(iter(uncovered))}, ...) "
        f"are computed apart, since {reasons}."
    )
