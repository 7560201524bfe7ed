"""Every reference to an equation of the docs leads to one, and every other says whose equation it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from anomaly_methods.meta import COMPLEXITY_KINDS
from anomaly_methods.methods.registry import METHODS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("invglow", "models", "anomaly_methods", "commands", "plots", "benchmarks")
TEXTS = sorted(
    {*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("*.py")}
    | {path for name in PACKAGES for kind in ("*.py", "*.md") for path in (ROOT / name).rglob(kind)}
)
# A formula, set off by four spaces, with its number at the end of the line.
NUMBERED = re.compile(r"^ {4,}\S.*\s\((\d+)\)$", re.MULTILINE)
SHORT_REFERENCE = re.compile(r"(?<![\w)\]`])\((\d\d?)\)")
REFERENCE = re.compile(r"\beq(?:uation|s?\.)s? (\d+(?:(?:, | and | to )\d+)*)", re.IGNORECASE)
OF_A_PAGE = re.compile(r"(?:docs/|\()(\w+\.md)\)?, $")
# Who wrote it, at most so many characters before.
OF_A_PAPER, NEAR = re.compile(r"et al|\b(?:19|20)\d\d\b"), 200


def numbers_of(page: Path) -> list[int]:
    """Return the numbers of the equations of a page, in their order there."""
    return [int(number) for number in NUMBERED.findall(page.read_text(encoding="utf-8"))]


PAGES = [page for page in sorted(DOCS.glob("*.md")) if numbers_of(page)]


def references(path: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield what stands before each reference to equations, on one line, and their numbers."""
    text = " ".join(path.read_text(encoding="utf-8").split())
    for found in REFERENCE.finditer(text):
        yield text[max(0, found.start() - NEAR) : found.start()], list(map(int, re.findall(r"\d+", found[1])))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_equations_of_a_page_are_numbered_in_order(page: Path) -> None:
    numbers = numbers_of(page)
    assert numbers == list(range(1, len(numbers) + 1))
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert len(numbers) == 1 or "quations are numbered as on this page" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_number_alone_is_one_of_its_page(page: Path) -> None:
    named = set(map(int, SHORT_REFERENCE.findall(page.read_text(encoding="utf-8"))))
    assert named == set(numbers_of(page))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_references_say_whose_equation_they_mean_and_it_exists(path: Path) -> None:
    for before, numbers in references(path):
        page = OF_A_PAGE.search(before)
        if page is None:
            assert OF_A_PAPER.search(before), f"{path}: equation {numbers} of what?"
        else:
            assert set(numbers) <= set(numbers_of(DOCS / page[1])), f"{path}: {page[0]}{numbers}"


@pytest.mark.parametrize(
    ("page", "sources"),
    [
        ("training.md", ["invglow/training/losses.py", "invglow/flows/class_conditional.py"]),
        ("architectures.md", ["invglow/flows", "invglow/transforms"]),
        ("analyses.md", ["anomaly_methods/analyses", "anomaly_methods/extractors"]),
        ("methods.md", ["anomaly_methods/methods", "anomaly_methods/extractors"]),
    ],
)
def test_every_equation_is_named_by_the_code_that_computes_it(page: str, sources: list[str]) -> None:
    roots = [ROOT / source for source in sources]
    paths = [path for root in roots for path in ([root] if root.is_file() else root.rglob("*.py"))]
    named = {
        number
        for path in paths
        for before, numbers in references(path)
        if before.endswith(f"docs/{page}, ")
        for number in numbers
    }
    assert named == set(numbers_of(DOCS / page))


def test_every_method_on_likelihoods_has_an_equation() -> None:
    text = (DOCS / "methods.md").read_text(encoding="utf-8")
    numbered = set(re.findall(r"^\| `(\w+)` \| .* \(\d\) \|", text, re.MULTILINE))
    kinds = {"likelihood", *COMPLEXITY_KINDS}
    named = {m.name for m in METHODS.values() if {source.kind for source in m.sources.values()} <= kinds}
    assert named - numbered == {"combined_without_gradients"}  # p-values of others
