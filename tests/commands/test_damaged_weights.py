"""A run whose weights are NaN is refused in a sentence by whatever needs them, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from invglow.checkpoints import load_training_state, load_weights, newest_checkpoint, save_checkpoint
from tests.commands.calls import SHORT, Call, Hierarchy, files


@pytest.fixture
def damaged(copied: Hierarchy) -> Hierarchy:
    """Return a hierarchy whose specific model holds NaN, under checksums that say it is as it was written."""
    run = copied.specific
    checkpoint, weights = newest_checkpoint(run), load_weights(run)
    assert checkpoint is not None
    for name in weights:
        if name.endswith("loc"):
            weights[name].view(-1)[0] = torch.nan
    save_checkpoint(run, checkpoint.step, weights, load_training_state(checkpoint))
    return copied


@pytest.mark.parametrize(
    "command",
    [
        "statistics --run RUN --data IN",
        "statistics --run RUN --data IN --statistics gradients",
        "evaluate --run RUN --in-distribution IN --out-of-distribution OUT",
        "evaluate --run GENERAL --general RUN --in-distribution IN --out-of-distribution OUT",
        "detect --run RUN --images OUT --calibrate IN --output SCORES",
        "sample --run RUN --output SAMPLES",
        "train --base RUN --no-equal-training --run NEW --data IN",
        "train --continue RUN --run NEW --data IN",
        "train --run RUN --base GENERAL --data TRAINED_ON",
    ],
)
def test_it_is_refused_in_a_sentence(
    damaged: Hierarchy, hierarchy: Hierarchy, command: str, call: Call, tmp_path: Path
) -> None:
    own = {"RUN": damaged.specific, "GENERAL": damaged.general, "IN": damaged.inside, "OUT": damaged.outside}
    own |= {"TRAINED_ON": hierarchy.inside, "NEW": tmp_path / "new"}
    own |= {"SCORES": tmp_path / "scores.csv", "SAMPLES": tmp_path / "samples.png"}
    words = [str(own.get(word, word)) for word in command.split()]
    before = files(tmp_path)
    outcome = call(*words, *(SHORT if words[0] == "train" else ()))
    assert outcome.code == 2
    sentence = outcome.err.strip().splitlines()[-1]
    assert sentence.startswith(f"error: The weights in {damaged.specific}")
    assert "hold NaN or infinite values in " in sentence
    assert "nan" not in outcome.out.replace(str(tmp_path), "")
    assert set(files(tmp_path)) - set(before) <= statistics_of(damaged.general)


def statistics_of(run: Path) -> set[Path]:
    """Return the files of statistics that were computed with intact weights before."""
    return set((run / "statistics").rglob("*"))
