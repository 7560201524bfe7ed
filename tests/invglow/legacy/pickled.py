"""Writes models of ours the way the first paper published its own, with classes that live only as long."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from invglow.flows import (
    ClassNormals,
    ElementwiseNormal,
    FlowScale,
    GlowConfig,
    MultiScaleFlow,
    PatchNormal,
)
from invglow.transforms import (
    ActNorm,
    AdditiveCoupling,
    ChannelPermutation,
    CouplingNetwork,
    DenseNetwork,
    DenseRotation,
    FlowStep,
    LUConv1x1,
    PlainConv1x1,
)

__all__ = ["save_model"]

# Classes of the first paper's package, and whether they are layers of torch.
LAYERS = {
    "graph": ("CatAsListNode", "CatChansNode", "Node", "SelectNode"),
    "sequential": ("InvertibleSequential",),
    "splitter": ("SubsampleSplitter",),
    "actnorm": ("ActNorm",),
    "inv_permute": ("InvPermute", "Shuffle"),
    "coupling": ("CouplingLayer",),
    "affine": ("AffineCoefs", "AdditiveCoefs", "AffineModifier"),
    "branching": ("ChunkChans", "ChunkByIndices", "CatChans"),
    "view_as": ("Flatten2d", "ViewAs"),
    "distribution": ("Unlabeled", "NClassIndependentDist", "MergeLogDets"),
    "categorical_mixture": ("InvertibleClassConditional",),
}
OBJECTS = {"split_merge": ("EverySecondChan", "ChunkChansIn2")}
MODELS = {"glow": ("Conv2d", "Conv2dZeros"), "patch_glow": ("WrapForPatches",)}


class Published:
    """Builds the objects of a published model.

    Args:
        classes: by name; `glow.Conv2d` is called GlowConv2d, so as not to be taken for torch's.
    """

    def __init__(self, classes: dict[str, type]) -> None:
        self.classes = classes

    def layer(self, kind: str, **content: Any) -> Any:
        """Return a layer: tensors that are learned, `buffers`, other layers, and plain attributes."""
        layer: Any = self.classes[kind]()
        buffers = content.pop("buffers", {})
        for name, tensor in buffers.items():
            layer.register_buffer(name, tensor)
        for name, value in content.items():
            setattr(layer, name, nn.Parameter(value) if isinstance(value, Tensor) else value)
        return layer

    def sequence(self, *layers: Any) -> Any:
        return self.layer("InvertibleSequential", sequential=nn.Sequential(*layers), accepts_condition=True)

    def node(self, before: list[Any] | None, module: Any = None, kind: str = "Node", **content: Any) -> Any:
        prev = None if before is None else nn.ModuleList(before)
        state = {"next": [], "cur_out": None, "cur_in": None, "tags": {}, "module": module}
        return self.layer(kind, prev=prev, **state, **content)

    def actnorm(self, norm: ActNorm, eps: float = 0) -> Any:
        return self.affine(norm.loc, norm.log_scale, eps)

    def affine(self, loc: Tensor, log_scale: Tensor, eps: float = 0) -> Any:
        tensors = {"loc": loc, "log_scale": log_scale}
        shaped = {name: tensor.detach().reshape(1, -1, 1, 1) for name, tensor in tensors.items()}
        return self.layer("ActNorm", **shaped, initialized=True, scale_fn="exp", eps=eps)

    def latent(self, loc: Tensor, log_scale: Tensor, seed: int = 0) -> tuple[Any, Any]:
        """Return an ActNorm of the flattened latent and a normal that together standardise as these do."""
        loc, log_scale = loc.detach().flatten(), log_scale.detach().flatten()
        generator = torch.Generator().manual_seed(seed)
        mean, log_std = 0.3 * torch.randn(2, len(loc), generator=generator)
        norm_scale = log_scale + log_std
        norm = self.affine(loc + mean * (-norm_scale).exp(), norm_scale, eps=1e-8)
        return self.sequence(self.layer("Flatten2d"), norm), self.normal(mean, log_std)

    def normal(self, mean: Tensor, log_std: Tensor) -> Any:
        buffers = {"class_means": mean[None], "class_log_stds": log_std[None]}
        dist = self.layer("NClassIndependentDist", truncate_to=None, buffers=buffers)
        return self.layer("Unlabeled", dist=dist)

    def flow(self, scale: FlowScale, shape: tuple[int, ...] | None = None) -> Any:
        """Return the layers of one scale, fully connected ones if the shape of its features is given."""
        squeeze = self.layer(
            "SubsampleSplitter",
            stride=(2, 2),
            chunk_chans_first=True,
            checkerboard=False,
            cat_at_end=True,
            via_reshape=True,
        )
        steps = [self.step(step) for step in scale.steps]
        if shape is None:
            return self.sequence(squeeze, *steps)
        back = self.layer("ViewAs", dims_before=(-1, 1), dims_after=(-1, *shape))
        return self.sequence(squeeze, self.layer("Flatten2d"), *steps, back)

    def step(self, step: FlowStep) -> Any:
        additive = isinstance(step.coupling, AdditiveCoupling)
        network, merger = self.network(step.coupling.network), self.classes["ChunkChansIn2"]()
        merger.swap_dims = True
        coefficients = self.layer("AdditiveCoefs" if additive else "AffineCoefs", module=network)
        coefficients.splitter = None if additive else self.classes["EverySecondChan"]()
        modifier = self.layer("AffineModifier", sigmoid_or_exp_scale="sigmoid", add_first=True, eps=0)
        coupling = self.layer("CouplingLayer", coef_extractor=coefficients, modifier=modifier)
        coupling.split_merger, coupling.condition_merger = merger, None
        return self.sequence(self.actnorm(step.actnorm), self.mixing(step.mixing), coupling)

    def mixing(self, mixing: nn.Module) -> Any:
        if isinstance(mixing, ChannelPermutation):
            indices = mixing.indices
            return self.layer("Shuffle", buffers={"indices": indices, "invert_inds": indices.argsort()})
        if isinstance(mixing, DenseRotation):
            buffers = {
                "weight": mixing.weight,
                "weight_inverse": mixing.weight.T,
                "fixed_log_det": torch.zeros(()),
            }
            return self.layer("InvPermute", use_lu=False, fixed=True, buffers=buffers)
        if isinstance(mixing, PlainConv1x1):
            return self.layer("InvPermute", weight=mixing.weight.detach(), use_lu=False, fixed=False)
        assert isinstance(mixing, LUConv1x1)
        mask = torch.ones_like(mixing.lower).tril(-1)
        buffers = {
            "w_p": mixing.permutation,
            "s_sign": mixing.sign,
            "l_mask": mask,
            "u_mask": mask.T.contiguous(),
        }
        parameters = {"w_l": mixing.lower, "w_u": mixing.upper, "w_s": mixing.log_diagonal}
        learned = {name: parameter.detach() for name, parameter in parameters.items()}
        return self.layer("InvPermute", **learned, use_lu=True, fixed=False, buffers=buffers)

    def network(self, network: nn.Module) -> Any:
        relu = nn.ReLU()
        if isinstance(network, DenseNetwork):
            return nn.Sequential(network.linear_in, relu, network.linear_mid, relu, network.linear_out)
        assert isinstance(network, CouplingNetwork)
        last = nn.Conv2d(network.conv_out.in_channels, network.conv_out.out_channels, 3, padding=1)
        last.weight, last.bias = network.conv_out.weight, network.bias_out
        logs = network.log_scale.detach()[:, None, None]
        first, middle = (
            self.layer("GlowConv2d", conv=conv, actnorm=self.actnorm(norm), do_actnorm=True)
            for conv, norm in ((network.conv_in, network.norm_in), (network.conv_mid, network.norm_mid))
        )
        zeros = self.layer("Conv2dZeros", conv=last, logs=logs, logscale_factor=3)
        return nn.Sequential(first, relu, middle, relu, zeros)

    def latent_nodes(self, flow: MultiScaleFlow, config: GlowConfig) -> list[Any]:
        """Return, for every scale, the node of the flow or half of it that is its latent."""
        nodes, before = [], None
        for i, scale in enumerate(flow.scales):
            module = self.flow(scale, _feature_shape(config, i) if config.architecture == "dense" else None)
            node = self.node(before, module)
            if i < config.scales - 1:
                chunk = self.node([node], self.layer("ChunkChans", n_parts=2))
                first, second = (self.node([chunk], kind="SelectNode", index=j) for j in (0, 1))
                chunk.next = [first, second]
                node, before = first, [second]
            nodes.append(node)
        return nodes

    def glow(self, flow: MultiScaleFlow, config: GlowConfig) -> Any:
        ends = []
        for scale, node in zip(flow.scales, self.latent_nodes(flow, config), strict=True):
            assert isinstance(scale.prior, ElementwiseNormal)
            norm, normal = self.latent(scale.prior.loc, scale.prior.log_scale)
            ends.append(self.node([self.node([node], norm)], normal))
        root = self.node(ends, kind="CatAsListNode")
        for end in ends:
            end.next = [root]
        return root

    def local(self, flow: MultiScaleFlow, config: GlowConfig) -> Any:
        (scale,) = flow.scales
        assert isinstance(scale.prior, PatchNormal)
        norm, normal = self.latent(scale.prior.patch.loc, scale.prior.patch.log_scale)
        model = self.sequence(self.flow(scale), norm, normal)
        return self.layer("WrapForPatches", model=model, patch_size=config.patch_size)

    def class_conditional(self, flow: MultiScaleFlow, config: GlowConfig) -> Any:
        """The body's ActNorms shift and scale too, by which those of the classes are corrected."""
        sizes = [scale.prior.latent_shape for scale in flow.scales]
        counts = [torch.Size(size).numel() for size in sizes]
        own = [(torch.full((n,), 0.2), torch.full((n,), -0.1)) for n in counts]
        norms = [self.sequence(self.layer("Flatten2d"), self.affine(*affine, eps=1e-8)) for affine in own]
        nodes = zip(self.latent_nodes(flow, config), norms, strict=True)
        body = self.node([self.node([node], norm) for node, norm in nodes], kind="CatChansNode")
        classes = [self.one_class(flow, y, own, counts) for y in range(config.classes)]
        order = list(reversed(range(config.classes)))
        mixture = self.layer(
            "InvertibleClassConditional",
            module_list=nn.ModuleList([classes[y] for y in order]),
            i_classes=order,
        )
        return self.sequence(body, self.layer("MergeLogDets", module=mixture))

    def one_class(
        self, flow: MultiScaleFlow, y: int, own: list[tuple[Tensor, Tensor]], counts: list[int]
    ) -> Any:
        indices = tuple(accumulate(counts))[:-1]
        chunk, ends = self.node(None, self.layer("ChunkByIndices", indices=indices)), []
        for i, (scale, (loc, log_scale)) in enumerate(zip(flow.scales, own, strict=True)):
            assert isinstance(scale.prior, ClassNormals)
            # exp(b) (exp(a) (x + u) + v) is exp(a + b) (x + u + exp(-a) v).
            rest = scale.prior.log_scale[y].flatten() - log_scale
            shift = (scale.prior.loc[y].flatten() - loc) * log_scale.exp()
            norm, normal = self.latent(shift, rest, seed=y)
            select = self.node([chunk], kind="SelectNode", index=i)
            ends.append(self.node([self.node([select], norm)], normal))
        joined = self.node(ends, kind="CatAsListNode")
        return self.node([joined], self.layer("CatChans", n_chans=tuple(counts)))


