"""From plain data to settings: whatever does not fit is refused by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import pytest

from invglow.flows import GlowConfig
from invglow.settings import settings_from


@dataclass(frozen=True)
class Settings:
    """One field of each kind that settings have."""

    shape: tuple[int, int]
    rate: float = 0.5
    name: str = "a"
    many: tuple[int, ...] = ()
    limit: int | None = None
    on: bool = False
    mode: Literal["up", "down"] = "up"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        if self.rate < 0:
            raise ValueError("rate must not be negative.")


@pytest.mark.parametrize(
    "data",
    [
        {"shape": [1, 2]},
        {"shape": (1, 2), "rate": 1, "name": "b", "many": [1, 2, 3], "limit": 7, "on": True, "mode": "down"},
        {"shape": [1, 2], "limit": None},
    ],
)
def test_settings_come_back(data: dict[str, Any]) -> None:
    found = asdict(settings_from(Settings, data))
    assert found == asdict(Settings(**data))
    assert found["shape"] == (1, 2)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "The setting 'shape' is missing"),
        ({"shape": [1, 2], "nmae": "b"}, r"Unknown setting 'nmae'; known are shape, rate, name"),
        ({"shape": 3}, r"'shape' must be tuple\[int, int\], got 3"),
        ({"shape": [1]}, "'shape' must be"),
        ({"shape": [1, "2"]}, "'shape' must be"),
        ({"shape": [1, 2.0]}, "'shape' must be"),
        ({"shape": [1, 2], "rate": "fast"}, "'rate' must be float, got 'fast'"),
        ({"shape": [1, 2], "rate": True}, "'rate' must be float, got True"),
        ({"shape": [1, 2], "rate": -1}, "rate must not be negative"),
        ({"shape": [1, 2], "name": None}, "'name' must be str, got None"),
        ({"shape": [1, 2], "many": [1, None]}, "'many' must be"),
        ({"shape": [1, 2], "limit": "7"}, r"'limit' must be int \| None, got '7'"),
        ({"shape": [1, 2], "limit": True}, "'limit' must be"),
        ({"shape": [1, 2], "on": 1}, "'on' must be bool, got 1"),
        ({"shape": [1, 2], "mode": "left"}, "'mode' must be .*'up', 'down'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        settings_from(Settings, data)


def test_a_glow_comes_back_from_its_own_data() -> None:
    config = GlowConfig((1, 8, 8), scales=2, steps_per_scale=1, hidden_channels=4)
    assert settings_from(GlowConfig, config.to_json()) == config
