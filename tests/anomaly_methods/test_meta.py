"""The provenance of statistics: typed, JSON-able, comparable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anomaly_methods.meta import JOB_FIELDS, MODEL_FIELDS, StatisticsMeta, differences
from tests.anomaly_methods.examples import make_meta


def test_survives_json() -> None:
    general = make_meta(model="runs/general", bound="elbo")
    meta = make_meta(details={"numel": [3, 4]}, settings={"damping": 0.1}, sources={"general": general})
    assert StatisticsMeta.from_json(json.loads(json.dumps(meta.to_json()))) == meta


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", 3),
        ("bound", "upper"),
        ("group_size", 0),
        ("seed", -1),
        ("noise_draws", 1.5),
        ("dropped", True),
        ("image_shape", (8, 8)),
        ("image_shape", (3, 8, "8")),
        ("settings", None),
        ("seconds", -1.0),
        ("seconds", float("nan")),
        ("seconds", True),
    ],
)
def test_refuses_wrong_types(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        make_meta(**{field: value})


def test_refuses_misspelled_and_missing_entries() -> None:
    entries = make_meta().to_json()
    entries["groupsize"] = entries.pop("group_size")
    with pytest.raises(ValueError, match="group_size, groupsize"):
        StatisticsMeta.from_json(entries)


def test_files_from_before_times_were_taken_can_be_read() -> None:
    entries = make_meta(seconds=3.5).to_json()
    assert StatisticsMeta.from_json(entries).seconds == 3.5
    del entries["seconds"]
    assert StatisticsMeta.from_json(entries).seconds is None


def test_files_from_before_evaluations_were_named_can_be_read() -> None:
    entries = make_meta(evaluation="3 codes").to_json()
    assert StatisticsMeta.from_json(entries).evaluation == "3 codes"
    del entries["evaluation"]
    assert StatisticsMeta.from_json(entries) == make_meta()


def test_evaluations_of_joined_statistics_are_all_named() -> None:
    one, other = make_meta(evaluation="3 codes"), make_meta(evaluation="timestep 5")
    assert one.evaluations == "3 codes"
    assert make_meta(sources={"specific": one, "general": other}).evaluations == "3 codes / timestep 5"
    assert make_meta(sources={"specific": one, "gradients": one, "png": make_meta()}).evaluations == "3 codes"


def test_differences_name_both_values() -> None:
    one, other = make_meta(), make_meta(group_size=5, split="train", model="elsewhere")
    assert differences(one, other, MODEL_FIELDS) == {"group_size": (1, 5)}
    assert differences(one, other, JOB_FIELDS) == {"group_size": (1, 5), "split": ("test", "train")}


def test_bounds_of_joined_statistics_are_all_named() -> None:
    exact, elbo = make_meta(), make_meta(bound="elbo")
    assert exact.bounds == "exact"
    assert make_meta(sources={"specific": exact, "general": elbo}).bounds == "elbo/exact"
    assert make_meta(sources={"specific": exact, "general": exact}).bounds == "exact"