def published_tree(build: Published, flow: MultiScaleFlow, config: GlowConfig) -> Any:
    """Return the objects that the first paper would have pickled for a model."""
    if config.architecture == "local":
        return build.local(flow, config)
    return build.class_conditional(flow, config) if config.classes else build.glow(flow, config)


@contextmanager
def published_classes() -> Iterator[Published]:
    """Let the classes of the first paper's package exist, for as long as something is pickled."""
    before = dict(sys.modules)
    classes: dict[str, type] = {}
    for package, table in (("invertible", LAYERS), ("invertible", OBJECTS), ("models", MODELS)):
        base = object if table is OBJECTS else nn.Module
        for module, names in table.items():
            path = f"invglow.{package}.{module}"
            sys.modules[path] = ModuleType(path)
            for name in names:
                kind = type(name, (base,), {"__module__": path, "__qualname__": name})
                setattr(sys.modules[path], name, kind)
                classes["GlowConv2d" if (module, name) == ("glow", "Conv2d") else name] = kind
    try:
        yield Published(classes)
    finally:
        for name in set(sys.modules) - set(before):
            if name.startswith(("invglow.invertible.", "invglow.models.")):
                del sys.modules[name]


def save_model(
    path: Path,
    flow: MultiScaleFlow,
    config: GlowConfig,
    *,
    as_zip: bool = True,
    change: Any = None,
) -> Path:
    """Write a model as the first paper did; `change` may spoil the objects before.

    Args:
        path: of the file.
        flow: the model.
        config: its settings.
        as_zip: in torch's format of today, or else in that of 2020.
        change: called with the objects.
    """
    with published_classes() as build, torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Couldn't retrieve source code")  # of classes that no file defines
        tree = published_tree(build, flow, config)
        if change is not None:
            change(tree)
        torch.save(tree, path, _use_new_zipfile_serialization=as_zip)
    return path


def _feature_shape(config: GlowConfig, scale: int) -> tuple[int, int, int]:
    channels, height, width = config.image_shape
    return 4 * channels * 2**scale, height // 2 ** (scale + 1), width // 2 ** (scale + 1)
