"""The file of an estimate: whole or not at all, verified, and never taken for another model's."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from anomaly_methods.extractors.fisher.estimate import stored_fisher
from anomaly_methods.extractors.fisher.meta import FisherMeta
from tests.anomaly_methods.extractors.fisher.examples import GaussianMean, estimated, make_fisher_meta
from tests.anomaly_methods.extractors.gradient_models import images
from tests.invglow.data.examples import Trap

MODEL = GaussianMean()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the file of an estimate from nine images."""
    estimated(MODEL, images(9, (1, 2, 3)), "kronecker", tmp_path)
    return tmp_path / "kronecker.safetensors"


def header(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()["invglow"])
    return found


def test_it_comes_back_as_it_was(path: Path) -> None:
    fisher = stored_fisher(path, make_fisher_meta("kronecker", 9), MODEL)
    assert fisher is not None
    gradients = images(9, (1, 2, 3)).flatten(1)
    torch.testing.assert_close(fisher.moments["mean"][0], gradients.T @ gradients / 9)
    assert (fisher.meta.dataset, fisher.meta.source, fisher.images) == ("cats", "data", {"mean": 9})
    assert fisher.sha256 == header(path)["sha256"]
    assert load_file(path)["mean/0"].shape == (6, 6)


def test_a_part_that_a_kill_left_is_removed(path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(b"")
    assert stored_fisher(path, make_fisher_meta("kronecker", 9), MODEL) is not None
    assert not part.exists()


def test_there_may_be_none(tmp_path: Path) -> None:
    assert stored_fisher(tmp_path / "none", make_fisher_meta("diagonal", 9), MODEL) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint_sha256", "b" * 64),
        ("source", "samples"),
        ("dataset_sha256", "2" * 64),
        ("images", 8),
        ("seed", 1),
        ("estimator_version", 2),
        ("evaluation", {"samples": 8}),
        ("settings", {"model_noise": "by index"}),
    ],
)
def test_another_estimate_is_refused_with_both_values(path: Path, field: str, value: Any) -> None:
    with pytest.raises(ValueError, match="another Fisher information than asked for") as caught:
        stored_fisher(path, make_fisher_meta("kronecker", **{"images": 9, field: value}), MODEL)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert f"{field} is {header(path)['meta'][field]!r}" in sentence
    assert repr(value) in sentence


def test_another_name_or_version_of_a_library_does_not_matter(path: Path) -> None:
    meta = make_fisher_meta("kronecker", 9, model="other", dataset="dogs", versions={"torch": "9"})
    assert stored_fisher(path, meta, MODEL) is not None


def test_every_changed_byte_of_the_moments_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    for place in range(len(content) - 6 * 6 * 8, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(ValueError, match=r"truncated or damaged \(its checksum does not fit\)"):
            stored_fisher(path, make_fisher_meta("kronecker", 9), MODEL)


@pytest.mark.parametrize("length", [0, 5, 300, -1])
def test_a_truncated_file_is_refused_by_name(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=rf"{path} is truncated or damaged .*--recompute"):
        stored_fisher(path, make_fisher_meta("kronecker", 9), MODEL)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format_version": 2}, "has format 2, newer than 1"),
        ({"format": "part of a Fisher information"}, "holds 'part of a Fisher information', but"),
        ({"meta": {}}, "truncated or damaged"),
        ({"images": {}}, "truncated or damaged"),
    ],
)
def test_headers_that_do_not_fit_are_refused(path: Path, change: dict[str, Any], sentence: str) -> None:
    tensors, entries = load_file(path), {**header(path), **change}
    save_file(tensors, path, {"invglow": json.dumps(entries)})
    with pytest.raises(ValueError, match=sentence):
        stored_fisher(path, make_fisher_meta("kronecker", 9), MODEL)


def test_other_files_are_refused(path: Path, tmp_path: Path) -> None:
    meta = make_fisher_meta("kronecker", 9)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"not a Fisher information of this library \(no header\)"):
        stored_fisher(path, meta, MODEL)
    path.write_bytes(pickle.dumps(Trap(tmp_path / "executed")))
    with pytest.raises(ValueError, match="truncated or damaged"):
        stored_fisher(path, meta, MODEL)
    assert not (tmp_path / "executed").exists()


def test_a_model_of_other_tensors_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match=r"moments of 'mean' have shapes \(\(6, 6\),\) instead"):
        stored_fisher(path, make_fisher_meta("kronecker", 9), GaussianMean((1, 2, 2)))


def test_files_from_before_evaluations_were_named_can_be_read() -> None:
    entries = make_fisher_meta("diagonal", 9).to_json()
    del entries["evaluation"], entries["settings"]
    assert FisherMeta.from_json(entries) == make_fisher_meta("diagonal", 9)
