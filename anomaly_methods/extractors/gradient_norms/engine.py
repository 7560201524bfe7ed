"""What is wanted of every parameter's gradient for every group of images, from one pass over the batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import torch
from torch import Tensor

from anomaly_methods.extractors.base import require_shape
from anomaly_methods.extractors.gradient_norms.fallback import fallback_measured, say_once
from anomaly_methods.extractors.gradient_norms.garbage import collection_paused
from anomaly_methods.extractors.gradient_norms.graph import Graph, bits_of
from anomaly_methods.extractors.gradient_norms.measures import Measure, Visitor, squared_norm, visiting
from anomaly_methods.extractors.gradient_norms.memory import Memory
from anomaly_methods.extractors.gradient_norms.parameters import group_count, trainable_parameters
from anomaly_methods.extractors.gradient_norms.per_group import DenseGradient
from anomaly_methods.extractors.gradient_norms.plan import Plan
from anomaly_methods.extractors.gradient_norms.routes import Routes
from anomaly_methods.extractors.gradient_norms.trace import Trace, UntraceableError
from anomaly_methods.extractors.gradient_norms.tracing import Tracing
from models.base import GenerativeModel

__all__ = ["covered_squared_norms", "squared_gradient_norms", "visit_gradients"]

_FEW_NUMBERS = 1 << 20  # of all gradients of a batch, which take less time to form than a pass that avoids it
_NUMBERS_AT_A_TIME = 1 << 25  # of the gradients of one tensor, which a visitor sees at once


def squared_gradient_norms(
    model: GenerativeModel,
    x: Tensor,
    group_size: int = 1,
    *,
    apart: Collection[str] = (),
    memory: Memory | None = None,
) -> dict[str, Tensor]:
    """Return `f_l = || grad_l of the sum over a group of log p(x_b) ||^2` for every parameter tensor l.

    One forward and one backward pass over the whole batch, through the model's own `log_prob`. Tensors that
    no rule covers are computed apart, by `fallback_measured`, which is logged.

    Args:
        model: in evaluation mode; an image's log_prob may not depend on the others of the batch.
        x: images (B, C, H, W) in [-1/2, 1/2), B a multiple of the group size.
        group_size: consecutive images whose log-likelihoods are summed before differentiating.
        apart: names of parameters that are left to the fallback although rules cover them.
        memory: passed along with every batch under a model, it saves what depends on the parameters alone,
            and under a static model all of Python's part.

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
    job = _Job(model, x, group_size, squared_norm, apart, memory or Memory())
    return _measured(job) if apart or not model.is_static else _repeated(job)


