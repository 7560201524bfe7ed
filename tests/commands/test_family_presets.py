"""`main.py preset` with families other than Glow: one command trains, evaluates and samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.experiments import EXPERIMENTS
from commands.family_experiments import FAMILY_EXPERIMENTS
from commands.preset_scales import SCALES
from commands.presets import preset_names
from invglow.checkpoints import read_config
from models.registry import family
from tests.commands.calls import Call, Hierarchy
from tests.commands.test_preset import commands_of, table

NAMES = [
    f"{kind}-{inside}"
    for kind in ("vae", "pixelcnn", "pixelcnn-plain", "diffusion")
    for inside in ("fashion-mnist", "cifar10")
    if (kind, inside) != ("pixelcnn-plain", "cifar10")  # the plain one takes grey images
]
TINIEST = ("--steps", "2", "--batch-size", "4", "--limit", "12")


def test_every_family_has_a_preset_for_both_sets() -> None:
    assert list(FAMILY_EXPERIMENTS) == NAMES
    assert preset_names() == [*EXPERIMENTS, *NAMES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", ["dev", "small"])
def test_commands_can_be_parsed_and_settings_are_those_of_the_family(name: str, scale: str) -> None:
    train, evaluate, sample = commands_of(name, scale)
    fields = family(train.model).CONFIG.__dataclass_fields__
    assert {setting.partition("=")[0] for setting in train.setting} <= set(fields)
    assert train.run == evaluate.run == sample.run == f"runs/{name}"
    assert sample.output == Path(f"runs/{name}/samples.png")
    assert evaluate.in_distribution == train.data


def test_fashion_mnist_means_ten_thousand_images_as_there_are_embedded() -> None:
    train, evaluate, _ = commands_of("vae-fashion-mnist", "dev")
    assert (train.data, train.limit, train.no_augmentation) == ("fashion-mnist", 10000, True)
    assert evaluate.out_of_distribution == ["mnist"]
    small, table_, _ = commands_of("vae-fashion-mnist", "small")
    assert (small.data, table_.out_of_distribution) == ("demo-fashion-mnist", ["demo-mnist"])
    assert small.steps == train.steps // 10


def test_own_sets_and_settings_are_handed_on() -> None:
    options = {"training": {"steps": "7"}, "both": {"seed": "3", "limit": "9"}}
    train, evaluate, sample = commands_of(
        "diffusion-cifar10", "dev", inside="array:c", outside=["x"], **options
    )
    assert (train.data, train.steps, train.limit) == ("array:c", 7, 9)
    assert (evaluate.in_distribution, evaluate.out_of_distribution, evaluate.limit) == ("array:c", ["x"], 9)
    assert {train.seed, evaluate.seed, sample.seed} == {3}


def test_one_command_trains_evaluates_and_samples(call: Call, hierarchy: Hierarchy, tmp_path: Path) -> None:
    sets = ("--data", hierarchy.inside, "--out", hierarchy.outside)
    outcome = call("preset", "vae-cifar10", "--folder", tmp_path, *sets, *TINIEST)
    assert outcome.code == 0, outcome.err
    run = tmp_path / "vae-cifar10"
    assert "[3/3] python main.py sample" in outcome.out
    assert read_config(run)["model"]["settings"]["latent_dimensions"] == 128
    assert {row["bound"] for row in table(run) if row["method"] == "raw_likelihood"} == {"elbo"}
    assert (run / "samples.png").stat().st_size > 0


def test_the_list_and_the_heading_say_what_it_is(call: Call) -> None:
    listed = call("preset", "--list").out
    assert all(f"\n  {name} " in listed for name in (*NAMES, *SCALES))
    assert call("preset", "pixelcnn-cifar10", "--dry-run").out.startswith(
        "PixelCNN++ on cifar10, from scratch (dev; Salimans et al., 2017):"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--scale", "paper"), "The preset vae-cifar10 has no scale 'paper': choose --scale dev"),
        (("--general", "tiny"), "The preset vae-cifar10 trains from scratch: leave --general out."),
        (("--hidden-channels", "8"), "--hidden-channels is for Glow, and vae-cifar10 is of another family"),
    ],
)
def test_bad_input_is_one_sentence(call: Call, arguments: tuple[str, ...], said: str) -> None:
    assert said in call("preset", "vae-cifar10", *arguments).refusal()
