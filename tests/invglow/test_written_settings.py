"""Settings as people write them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from invglow.written_settings import read_settings


@dataclass
class Settings:
    size: tuple[int, ...] = (1,)
    count: int = 1
    rate: float = 0.5
    flag: bool = False
    name: str = "a"
    fixed: int = 0


def test_values_are_read_by_type() -> None:
    texts = ["size=8,16", "count=3", "rate=1e-3", "flag=true", "name=b=c"]
    found = read_settings(Settings, texts, fixed=["fixed"])
    assert found == {"size": (8, 16), "count": 3, "rate": 1e-3, "flag": True, "name": "b=c"}
    assert read_settings(Settings, ["flag=False", "size=4"]) == {"flag": False, "size": (4,)}
    assert read_settings(Settings, []) == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("count", "A setting is written NAME=VALUE, got 'count'; known are size, count, rate, flag, name."),
        ("depth=3", "Unknown setting 'depth'; known are size, count, rate, flag, name."),
        ("fixed=3", "Unknown setting 'fixed'; known are size, count, rate, flag, name."),
        ("count=1.5", "The setting 'count' must be of type int, got '1.5'."),
        ("rate=fast", "The setting 'rate' must be of type float, got 'fast'."),
        ("flag=maybe", "The setting 'flag' must be true or false, got 'maybe'."),
        ("size=8,", "The setting 'size' must be of type int, several with commas between, got '8,'."),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="setting") as error:
        read_settings(Settings, [text], fixed=["fixed"])
    assert str(error.value) == sentence


def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'count' was given twice"):
        read_settings(Settings, ["count=1", "count=2"])
