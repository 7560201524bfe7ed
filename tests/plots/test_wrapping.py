"""Text is broken by the room that it takes, between words where it can be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from plots.style import style
from plots.wrapping import wrapped


def inches(line: str, size: float) -> float:
    """Return how wide matplotlib draws a line."""
    with style():
        figure = Figure(dpi=200)
        text = figure.text(0, 0, line, fontsize=size)
        return float(text.get_window_extent().width) / figure.dpi


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Raw likelihood, model: cifar10", ["Raw likelihood, model: cifar10"]),
        ("", [""]),
        ("one\n\nmore", ["one", "", "more"]),
        (
            "model: photographs-2 (log p: elbo), group size 15",
            ["model: photographs-2 (log p: elbo),", "group size 15"],
        ),
        (
            "Likelihood ratio, models: fashion-mnist, fashion-mnist/general",
            ["Likelihood ratio, models: fashion-mnist,", "fashion-mnist/general"],
        ),
        (
            "model: photographs_of_the_second_campaign-cropped_and_resized (out)",
            ["model:", "photographs_of_the_second_campaign-", "cropped_and_resized (out)"],
        ),
        (
            "flow.scales.2.steps.4.coupling.network.log_scale",
            ["flow.scales.2.steps.4.coupling.network.", "log_scale"],
        ),
        (
            "runs/with_learning_rate_and_so_on-lr-0.0001234567",
            ["runs/with_learning_rate_and_so_on-lr-", "0.0001234567"],
        ),
        ("x" * 50, ["x" * 39, "x" * 11]),
        ("a" + "-" + "x" * 50, ["a-" + "x" * 37, "x" * 13]),
    ],
)
def test_lines_are_broken_between_words_and_only_then_inside_them(text: str, lines: list[str]) -> None:
    assert wrapped(text).split("\n") == lines


def test_nothing_is_broken_in_an_equation_or_at_a_no_break_space() -> None:
    assert wrapped("svhn test (out), n = 2,000", 1.25).split("\n") == [
        "svhn test (out),",
        "n = 2,000",
    ]
    assert wrapped("AUROC svhn\N{NO-BREAK SPACE}0.123", 0.8) == "AUROC\nsvhn 0.123"


@given(
    st.lists(st.text("abcWMi/_-.019", min_size=1, max_size=70), min_size=1, max_size=4),
    st.sampled_from([0.8, 1.7, 2.6]),
    st.sampled_from([5.0, 6.5, 8.0]),
)
def test_lines_fit_and_all_letters_are_there(words: list[str], width: float, size: float) -> None:
    lines = wrapped(" ".join(words), width, size).split("\n")
    assert "".join(lines).replace(" ", "") == "".join(words)
    assert all(inches(line, size) < 1.04 * width for line in lines)  # letters are set on whole pixels
    both = [f"{one} {other}" for one, other in pairwise(lines)]
    assert all(inches(line, size) > 0.4 * width for line in both)  # no line for nothing


def test_a_width_that_not_even_a_letter_has_ends_all_the_same() -> None:
    assert wrapped("abc", 0.01) == "a\nb\nc"
