"""The page of `main.py report` in a real browser: nothing is fetched or run, and it fits a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import main
from tests.commands.calls import Hierarchy
from tests.commands.report_examples import hostile_run
from tests.plots.report.browser import Browser, open_browser, program

pytestmark = pytest.mark.skipif(program() is None, reason="needs a browser: apt-get install chromium")

PHONE, PAPER, SCREEN = 360, 718, 1200  # pixels; A4 between margins of 1 cm
BROKEN = "[...document.images].filter(i => !i.complete || i.naturalWidth == 0).map(i => i.alt)"
WIDER = "[...document.querySelectorAll('body *')].filter(e => {selector}).map(e => e.outerHTML.slice(0, 200))"
# Relative luminance and contrast as WCAG 2.2 defines them, of every text against the ground behind it.
FAINT = """
(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const part = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const found = rgb(getComputedStyle(e).backgroundColor);
      if (found.length == 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim()) continue;
    const [low, high] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) faint.push(walker.currentNode.data);
  }
  return faint;
})()
"""


@pytest.fixture(scope="module")
def pages(hierarchy: Hierarchy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the pages of a run with a table, of one without, and of one that a stranger has written."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(hierarchy.folder, folder / "copied")
    found = Hierarchy(folder / "copied")
    sets = ("--in-distribution", found.inside, "--out-of-distribution", found.outside)
    methods = ("raw_likelihood", "likelihood_ratio", "typicality")
    pages = {name: folder / f"{name}.html" for name in ("unevaluated", "evaluated", "hostile")}
    report(found.specific, pages["unevaluated"])
    assert main.main(["evaluate", "--run", str(found.specific), *sets, "--method", *methods]) == 0
    report(found.specific, pages["evaluated"])
    report(hostile_run(found, folder), pages["hostile"])
    return pages


def report(run: Path, page: Path) -> None:
    assert main.main(["report", "--run", str(run), "--output", str(page)]) == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start a browser that all tests share."""
    with open_browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(params=["unevaluated", "evaluated", "hostile"])
def page(request: pytest.FixtureRequest, pages: dict[str, Path]) -> Path:
    """Return each page."""
    return pages[request.param]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, SCREEN])
def test_nothing_is_fetched_and_nothing_fails(
    browser: Browser, page: Path, *, width: int, dark: bool
) -> None:
    browser.open(page.as_uri(), width=width, dark=dark)
    requests = [event["request"]["url"] for event in browser.happened("Network.requestWillBeSent")]
    assert [address for address in requests if not address.startswith("data:")] == [page.as_uri()]
    said = browser.happened("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert said == []
    assert browser.value(BROKEN) == []
    assert browser.value("document.images.length") > 0
    assert browser.value(FAINT) == []


def test_the_page_fits_a_phone_and_its_tables_scroll(browser: Browser, page: Path) -> None:
    browser.open(page.as_uri(), width=PHONE)
    assert browser.value("innerWidth") == PHONE
    assert browser.value("document.documentElement.scrollWidth") <= PHONE
    small = WIDER.format(selector="e.matches('img, p, dd, h1, h2, h3') && e.clientWidth > innerWidth")
    assert browser.value(small) == []
    outside = WIDER.format(selector="e.matches('table') && !e.closest('.scroll')")
    assert browser.value(outside) == []
    assert browser.value("parseFloat(getComputedStyle(document.querySelector('p')).fontSize)") >= 16


def test_a_table_can_be_scrolled_with_its_heading_in_sight(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["evaluated"].as_uri(), width=PHONE)
    box = "document.querySelector('.scroll')"
    assert browser.value(f"{box}.scrollWidth > {box}.clientWidth && {box}.tabIndex == 0")
    browser.value(f"{box}.scrollLeft = 10000")
    heading = f"{box}.querySelector('tbody th').getBoundingClientRect().left"
    assert 0 <= browser.value(heading) < PHONE / 4


def test_headings_and_rows_are_there(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["evaluated"].as_uri(), width=SCREEN)
    titles = browser.value("[...document.querySelectorAll('h1, h2')].map(e => e.textContent)")
    assert titles == [
        "Run specific",
        "Results",
        "Training",
        "Samples",
        "Settings",
        "Statistics",
        "Versions and timings",
        "To repeat",
    ]
    rows = "[...document.querySelectorAll('#results tbody th')].map(e => e.textContent)"
    assert browser.value(rows) == ["raw_likelihood", "likelihood_ratio", "typicality"]
    assert browser.value("document.title") == "specific \N{MIDDLE DOT} run report"


def test_dark_is_dark_and_light_is_light(browser: Browser, pages: dict[str, Path]) -> None:
    brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    for dark in (False, True):
        browser.open(pages["evaluated"].as_uri(), width=SCREEN, dark=dark)
        assert (browser.value(brightness) < 64) is dark


def test_a_sheet_of_paper_is_wide_enough(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["evaluated"].as_uri(), width=PAPER, dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.value("document.documentElement.scrollWidth") <= PAPER
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.call("Emulation.setEmulatedMedia", media="")


def test_what_a_stranger_writes_is_shown_and_not_run(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["hostile"].as_uri(), width=SCREEN)
    assert browser.happened("Page.javascriptDialogOpening") == []
    assert browser.value("document.scripts.length") == 0
    assert browser.value("[...document.images].every(i => i.src.startsWith('data:'))")
    handlers = (
        "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => /^on/.test(n))"
    )
    assert browser.value(handlers) == []
    assert browser.value("document.querySelector('h1').textContent") == "Run <script>alert(3)<"
    for place in ("#results caption", "#settings td", "#statistics td", "#versions th", ".facts dt", ".lead"):
        assert "onerror=alert(2)" in browser.value(
            f"[...document.querySelectorAll('{place}')].map(e => e.textContent).join()"
        ), place
    described = "[...document.images].map(i => i.alt).join()"
    assert "onerror=alert(2)" in browser.value(described)
    assert browser.value("document.styleSheets.length") == 1
