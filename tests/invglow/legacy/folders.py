"""Writes models of ours the way the second paper published its own: a state dict and settings beside it."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from invglow.flows import ConditionalNormal, ElementwiseNormal, GlowConfig, MultiScaleFlow
from invglow.transforms import ActNorm, CouplingNetwork, FlowStep, LUConv1x1, PlainConv1x1

__all__ = ["save_folder"]


def save_folder(
    folder: Path, flow: MultiScaleFlow, config: GlowConfig, *, learn_top: bool = True, as_zip: bool = True
) -> Path:
    """Write a model as the second paper did: a state dict, and settings beside it."""
    folder.mkdir(parents=True)
    state = _published_state(flow, learn_top=learn_top)
    content = {
        "model": state,
        "optimizer": {"state": {}, "param_groups": [{"lr": 5e-4, "betas": (0.9, 0.999)}]},
    }
    torch.save(content, folder / "glow_checkpoint_10.pt", _use_new_zipfile_serialization=as_zip)
    settings = {
        "dataset": "cifar10",
        "hidden_channels": config.hidden_channels,
        "K": config.steps_per_scale,
        "L": config.scales,
        "actnorm_scale": 1.0,
        "flow_permutation": "invconv",
        "flow_coupling": config.coupling,
        "LU_decomposed": config.mixing == "lu",
        "learn_top": learn_top,
        "y_condition": False,
    }
    (folder / "hparams.json").write_text(json.dumps(settings))
    return folder


@torch.no_grad()
def _published_state(flow: MultiScaleFlow, *, learn_top: bool) -> dict[str, Tensor]:
    """Return the tensors of a model by their names in the second paper's files."""
    top = flow.scales[-1].prior
    assert isinstance(top, ElementwiseNormal)
    mean, log_std = -top.loc, -top.log_scale
    state = {"prior_h": torch.cat([mean, log_std])[None]}
    if learn_top:
        # A convolution that hands on what it reads, times a half and shifted, of twice what is wanted.
        channels = 2 * len(mean)
        weight = torch.zeros(channels, channels, 3, 3)
        weight[range(channels), range(channels), 1, 1] = 0.5
        logs = torch.linspace(-0.1, 0.1, channels)[:, None, None]
        bias = torch.linspace(-0.3, 0.3, channels)
        wanted = state["prior_h"] / (3 * logs).exp()
        state["prior_h"] = 2 * (wanted - bias[:, None, None])
        state |= {
            "learn_top_fn.conv.weight": weight,
            "learn_top_fn.conv.bias": bias,
            "learn_top_fn.logs": logs,
        }
    layer = 0
    for scale in flow.scales:
        for step in scale.steps:
            layer += 1
            state |= {f"flow.layers.{layer}.{name}": t.clone() for name, t in _step_state(step).items()}
        layer += 1
        if isinstance(scale.prior, ConditionalNormal):
            prior = {
                "conv.conv.weight": scale.prior.conv.weight,
                "conv.conv.bias": scale.prior.bias,
                "conv.logs": scale.prior.log_scale[:, None, None],
            }
            state |= {f"flow.layers.{layer}.{name}": t.clone() for name, t in prior.items()}
        layer += 1
    return state


def _step_state(step: FlowStep) -> dict[str, Tensor]:
    mixing, network = step.mixing, step.coupling.network
    assert isinstance(network, CouplingNetwork)
    state = {
        **_actnorm_state("actnorm", step.actnorm),
        "block.0.conv.weight": network.conv_in.weight,
        **_actnorm_state("block.0.actnorm", network.norm_in),
        "block.2.conv.weight": network.conv_mid.weight,
        **_actnorm_state("block.2.actnorm", network.norm_mid),
        "block.4.conv.weight": network.conv_out.weight,
        "block.4.conv.bias": network.bias_out,
        "block.4.logs": network.log_scale[:, None, None],
    }
    if isinstance(mixing, PlainConv1x1):
        return {**state, "invconv.weight": mixing.weight}
    assert isinstance(mixing, LUConv1x1)
    tensors = {
        "p": mixing.permutation,
        "sign_s": mixing.sign,
        "lower": mixing.lower,
        "upper": mixing.upper,
        "log_s": mixing.log_diagonal,
        "l_mask": torch.ones_like(mixing.lower).tril(-1),
    }
    return state | {f"invconv.{name}": tensor for name, tensor in tensors.items()}


def _actnorm_state(name: str, norm: ActNorm) -> dict[str, Tensor]:
    return {
        f"{name}.bias": norm.loc[None, :, None, None],
        f"{name}.logs": norm.log_scale[None, :, None, None],
    }
