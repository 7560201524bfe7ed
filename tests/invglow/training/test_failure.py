"""What a model of somebody's own raises in training, evaluation and sampling: one sentence each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from invglow.checkpoints import newest_checkpoint
from invglow.training import Evaluation
from invglow.training.failure import said_of
from tests.invglow.training.toys import Gaussian, make_images, make_trainer

EVALUATION = Evaluation({"test": make_images(8)})


class Failing(Gaussian):
    """Raises a KeyError in one of its calls."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self.call = call

    def log_prob(self, x: Tensor) -> Tensor:
        found = super().log_prob(x)
        if self.call == ("log_prob" if self.training_steps == 4 else "evaluation"):
            raise KeyError(self.call)
        if self.call == "backward" and self.training_steps == 4:
            found.register_hook(self._fail)
        return found.detach() if self.call == "detached" else found

    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        if self.call == "sample":
            self._fail()
        return super().sample(n, generator, temperature)

    def _fail(self, *_: Tensor) -> None:
        raise KeyError(self.call)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            "log_prob",
            r"step 4 of training on images of shape \(5, 1, 4, 4\), torch.float32: KeyError: 'log_prob'",
        ),
        (
            "backward",
            r"step 4 of training on images of shape \(5, 1, 4, 4\), torch.float32: KeyError: 'backward'",
        ),
        ("detached", r"step 1 of training on .*: RuntimeError: element 0 of tensors does not require grad"),
        ("sample", r"sample\(16, generator\): KeyError: 'sample'"),
    ],
)
def test_the_sentence_names_the_call(tmp_path: Path, call: str, words: str) -> None:
    trainer = make_trainer(
        tmp_path, Failing(call), evaluation=EVALUATION, evaluate_every=6, checkpoint_every=3
    )
    with pytest.raises(ValueError, match=f"^Failing fails in {words}"):
        trainer.train()
    kept = newest_checkpoint(tmp_path)
    assert (kept.step if kept else None) == {"detached": None}.get(call, 3)


def test_an_evaluation_that_fails_is_named() -> None:
    model = Failing("evaluation").eval()
    with pytest.raises(
        ValueError, match=r"^Failing fails in log_prob on images of shape \(8, .*'evaluation'"
    ):
        EVALUATION(model, torch.device("cpu"))


def test_sentences_of_this_library_and_of_the_system_go_on_as_they_are() -> None:
    model = Gaussian()
    with pytest.raises(ValueError, match=r"^Evaluation needs a limit"), said_of(model, "log_prob"):
        Evaluation({}, limit=0)
    with pytest.raises(OSError, match="full"), said_of(model, "log_prob"):
        raise OSError("full")
    with (
        pytest.raises(ValueError, match=r"^Gaussian fails in log_prob: ValueError: mine\.$"),
        said_of(model, "log_prob"),
    ):
        raise ValueError("mine")
