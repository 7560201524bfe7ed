"""The notebooks run from the first cell to the last, and their kept results are tidy and what they claim."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

from docs.notebooks.execute import execute, main, tidy

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
TINY = {"STEPS": 3, "CHANNELS": 8}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for runs; data sets made by other tests are used again."""
    monkeypatch.setenv("INVGLOW_RUNS", str(tmp_path / "runs"))
    return tmp_path


def results(
    name: str, folder: Path, parameters: Mapping[str, Any], *, program: str = "", **expressions: str
) -> dict[str, Any]:
    """Execute a notebook, then a program, and return what expressions are in the end, as plain data."""
    listed = ", ".join(f"{key!r}: {expression}" for key, expression in expressions.items())
    answer_as_json = f"import json\nprint(json.dumps({{{listed}}}, default=lambda value: value.tolist()))"
    notebook = execute(FOLDER / f"{name}.ipynb", folder, parameters, f"{program}\n{answer_as_json}")
    answer = notebook.cells.pop()
    tidy(notebook)  # refuses warnings
    found: dict[str, Any] = json.loads(answer.outputs[0].text)
    return found


def test_folder_to_scores_on_pictures_that_it_makes(folder: Path) -> None:
    sizes = {"TRAIN": 80, "TEST": 60, "CLOTHES": 9, "DIGITS": 7}
    found = results(
        "folder_to_scores",
        folder,
        {**TINY, **sizes},
        sets="[len(one) for one in (training, held_out, new, photos)]",
        p_values="found.combined",
        flagged="flagged",
        groups="calibrated.groups",
    )
    assert found["sets"] == [80, 60, 16, 20_000]
    assert found["groups"] == 30
    work = folder / "runs" / "folder-to-scores"
    with (work / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pictures = {path.name for path in (work / "new").iterdir()}
    assert {row["path"] for row in rows} == pictures
    assert sorted(found["p_values"]) == [float(row["p_value"]) for row in rows]
    assert sum(found["flagged"]) == sum(row["flagged"] == "True" for row in rows)
    assert [value <= 0.05 for value in found["p_values"]] == found["flagged"]


def test_folder_to_scores_on_pictures_of_the_user(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for name, count in {"mine/train": 30, "mine/test": 40, "new": 5, "broad": 30}.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            colours = generator.integers(0, 256, (4, 5, 3), dtype=np.uint8)
            Image.fromarray(colours).resize((40, 50)).save(folder / name / f"{number}.jpg")
    places = {"MINE": "mine", "NEW": "new", "GENERAL": "folder:broad", "GREY": False}
    found = results("folder_to_scores", folder, {**TINY, **places}, shape="new.image_shape", order="order")
    assert found["shape"] == [3, 32, 32]
    assert sorted(found["order"]) == list(range(5))


def test_why_likelihood_fails(folder: Path) -> None:
    found = results(
        "why_likelihood_fails",
        folder,
        {**TINY, "IMAGES": 60},
        aurocs="aurocs",
        panels="[list(panel.aurocs().values()) for panel in (raw, ratio)]",
        bits="{row.variant: row.bits_per_dim for row in variants}",
        differences="[row.difference for row in shares if row.dataset == outside.name]",
        ranks="[*agreement.values(), with_png]",
    )
    aurocs = found["aurocs"]
    assert found["panels"] == [[aurocs["raw_likelihood"]], [aurocs["likelihood_ratio"]]]
    assert found["bits"]["constant"] < found["bits"]["original"] < found["bits"]["shuffled"]
    *scales, total = found["differences"]
    assert sum(scales) == pytest.approx(total)
    assert all(0 < rank <= 1 for rank in found["ranks"])


OWN_MODEL = """
from anomaly_methods.extractors.gradient_norms import reference_squared_norms
x = dequantize(inside.batch(range(2)))
slow = reference_squared_norms(model, x)
fast = norms["clothes (in)"]
gap = max(abs(fast.value(layer)[:2] / slow[layer].numpy() - 1).max() for layer in layers)
row, column = 3, 16
mean = lambda x: model.distribution(x).mean[0, 0, row, column]
pull = torch.autograd.functional.jacobian(mean, x[:1])[0, 0].flatten()
seen = pull.nonzero().flatten()
"""


def test_gradients_of_your_own_model(folder: Path) -> None:
    found = results(
        "gradients_of_your_own_model",
        folder,
        {**TINY, "IMAGES": 120},
        program=OWN_MODEL,
        problems="problems",
        mistakes="mistakes",
        gap="gap",
        seen="seen",
        place="row * 32 + column",
        largest="largest",
        raw="raw",
        methods="[row.method for row in rows]",
    )
    assert found["problems"] == []
    assert len(found["mistakes"]) == 1
    assert "scalar" in found["mistakes"][0]
    assert found["gap"] < 1e-3
    # The density is normalised since a pixel's distribution knows only of those before it.
    assert max(found["seen"]) == found["place"] - 1
    assert found["largest"] < 1e-6
    assert found["raw"]["pixels"] != found["raw"]["logits"]
    assert found["methods"] == 2 * ["raw_likelihood", "typicality", "gradients_L2_norms_gaussian"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_is_kept_is_tidy(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    again = nbformat.from_dict(notebook)
    tidy(again)
    assert again == notebook
    assert path.stat().st_size < 250_000
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(re.fullmatch("[a-z-]+", cell.id) for cell in notebook.cells)
    assert sum(bool(cell.outputs) for cell in code) >= 4, "execute it and keep the outputs"
    assert sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs) >= 1


def test_from_a_folder_to_scores_takes_ten_cells() -> None:
    notebook = nbformat.read(FOLDER / "folder_to_scores.ipynb", as_version=4)
    assert sum(cell.cell_type == "code" for cell in notebook.cells) == 10


def test_kept_results_are_what_the_text_says() -> None:
    failing = printed("why_likelihood_fails")
    aurocs = {name: float(value) for name, value in re.findall(r"^(\w+) +AUROC ([\d.]+)", failing, re.M)}
    assert aurocs["raw_likelihood"] < 0.25
    assert min(aurocs["likelihood_ratio"], aurocs["complexity_ratio"]) > 0.75
    own = printed("gradients_of_your_own_model")
    units = {unit: float(value) for unit, value in re.findall(r"images as (\w+): ([\d.]+)", own)}
    assert units["pixels"] < 0.5 < units["logits"]
    assert "Gradient norms are the same." in own
    flagged = re.findall(r"Flagged: (\d+) of (\d+) pictures", printed("folder_to_scores"))
    digits, clothes = (int(some) / int(of_all) for some, of_all in flagged)
    assert digits > 0.4 > 0.1 > clothes


def printed(name: str) -> str:
    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "\n".join(output.text for output in outputs if output.output_type == "stream")


def test_the_page_names_every_notebook() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in PATHS if f"({path.name})" not in page] == []
    for path in PATHS:
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        for link in re.findall(r"\]\(([^)#:]+)", text):
            assert (FOLDER / link).is_file(), f"{path.name} points to {link}"


def cell(**output: Any) -> NotebookNode:
    made: NotebookNode = nbformat.v4.new_code_cell("x", execution_count=3)
    made.outputs = [nbformat.v4.new_output(**output)]
    return made


def test_bars_of_progress_and_counts_are_left_out() -> None:
    bars = cell(output_type="stream", name="stderr", text="\r 0% 0/4\r100% 4/4\n")
    kept = cell(output_type="execute_result", data={"text/plain": "1"}, execution_count=3)
    notebook = nbformat.v4.new_notebook(cells=[bars, kept])
    tidy(notebook)
    assert bars.outputs == []
    assert (kept.execution_count, kept.outputs[0].execution_count) == (None, None)
    assert kept.outputs[0].data == {"text/plain": "1"}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("stderr", "UserWarning: careful\n", "must not warn, but says: UserWarning: careful"),
        ("stdout", f"wrote {FOLDER}/x\n", "must name no folder of this machine"),
    ],
)
def test_what_must_not_be_kept_is_refused(name: str, text: str, sentence: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[cell(output_type="stream", name=name, text=text)])
    with pytest.raises(ValueError, match=sentence):
        tidy(notebook)


def test_a_cell_that_fails_is_an_error_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "broken.ipynb"
    cells = [nbformat.v4.new_code_cell("1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        main([str(path)])
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="no cell with the tag 'parameters'"):
        execute(path, tmp_path, {"STEPS": 1})
