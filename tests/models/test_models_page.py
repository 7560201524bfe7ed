"""The program of docs/models.md runs, and the page names every family and every setting."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from models.registry import FAMILIES, family

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_model_on_the_page_can_be_used() -> None:
    names: dict[str, Any] = {"__name__": "page"}
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(program, names)  # noqa: S102 - our own page
    assert names["problems"] == []
    model, x = names["model"], names["x"]
    torch.testing.assert_close(names["likelihoods"]["log_prob"], model.log_prob(x).detach().double())
    # The gradient of the mean is the standardised image over the standard deviation, summed over the group.
    std = model.log_std.exp().detach()
    expected = (x / std**2).unflatten(0, (3, 2)).sum(dim=1).square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(names["norms"]["mean"], expected, check_dtype=False, rtol=1e-4, atol=0)
    assert names["norms"].keys() == {"mean", "log_std"}


def test_the_page_names_every_setting() -> None:
    for name in set(FAMILIES) - {"glow"}:
        (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
        given = set(re.findall(r"`(\w+)`", row.split("|")[3]))
        assert given == {field.name for field in fields(family(name).CONFIG)} - {"image_shape"}
