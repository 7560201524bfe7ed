"""A Glow as a paper would write it: every operation on its own, channels first in memory. To compare with."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invglow.flows import FlowScale, MultiScaleFlow
from invglow.transforms import ActNorm, AffineCoupling, CouplingNetwork, FlowStep, LUConv1x1

__all__ = ["PlainGlow"]


class PlainGlow(nn.Module):
    """The function of a Glow with affine couplings and LU mixing, computed step by step.

    It copies the parameters of `flow`, so that both must give equal outputs; nothing is folded, nothing
    is kept channels-last. It knows how to compute log p(x) and no more.

    Args:
        flow: a flow of `invglow.flows.build_glow` with coupling "affine" and mixing "lu".

    Raises:
        ValueError: if the flow has another coupling or mixing.
    """

    def __init__(self, flow: MultiScaleFlow) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_PlainScale(scale) for scale in flow.scales)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) of images (B, C, H, W): shape (B,), in nats."""
        total = x.new_zeros(x.shape[0])
        for i, module in enumerate(self.scales):
            scale = cast(_PlainScale, module)
            x, log_det = scale(x)
            is_last = i == len(self.scales) - 1
            latent, x = (x, x) if is_last else x.chunk(2, dim=1)
            total = total + log_det + scale.log_prior(latent)
        return total


class _PlainScale(nn.Module):
    def __init__(self, scale: FlowScale) -> None:
        super().__init__()
        prior = scale.prior
        self.steps = nn.ModuleList(_PlainStep(step) for step in scale.steps)
        self.loc, self.log_scale = _copy(prior.loc), _copy(prior.log_scale)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.pixel_unshuffle(x, 2)
        total = x.new_zeros(x.shape[0])
        for step in self.steps:
            x, log_det = step(x)
            total = total + log_det
        return x, total

    def log_prior(self, latent: Tensor) -> Tensor:
        standard = (latent + self.loc) * torch.exp(self.log_scale)
        density = self.log_scale - 0.5 * standard**2 - 0.5 * math.log(2 * math.pi)
        return density.sum(dim=(1, 2, 3))


class _PlainStep(nn.Module):
    def __init__(self, step: FlowStep) -> None:
        super().__init__()
        mixing, coupling, network = step.mixing, step.coupling, step.coupling.network
        if not (
            isinstance(mixing, LUConv1x1)
            and isinstance(coupling, AffineCoupling)
            and isinstance(network, CouplingNetwork)
        ):
            raise ValueError(
                "The plain Glow knows LU mixing and affine couplings only, "
                f"got {type(mixing).__name__} and {type(coupling).__name__}."
            )
        self.norm = _PlainActNorm(step.actnorm)
        self.mixing = _PlainMixing(mixing)
        self.network = _PlainNetwork(network)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x, log_det_norm = self.norm(x)
        x, log_det_mixing = self.mixing(x)
        first, second = x.chunk(2, dim=1)
        output = self.network(first)
        shift, scale = output[:, 0::2], torch.sigmoid(output[:, 1::2] + 2)
        log_det = torch.log(scale).sum(dim=(1, 2, 3)) + log_det_norm + log_det_mixing
        return torch.cat([first, (second + shift) * scale], dim=1), log_det


class _PlainActNorm(nn.Module):
    def __init__(self, norm: ActNorm) -> None:
        super().__init__()
        self.loc, self.log_scale = _copy(norm.loc), _copy(norm.log_scale)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = (x + self.loc[None, :, None, None]) * torch.exp(self.log_scale)[None, :, None, None]
        return z, x.shape[2] * x.shape[3] * self.log_scale.sum()


class _PlainMixing(nn.Module):
    permutation: Tensor
    sign: Tensor

    def __init__(self, mixing: LUConv1x1) -> None:
        super().__init__()
        self.register_buffer("permutation", mixing.permutation.clone())
        self.register_buffer("sign", mixing.sign.clone())
        self.lower, self.upper = _copy(mixing.lower), _copy(mixing.upper)
        self.log_diagonal = _copy(mixing.log_diagonal)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        lower = torch.tril(self.lower, -1) + torch.eye(len(self.sign))
        upper = torch.triu(self.upper, 1) + torch.diag(self.sign * torch.exp(self.log_diagonal))
        weight = self.permutation @ lower @ upper
        return F.conv2d(x, weight[:, :, None, None]), x.shape[2] * x.shape[3] * self.log_diagonal.sum()


class _PlainNetwork(nn.Module):
    def __init__(self, network: CouplingNetwork) -> None:
        super().__init__()
        self.weights = nn.ParameterList(
            _copy(conv.weight) for conv in (network.conv_in, network.conv_mid, network.conv_out)
        )
        self.norms = nn.ModuleList(_PlainActNorm(norm) for norm in (network.norm_in, network.norm_mid))
        self.bias_out, self.log_scale = _copy(network.bias_out), _copy(network.log_scale)

    def forward(self, x: Tensor) -> Tensor:
        for weight, norm in zip(self.weights, self.norms, strict=False):
            x = F.relu(norm(F.conv2d(x, weight, padding=weight.shape[-1] // 2))[0])
        x = F.conv2d(x, self.weights[-1], padding=1) + self.bias_out[None, :, None, None]
        return x * torch.exp(3 * self.log_scale)[None, :, None, None]


def _copy(parameter: Tensor) -> nn.Parameter:
    return nn.Parameter(parameter.detach().clone(memory_format=torch.contiguous_format))
