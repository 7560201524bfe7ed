"""Which side a convolution pads by one more, rows scaled in channel groups, and tables with a padding row."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from anomaly_methods.extractors.gradient_norms.engine import covered_squared_norms
from tests.anomaly_methods.extractors.gradient_models import NetModel, images, randomized
from tests.anomaly_methods.extractors.gradient_norms.test_against_reference import assert_exact


def assert_covered_and_exact(net: nn.Module, x: Tensor) -> None:
    model = NetModel(randomized(net))
    assert covered_squared_norms(model.double(), x, 2)[1] == {}
    assert_exact(model, x, 2)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # torch says that it copies
@pytest.mark.parametrize("channels", [(2, 9), (9, 2)])  # windows are gathered on the side of fewer
@pytest.mark.parametrize("kernel", [(2, 4), (4, 1)])
def test_even_kernels_of_the_same_size_reach_further_to_the_right(
    channels: tuple[int, int], kernel: tuple[int, int]
) -> None:
    net = nn.Conv2d(*channels, kernel, padding="same")
    assert_covered_and_exact(net, images(4, (channels[0], 7, 6)))


@pytest.mark.parametrize("parts", [1, 2])
def test_a_factor_for_each_row_of_a_convolution_in_channel_groups(parts: int) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(6, 4 // parts, 3, 3))
            self.log_scale = nn.Parameter(torch.zeros(6))

        def forward(self, x: Tensor) -> Tensor:
            weight = self.weight * self.log_scale.exp().view(-1, 1, 1, 1)
            return F.conv2d(x, weight, padding=1, groups=parts)

    assert_covered_and_exact(Scaled(), images(4, (4, 5, 5)))


@pytest.mark.parametrize("padding", [0, 3, -1, None])
def test_the_padding_row_of_a_table_has_no_gradient_counted_from_either_end(padding: int | None) -> None:
    class Levels(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.zeros(5, 3))

        def forward(self, x: Tensor) -> Tensor:
            levels = (x[:, 0].detach() * 5 + 2.5).long().clamp(0, 4)
            return F.embedding(levels, self.table, padding_idx=padding).sin()

    assert_covered_and_exact(Levels(), images(4, (1, 4, 4)))