def visit_gradients(
    model: GenerativeModel,
    x: Tensor,
    visitor: Visitor,
    group_size: int = 1,
    *,
    apart: Collection[str] = (),
    memory: Memory | None = None,
) -> dict[str, Tensor]:
    """Show a visitor the gradients of every parameter tensor, as `squared_gradient_norms` finds them.

    The gradients of one tensor exist at a time: the batch is taken in pieces of at most 128 MB (in float32)
    of those of the largest tensor. Each tensor is shown once for every piece.

    Args:
        model: in evaluation mode; an image's log_prob may not depend on the others of the batch.
        x: images (B, C, H, W) in [-1/2, 1/2), B a multiple of the group size.
        visitor: called with a parameter's name and its gradients (groups, *shape), returns (groups,).
        group_size: consecutive images whose log-likelihoods are summed before differentiating.
        apart: names of parameters that are left to the fallback although rules cover them.
        memory: as for `squared_gradient_norms`.

    Returns:
        {parameter name: (B // group_size,)}: what the visitor returned.

    Raises:
        ValueError: as `squared_gradient_norms`.
    """
    group_count(len(x), group_size)
    largest = max(parameter.numel() for parameter in trainable_parameters(model).values())
    pieces = x.split(max(1, _NUMBERS_AT_A_TIME // largest) * group_size)
    memory = memory or Memory()
    found = [_measured(_Job(model, piece, group_size, visiting(visitor), apart, memory)) for piece in pieces]
    return {name: torch.cat([part[name] for part in found]) for name in found[0]}


def covered_squared_norms(
    model: GenerativeModel, x: Tensor, group_size: int = 1
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Compute what the rules cover; return it, and {parameter name: why not} of the rest."""
    return _covered(_Job(model, x, group_size, squared_norm, (), Memory()))


@dataclass(frozen=True)
class _Job:
    """What is to be measured: the gradients of a batch in groups, except for some left to the fallback."""

    model: GenerativeModel
    x: Tensor
    group_size: int
    measure: Measure
    apart: Collection[str]
    memory: Memory

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """All parameters of the model, by name."""
        return trainable_parameters(self.model)

    @cached_property
    def groups(self) -> int:
        """How many there are."""
        return group_count(len(self.x), self.group_size)


def _repeated(job: _Job) -> dict[str, Tensor]:
    """Measure as was done for earlier batches, if there were some, with no call of Python's for each step."""
    if job.memory.replays.are_there:
        job.memory.begin(job.parameters.values(), job.x.device)
    return job.memory.replays.run(
        job.x,
        (job.group_size, job.model.training),
        lambda images: _measured(replace(job, x=images)),
        lambda: job.memory.watch(chain(job.model.parameters(), job.model.buffers())),
    )


def _measured(job: _Job) -> dict[str, Tensor]:
    found, uncovered = _covered(job)
    if uncovered:
        _say(job.model, uncovered)
    if others := [name for name in job.parameters if name not in found]:
        job.memory.replays.refuse()  # torch.func and loops over groups are not recorded
        found |= fallback_measured(job.model, job.x, job.group_size, others, job.measure)
    return {name: found[name] for name in job.parameters}


@collection_paused()
@torch.inference_mode(mode=False)
@torch.enable_grad()
def _covered(job: _Job) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Measure what the rules cover and is not to be left apart; return it, and why they do not the rest.

    Nothing is measured where the fallback has to run anyway and is the cheaper for all.
    """
    parameters = list(job.parameters.values())
    job.memory.begin(parameters, job.x.device)
    trace = Trace(len(job.x), job.groups, parameters, job.x.device, job.memory)
    try:
        log_prob = _traced(job.model, job.x, trace)
        trace.require_unchanged()
    except UntraceableError as reason:
        return {}, dict.fromkeys(job.parameters, str(reason))
    job.memory.end(trace.sources)
    uncovered = _uncovered(trace, job.parameters, log_prob)
    if (uncovered or job.apart) and _fallback_is_cheaper(job):
        return {}, uncovered
    left_out = {*uncovered, *job.apart}
    wanted = {name: parameter for name, parameter in job.parameters.items() if name not in left_out}
    routes = job.memory.routes(trace.uses, wanted, lambda: Routes(trace.uses, Graph(parameters), wanted))
    plan = Plan(routes, job.measure)
    trace.deliver = plan.deliver
    if log_prob.requires_grad:
        trace.run_backward(log_prob)
    found = plan.measured()
    for name, parameter in wanted.items():
        if name not in found:
            found[name] = job.measure(name, _zeros(parameter, job.groups), None)
    return found, uncovered


def _fallback_is_cheaper(job: _Job) -> bool:
    """Whether the fallback, if some tensors need it, should give all: its pass then takes hardly longer."""
    return job.groups * sum(parameter.numel() for parameter in job.parameters.values()) <= _FEW_NUMBERS


def _zeros(parameter: Tensor, groups: int) -> DenseGradient:
    """Return the gradient of a parameter that no image reached."""
    return DenseGradient(parameter.new_zeros(1).expand(groups, *parameter.shape))


def _traced(model: GenerativeModel, x: Tensor, trace: Trace) -> Tensor:
    """Run log_prob on the images, with every use of a parameter noted."""
    images = x.clone() if x.is_inference() else x.detach()
    trace.kinds.mark_images(images)
    with Tracing(trace):
        log_prob = model.log_prob(images)
        require_shape(log_prob, (len(images),), "log_prob")
        # What does not depend on the images at all meets them here.
        return log_prob + images.new_zeros(len(images))


def _uncovered(trace: Trace, parameters: Mapping[str, Tensor], log_prob: Tensor) -> dict[str, str]:
    """Return {name of a parameter: why no rule covers it}."""
    graph = Graph(parameters.values())
    reasons = {bit: reason for root, reason in trace.uncovered for bit in bits_of(graph.leaves(root))}
    # Cut off wherever a rule applies, the graph must lead to no parameter any more.
    unseen = bits_of(graph.leaves(log_prob))
    reasons = dict.fromkeys(unseen, "a function that cannot be watched uses it") | reasons
    if not reasons:
        return {}
    bits = {name: graph.leaves(parameter) for name, parameter in parameters.items()}
    return {name: reasons[bit] for name, bit in bits.items() if bit in reasons}


def _say(model: GenerativeModel, uncovered: dict[str, str]) -> None:
    reasons = "; ".join(dict.fromkeys(uncovered.values()))
    say_once(
        f"The gradients of {len(uncovered)} tensors of {type(model).__name__} ({next(iter(uncovered))}, ...) "
        f"are computed apart, since {reasons}."
    )
