"""Names of evaluations: other sets and other options make other names, and all of them are names."""

from __future__ import annotations

import itertools

import pytest

import main
from commands.naming import evaluation_name

SETS = ("--in-distribution", "cifar10", "--out-of-distribution", "svhn")
OPTIONS = (
    ("--split", "train"),
    ("--limit", "500"),
    ("--grey",),
    ("--noise-draws", "2"),
    ("--seed", "3"),
    ("--group-size", "5"),
    ("--fisher-from", "samples"),
    ("--fisher-images", "20"),
    ("--fisher-damping", "0.1"),
    ("--iwae", "8"),
    ("--timestep", "16"),
    ("--evaluation-setting", "terms=0"),
    ("--method", "typicality"),
    ("--method", "typicality", "raw_likelihood"),
    ("--general", "runs/other"),
    ("--general", "elsewhere/other"),
)


def name(*arguments: str) -> str:
    given = main._parser().parse_args(["evaluate", "--run", "x", *arguments])
    return evaluation_name(given)


def test_a_name_says_what_it_is_of() -> None:
    assert name(*SETS) == "evaluation-cifar10-svhn"
    assert name(*SETS, "lsun", "--group-size", "5") == "evaluation-cifar10-svhn-lsun-groups5"
    assert (
        name(*SETS, "--method", "typicality", "last_scale") == "evaluation-cifar10-svhn-typicality+last_scale"
    )


def test_other_sets_and_options_make_other_names() -> None:
    turned = ("--in-distribution", "svhn", "--out-of-distribution", "cifar10")
    names = [name(*SETS), name(*turned), name(*SETS, "cifar100"), *(name(*SETS, *more) for more in OPTIONS)]
    names += [name(*SETS, *one, *two) for one, two in itertools.combinations(OPTIONS[:13], 2)]
    assert len(set(names)) == len(names)


def test_what_changes_no_number_changes_no_name() -> None:
    for more in (("--batch-size", "7"), ("--recompute",), ("--device", "cpu"), ("--nonfinite", "anomalous")):
        assert name(*SETS, *more) == name(*SETS)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_long_names_are_cut_and_still_differ(count: int) -> None:
    sets = [f"array:/data/some/where/very/far/away/{'deep/' * 20}{i}" for i in range(count)]
    found = [name("--in-distribution", first, "--out-of-distribution", *sets) for first in ("a", "b")]
    found += [name("--in-distribution", "a", "--out-of-distribution", *sets[:-1], "other")]
    assert len(set(found)) == 3
    assert max(map(len, found)) < 200
    assert not any("/" in text for text in found)
